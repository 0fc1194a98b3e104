#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Converts a PyTorch checkpoint of a DiCENet network to a model file.

The checkpoint is a state_dict that torch.save() wrote. PyTorch is not needed, and no code in the checkpoint is
executed. Task, scale, number of classes, size of the DimConv kernels, pyramid or anchor-free head are derived from the
tensors. See docs/model-format.md for the format of the model file.
"""

import argparse
import json
import os
import re
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(
        "error: numpy is missing: install python3-numpy (apt) or numpy (pip), or run this with a Python that has it"
    )

import checkpoint
import modelfile
import network
import outfile
from errors import ModelError
from network import MAX_SIZE, MIN_SIZE
from readfile import read_bytes

# The same limits as the library's.
MAX_LABELS_BYTES = 4 << 20
MAX_LABEL_BYTES = 4096

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
DEFAULT_SIZES = {"classify": (224, 224), "segment": (384, 384), "detect": (300, 300)}

LABELS_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "labels")
# (pattern of the file's name, number of classes, labels file). The authors also train segmentation on COCO with PASCAL
# VOC's 21 classes.
KNOWN_LABELS = (
    ("pascal|voc", 21, "voc.txt"),
    ("city", 20, "cityscapes.txt"),
    ("coco", 21, "voc.txt"),
    ("coco", 81, "coco.txt"),
    ("imagenet", 1000, "imagenet.txt"),
)


def convert(
    source,
    target,
    labels=None,
    size=None,
    multi_label=False,
    dtype="f32",
    background=None,
    prior_sizes=None,
    mean=MEAN,
    std=STD,
    extra=None,
):
    """Converts the checkpoint `source` to the model file `target`, and returns the file's metadata.

    `labels` is the path of a labels file, `size` a (width, height), `background` the index of a class or -1; each is
    determined automatically if it is None. `prior_sizes` are those of a detector, if they differ from SSD's. `extra` is
    additional metadata. Raises ModelError if something does not fit; `target` is then unchanged.
    """
    found = checkpoint.read(source)
    try:
        shapes = {name: tensor.shape for name, tensor in found.tensors.items()}
        net = network.detect_network(shapes)
        network.check_tensors(net, shapes)
        arrays = {name: _stored(found, name, dtype) for name, _ in network.tensors(net)}
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from None
    metadata = _description(net, source, labels, size, multi_label, background)
    if prior_sizes is not None:
        metadata["prior_sizes"] = _prior_sizes(net, source, prior_sizes)
    metadata.update(mean=json.dumps(list(mean)), std=json.dumps(list(std)), source=os.path.basename(source))
    metadata.update({key: value for key, value in (extra or {}).items() if value})
    modelfile.write(target, arrays, metadata)
    return metadata


def _stored(found, name, dtype):
    """The tensor as stored. Vectors stay float32: they are small, and variances of BatchNorm exceed the range of
    float16."""
    tensor = found.tensors[name]
    if not tensor.is_floating:
        raise ModelError(f"tensor {name}: expected floating-point numbers, found {tensor.storage.kind}")
    array = found.array(name)
    if not np.isfinite(array).all():
        raise ModelError(f"tensor {name}: has values that are not finite; training diverged or the file is damaged")
    if name.endswith(".running_var") and (array < 0).any():
        raise ModelError(f"tensor {name}: expected variances, found {array.min():g}; the file is damaged")
    kind = np.float16 if dtype == "f16" and array.ndim > 1 else np.float32
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, kind)
    if not np.isfinite(stored).all():
        raise ModelError(
            f"tensor {name}: {np.abs(array).max():g} is out of the range of {stored.dtype}"
            + ("; use --dtype f32" if kind is np.float16 else "")
        )
    return stored


def _description(net, source, labels, size, multi_label, background):
    """The metadata that describes the network."""
    if multi_label and net.task != "classify":
        raise ModelError(
            f"{source}: only a classify network can be multi-label, and this is a {net.task} network; "
            "leave out --multi-label"
        )
    name = os.path.basename(source)
    names = _read_labels(labels, net) if labels else _known_labels(name, net)
    metadata = {
        "format": "dicenet",
        "format_version": "1",
        "task": net.task,
        "scale": net.scale,
        "classes": str(net.classes),
        "background": str(_background(net, names, background)),
        "size": "{}x{}".format(*(size or _size_of_name(name) or DEFAULT_SIZES[net.task])),
        "kernel_size": f"{net.kernel_width}x{net.kernel_height}",
    }
    if net.backbone != "dicenet":
        metadata["backbone"] = net.backbone
    if net.task == "classify":
        metadata["multi_label"] = _boolean(multi_label)
    elif net.task == "segment":
        metadata["decoder_width"] = str(net.decoder_width)
    elif net.head == "anchor-free":
        metadata.update(head=net.head, head_width=str(net.head_width), context_width=str(net.context_width))
    else:
        metadata["pyramid"] = _boolean(net.pyramid)
    if names:
        metadata["labels"] = json.dumps(names, ensure_ascii=False)
    return metadata


def _prior_sizes(net, source, sizes):
    if net.task != "detect":
        raise ModelError(f"{source}: only a detect network has priors, and this is a {net.task} network")
    if net.head != "ssd":
        raise ModelError(f"{source}: only SSD has priors, and this is an {net.head} detector")
    return json.dumps(list(sizes))


def _boolean(value):
    return "true" if value else "false"


def _background(net, names, wanted):
    if wanted is not None:
        if not -1 <= wanted < net.classes:
            raise ModelError(f"--background {wanted}: expected a class from 0 to {net.classes - 1}, or -1 for none")
        if net.task == "detect" and wanted != 0:
            raise ModelError(f"--background {wanted}: it is always class 0 of a detect network; leave it out")
        return wanted
    if net.task == "detect":
        return 0
    if net.task == "segment" and names and "background" in names:
        return names.index("background")
    return -1


def _size_of_name(name):
    """The size in a file's name: ..._384x384.pth, ..._1024x512.pth, ssd300_..."""
    sizes = re.findall(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)", name)
    ssd = re.match(r"ssd(\d{3,4})(?!\d)", name)
    if sizes:
        size = tuple(int(side) for side in sizes[-1])
    elif ssd:
        size = (int(ssd[1]),) * 2
    else:
        return None
    return size if all(MIN_SIZE <= side <= MAX_SIZE for side in size) else None


def _known_labels(name, net):
    """Labels of the data set in the file's name if the number of classes agrees, otherwise None."""
    for pattern, classes, file in KNOWN_LABELS:
        path = os.path.join(LABELS_FOLDER, file)
        if re.search(pattern, name, re.IGNORECASE) and net.classes == classes and os.path.exists(path):
            return _read_labels(path, net)
    return None


def _read_labels(path, net):
    try:
        text = read_bytes(path, MAX_LABELS_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: expected UTF-8 text, one label per line") from None
    # Split at "
    # " only, as the library does: other line separators may be part of a label.
    names = [name.strip() for name in text.rstrip().split("\n")]
    if net.task == "detect" and len(names) == net.classes - 1:
        names.insert(0, "background")
    if len(names) != net.classes:
        raise ModelError(f"{path}: expected {net.classes} labels, one per line, found {len(names)}")
    for n, name in enumerate(names, 1):
        size = len(name.encode())
        if not 0 < size <= MAX_LABEL_BYTES or "\0" in name:
            found = "is empty" if size == 0 else "has U+0000" if "\0" in name else f"has {size} bytes"
            raise ModelError(f"{path}: line {n} {found}; expected a label of at most {MAX_LABEL_BYTES} bytes")
    return names


def _size_option(text):
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match or not all(MIN_SIZE <= int(side) <= MAX_SIZE for side in match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, each {MIN_SIZE} to {MAX_SIZE}")
    return int(match[1]), int(match[2])


def _prior_sizes_option(text):
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not network.are_prior_sizes(sizes):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seven numbers of pixels from 1 to {2 * MAX_SIZE}, growing")
    return [int(size) if size.is_integer() else size for size in sizes]


def _rgb_option(text):
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(abs(value) <= 1000 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r}: expected three numbers, R,G,B, of pixels from 0 to 1")
    return values


def _std_option(text):
    values = _rgb_option(text)
    if min(values) < 1e-6:
        raise argparse.ArgumentTypeError(f"{text!r}: expected three numbers above zero, R,G,B, of pixels from 0 to 1")
    return values


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="See docs/model-format.md.")
    parser.add_argument("checkpoint", metavar="CHECKPOINT.pth", help="state_dict that torch.save() wrote")
    parser.add_argument("output", metavar="OUT.safetensors", help="model file to write")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="class names, one per line (default: those of the data set that "
        "the checkpoint's file name states, if any)",
    )
    parser.add_argument(
        "--size",
        type=_size_option,
        metavar="WxH",
        help="size that the model is meant to run at "
        "(default: from the file name, else 224x224, 384x384 or 300x300 by task)",
    )
    parser.add_argument("--multi-label", action="store_true", help="classes do not exclude each other (classify)")
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32", help="of the weights (default: f32)")
    parser.add_argument(
        "--background",
        type=int,
        metavar="N",
        help="class that stands for nothing, -1 for none (default: the one labelled background, 0 for detection)",
    )
    parser.add_argument(
        "--prior-sizes",
        type=_prior_sizes_option,
        metavar="A,B,C,D,E,F,G",
        help="sides of the priors in pixels (detect; default: SSD's for the size)",
    )
    parser.add_argument("--mean", type=_rgb_option, default=MEAN, metavar="R,G,B", help="of the training pixels / 255")
    parser.add_argument("--std", type=_std_option, default=STD, metavar="R,G,B", help="of the training pixels / 255")
    for key in ("source", "license", "description"):
        parser.add_argument("--" + key, metavar="TEXT", help=f"the model's {key}, kept in the file")
    parser.add_argument("--force", action="store_true", help="overwrite OUT.safetensors if it is there")
    arguments = parser.parse_args(argv)
    if not arguments.output.endswith(".safetensors"):
        parser.error(f"{arguments.output}: expected a name that ends in .safetensors for the model file to write")
    return arguments


def main(argv=None):
    arguments = _arguments(argv)
    extra = {key: getattr(arguments, key) for key in ("source", "license", "description")}
    try:
        outfile.check(arguments.output, (arguments.checkpoint, arguments.labels), arguments.force)
        metadata = convert(
            arguments.checkpoint,
            arguments.output,
            arguments.labels,
            arguments.size,
            arguments.multi_label,
            arguments.dtype,
            arguments.background,
            arguments.prior_sizes,
            arguments.mean,
            arguments.std,
            extra,
        )
    except ModelError as error:
        return f"error: {error}"
    print("{}: {task}, scale {scale}, {classes} classes, runs at {size}".format(arguments.output, **metadata))
    return 0


if __name__ == "__main__":
    outfile.run(main)
