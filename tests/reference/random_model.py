#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a model file with random weights, small or large, for tests.

The weights have the statistics of trained ones: activations keep their magnitude through the network, PReLU slopes
range from -1 to 3, some channels are dead with variances in the denormal range. A detector may find many, few or no
boxes. The same arguments always give the same file.

    random_model.py tiny.safetensors --task segment --scale 0.1 --classes 21 --size 64x64
    random_model.py other.safetensors --task classify --backbone mobilenet --scale 0.3
    random_model.py boxes.safetensors --task detect --scale 0.2 --classes 4 --size 96x96 --objects 5
    random_model.py cells.safetensors --task detect --head anchor-free --head-width 12 --context-width 20
"""

import argparse
import json
import re
import sys

try:
    import numpy as np
except ImportError:
    sys.exit("error: numpy is missing: install python3-numpy (apt) or numpy (pip), or use a Python that has it")

import reference
import tensorfile
from network import BACKBONES, HEADS, Network, tensors  # of models/, as reference.py finds it

# A network calibrated for a single size would have growing activations at others: at borders, kernels use fewer of
# their weights, and dynamic scaling smooths. The larger variance of these two sizes is used.
CALIBRATION_SIZES = ((64, 64), (224, 224))
DEAD_CHANNELS = 0.05  # trained checkpoints have 3 to 14 %
LOGIT_STD = 3.0


def make(
    task,
    scale=0.1,
    classes=21,
    backbone="dicenet",
    size=(64, 64),
    kernel_size=(224, 224),
    pyramid=False,
    decoder_width=16,
    head="ssd",
    head_width=16,
    context_width=24,
    multi_label=False,
    background=None,
    labels=None,
    threshold=None,
    thresholds=None,
    dtype="f32",
    objects=20,
    fill="random",
    seed=1,
):
    """Tensors and metadata of a model. Sizes are (width, height). `fill` "zeros" is for tests that only need shapes."""
    widths = decoder_width, head, head_width, context_width
    network = network_of(task, scale, classes, backbone, kernel_size, pyramid, *widths)
    if task == "classify":
        own = {"multi_label": boolean(multi_label)}
        if backbone != "dicenet":
            own["backbone"] = backbone
    elif task == "segment":
        own = {"decoder_width": str(decoder_width)}
    elif head == "ssd":
        own = {"pyramid": boolean(pyramid)}
    else:
        own = {"head": head, "head_width": str(head_width), "context_width": str(context_width)}
    if background is None:
        background = -1 if task == "classify" else 0
    metadata = describe(task, scale, classes, size, kernel_size, background, labels)
    metadata.update(own)
    if threshold is not None:
        metadata["threshold"] = str(threshold)
    if thresholds is not None:
        metadata["thresholds"] = json.dumps(thresholds)
    shapes = dict(tensors(network))
    values = zeros(shapes) if fill == "zeros" else randoms(shapes, metadata, objects, seed)
    return {name: store(tensor, dtype) for name, tensor in values.items()}, metadata


def network_of(
    task,
    scale,
    classes,
    backbone="dicenet",
    kernel_size=(224, 224),
    pyramid=False,
    decoder_width=16,
    head="ssd",
    head_width=16,
    context_width=24,
):
    """The network of models/network.py for these arguments of make()."""
    width, height = kernel_size
    if task == "segment":
        own = {"decoder_width": decoder_width}
    elif head == "ssd":
        own = {"pyramid": pyramid}
    else:
        own = {"head": head, "head_width": head_width, "context_width": context_width}
    return Network(task, str(scale), classes, width, height, backbone=backbone, **own)


def describe(task, scale, classes, size, kernel_size, background, labels):
    """The metadata common to all tasks."""
    metadata = {
        "format": "dicenet",
        "format_version": "1",
        "task": task,
        "scale": str(scale),
        "classes": str(classes),
        "background": str(background),
        "mean": "[0.485,0.456,0.406]",
        "std": "[0.229,0.224,0.225]",
        "size": "{}x{}".format(*size),
        "kernel_size": "{}x{}".format(*kernel_size),
    }
    if labels:
        metadata["labels"] = json.dumps(labels, ensure_ascii=False)
    return metadata


def zeros(shapes):
    return {name: np.full(shape, float(name.endswith("running_var"))) for name, shape in shapes.items()}


def randoms(shapes, metadata, objects, seed):
    random = np.random.default_rng(seed)
    return calibrate(random, {name: draw(random, name, shape) for name, shape in shapes.items()}, metadata, objects)


def boolean(value):
    return "true" if value else "false"


def store(tensor, dtype):
    """Half precision is for convolution weights only: the range of variances exceeds it."""
    return tensor.astype(np.float16 if dtype == "f16" and tensor.ndim > 1 else np.float32)


def draw(random, name, shape):
    """Initial values, without BatchNorm's, which calibrate() sets."""
    if len(shape) == 4:
        fan_in = np.prod(shape[1:])
        last = name.startswith(("classifier.2", "cls_layers", "eff_pool_128x128.merge_layer.3")) or is_of_cells(name)
        weight = random.normal(0.0, (LOGIT_STD if last else 1.0) / np.sqrt(fan_in), shape)
        if shape[2] == 3:
            weight[:, :, 1, 1] *= 2.0  # so that borders and interior of maps are similar
        return weight
    if name.endswith(".bias"):
        return random.normal(0.0, 0.3, shape)
    slopes = random.uniform(-1.0, 1.0, shape)
    return np.where(random.random(shape) < 0.1, random.uniform(1.0, 3.0, shape), slopes)


def is_of_cells(name):
    """Whether it belongs to the last convolutions of the anchor-free head's classes."""
    return re.match(r"cls\.\d\.2\.", name) is not None


class Calibration(reference.Blocks):
    """Runs the network and sets each BatchNorm so that its output has unit variance approximately."""

    def __init__(self, random, tensors):
        super().__init__(tensors)
        self.random = random
        self.variances = {}

    def batch_norm(self, name, x):
        # One variance per layer, and a part of each channel's mean: amplifying channels that hardly vary over a picture
        # would amplify rounding errors.
        mean = 0.7 * x.mean(axis=(0, 2, 3))
        var = np.mean((x - mean[:, None, None]) ** 2)
        self.variances[name] = max(var, self.variances.get(name, 0.0))
        self.tensors.update(self.draw_batch_norm(name, mean, self.variances[name]))
        return super().batch_norm(name, x)

    def draw_batch_norm(self, name, mean, var):
        channels = len(mean)
        alive = self.random.random(channels) >= DEAD_CHANNELS
        alive[0] = True
        spread = self.random.uniform(0.7, 1.4, channels)
        return {
            name + ".running_mean": np.where(alive, mean, 0.0),
            name + ".running_var": np.where(alive, var * spread**2, 1e-42 * spread),
            name + ".weight": np.where(alive, self.random.uniform(0.7, 1.3, channels), 1e-21 * spread),
            name + ".bias": np.where(alive, self.random.normal(0.0, 0.2, channels), 1e-39 * spread),
        }


def calibrate(random, tensors, metadata, objects, sizes=CALIBRATION_SIZES):
    blocks = Calibration(random, tensors)
    for width, height in sizes:
        reference.run_blocks(blocks, metadata, picture(random, width, height))
    if metadata["task"] == "detect":
        width, height = (int(n) for n in metadata["size"].split("x"))
        outputs = reference.run(blocks.tensors, metadata, picture(random, width, height))
        if metadata.get("head") == "anchor-free":
            set_logits(blocks.tensors, outputs["confidences"], objects)
        else:
            set_background(blocks.tensors, outputs["confidences"], objects)
    return blocks.tensors


def picture(random, width, height):
    """Smooth shapes and noise, normalised."""
    return reference.up(random.normal(size=(1, 3, 6, 6)), height, width) + 0.5 * random.normal(size=(1, 3, height, width))


def set_background(tensors, confidences, objects):
    """Sets the biases of the background class so that about `objects` priors of a picture are not background."""
    margins = np.logaddexp.reduce(confidences[..., 1:], axis=-1) - confidences[..., 0]
    strongest = np.sort(margins, axis=None)[::-1]
    background = strongest[min(objects, len(strongest) - 1)] if objects else strongest[0] + 50.0
    classes = confidences.shape[-1]
    for k in range(6):
        tensors[f"cls_layers.{k}.bias"][::classes] += background


def set_logits(tensors, confidences, objects):
    """The same for the anchor-free head: about `objects` cells have a logit above 0."""
    strongest = np.sort(confidences.max(axis=-1), axis=None)[::-1]
    least = strongest[min(objects, len(strongest) - 1)] if objects else strongest[0] + 50.0
    for name in filter(is_of_cells, tensors):
        if name.endswith(".bias"):
            tensors[name] -= least


def parse_size(text):
    width, x, height = text.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT")
    return int(width), int(height)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Writes a model file with random weights, for tests.")
    parser.add_argument("output", metavar="OUT.safetensors")
    parser.add_argument("--task", choices=("classify", "segment", "detect"), required=True)
    parser.add_argument("--scale", type=float, default=0.1, help="one that the backbone has (default: 0.1)")
    parser.add_argument("--backbone", choices=BACKBONES, default="dicenet", help="classify only")
    parser.add_argument("--classes", type=int, default=21, help="background included (default: 21)")
    parser.add_argument("--size", type=parse_size, default=(64, 64), metavar="WxH", help="to run at (default: 64x64)")
    parser.add_argument("--kernel-size", type=parse_size, default=(224, 224), metavar="WxH", help="(default: 224x224)")
    parser.add_argument("--pyramid", action="store_true", help="detect: with the feature pyramid")
    parser.add_argument("--decoder-width", type=int, default=16, help="segment: 16 or 32 (default: 16)")
    parser.add_argument("--head", choices=HEADS, default="ssd", help="of detect (default: ssd)")
    parser.add_argument("--head-width", type=int, default=16, help="anchor-free: channels (default: 16)")
    parser.add_argument("--context-width", type=int, default=24, help="anchor-free: of its context (default: 24)")
    parser.add_argument("--multi-label", action="store_true", help="classify: classes do not exclude each other")
    parser.add_argument("--background", type=int, help="class that stands for nothing, -1 for none (default: by task)")
    parser.add_argument("--labels", type=lambda text: text.split(","), metavar="A,B,...", help="one per class")
    parser.add_argument("--threshold", type=float, help="confidence that is worth reporting (default: by task)")
    parser.add_argument(
        "--thresholds",
        type=lambda text: [float(number) for number in text.split(",")],
        metavar="T,T,...",
        help="the same, one per class",
    )
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32", help="of the convolution weights")
    parser.add_argument("--objects", type=int, default=20, help="detect: priors that find something (default: 20)")
    parser.add_argument("--fill", choices=("random", "zeros"), default="random")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    if str(arguments.scale) not in BACKBONES[arguments.backbone]:
        parser.error(f"--scale: expected one of {', '.join(BACKBONES[arguments.backbone])}")
    if arguments.backbone != "dicenet" and arguments.task != "classify":
        parser.error(f"--backbone {arguments.backbone}: is for --task classify")
    for name, unit in ("labels", "names"), ("thresholds", "numbers"):
        given = getattr(arguments, name)
        if given and len(given) != arguments.classes:
            parser.error(f"--{name}: expected {arguments.classes} {unit}, found {len(given)}")
    return arguments


def main(argv=None):
    arguments = vars(parse_arguments(argv))
    output = arguments.pop("output")
    tensors, metadata = make(**arguments)
    tensorfile.write(output, tensors, metadata)


if __name__ == "__main__":
    main()
