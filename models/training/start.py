# SPDX-License-Identifier: LGPL-2.1-or-later
"""Initial weights from other models, and output of the model file."""

import json
import os
import sys

import torch

import dicenet  # adds models/ to the module path
import checkpoint
import convert
import modelfile
import outfile
from errors import ModelError
from network import backbone_prefix, detect_network


def read_tensors(path):
    if path.endswith(".safetensors"):
        return modelfile.read(path)[0]
    found = checkpoint.read(path)
    return {name: found.array(name) for name in found.tensors}


def place_of(name):
    """The file of a model, which may be given by the name of one in models/."""
    path = os.path.join(os.path.dirname(__file__), "..", name + ".safetensors")
    return os.path.normpath(path) if not os.path.exists(name) and os.path.exists(path) else name


def settings_of(path, task):
    """The settings that describe the network of a model, as far as one for `task` begins with it."""
    found = detect_network({name: array.shape for name, array in read_tensors(path).items()})
    settings = {"scale": found.scale}
    if found.kernel_width == found.kernel_height:
        settings["kernel_size"] = found.kernel_width
    if found.task != task:
        return settings
    key = {"classify": "backbone", "segment": "decoder_width", "detect": "head"}[task]
    settings[key] = getattr(found, key)
    if found.head == "anchor-free":
        settings.update(head_width=found.head_width, context_width=found.context_width)
    elif task == "detect":
        settings["pyramid"] = found.pyramid
    metadata = modelfile.read(path)[1] if path.endswith(".safetensors") else {}
    if "size" in metadata:
        settings["size"] = size_of(path, metadata["size"])
        settings["prior_sizes"] = value_of(path, metadata, "prior_sizes")  # none: SSD's for the size
    return settings


def size_of(path, text):
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ModelError(f"{path}: size: expected WIDTHxHEIGHT, found {text!r}")
    return [int(width), int(height)]


def value_of(path, metadata, key):
    """What the JSON of a model's metadata says; None if it has no such key."""
    try:
        return json.loads(metadata.get(key, "null"))
    except ValueError as error:
        raise ModelError(f"{path}: {key}: expected JSON: {error}") from None


def prefix_of(net):
    """What the names of the backbone's tensors begin with."""
    name = next(name for name, module in net.named_modules() if isinstance(module, dicenet.Backbone))
    return name + "." if name else ""


def fitting(net, task, path):
    """Another model's tensors that fit `net`, by their names in `net`; the backbone's fit whatever the task."""
    arrays = read_tensors(path)
    given = detect_network({name: a.shape for name, a in arrays.items()})
    mine, theirs = prefix_of(net), backbone_prefix(given)
    found = {}
    for name, tensor in net.state_dict().items():
        backbone = name.startswith(mine + "level")
        source = theirs + name[len(mine) :] if backbone else name
        if (backbone or task == given.task) and source in arrays and arrays[source].shape == tuple(tensor.shape):
            found[name] = torch.from_numpy(arrays[source].astype("float32"))
    return found


def of_backbone(net, names):
    """Those of the backbone's tensors."""
    start = prefix_of(net) + "level"
    return {name for name in names if name.startswith(start)}


def copy(net, tensors, path, what="tensors"):
    state = net.state_dict()
    for name, tensor in tensors.items():
        state[name].copy_(tensor)
    print(f"{len(tensors)} {what} from {path}", file=sys.stderr)
    return set(tensors)


def initialise_from(net, task, path):
    """Copies the tensors of another model that fit; the backbone fits whatever the tasks. Returns the names of the
    copied ones."""
    found = fitting(net, task, path)
    if len(of_backbone(net, found)) < len(of_backbone(net, net.state_dict())) / 2:
        raise ModelError(f"{path}: nothing fits this network: expected a model of the same scale")
    return copy(net, found, path)


def initialise_head_from(net, task, path):
    """Copies the tensors of another model that fit, except the backbone's, whose scale may differ. Returns their
    names."""
    found = fitting(net, task, path)
    head = set(found) - of_backbone(net, found)
    if not head:
        raise ModelError(f"{path}: nothing of it fits: expected a {task} network with such a head")
    return copy(net, {name: found[name] for name in head}, path, "tensors of its head")


def labels_of(path):
    if not path.endswith(".safetensors"):
        return None
    return value_of(path, modelfile.read(path)[1], "labels")


def thresholds_of(judged, names):
    """The model's thresholds: one for all, which older versions of the library read, and one for each class. Those that
    were not judged, a detector's background, have the former."""
    common, own = judged["best_threshold"], judged["thresholds"]
    return {"threshold": str(common), "thresholds": json.dumps([own.get(name, common) for name in names])}


def write_model(run, folder, metrics, photos):
    """Writes weights.pth and labels.txt, and converts them to model.safetensors, whose path it returns."""
    config, task = run.config, run.task
    weights, labels = os.path.join(folder, "weights.pth"), os.path.join(folder, "labels.txt")
    model = os.path.join(folder, "model.safetensors")
    settings = config.as_dict()
    for key in ("init", "head_init", "teacher", "guide"):  # their folders mean nothing on other machines
        settings[key] = os.path.basename(settings[key].rstrip("/"))
    settings["epochs"] = round(run.step / run.epoch_steps, 1)  # --minutes takes precedence
    judged = next(iter(metrics.values()))  # of the first validation list, the main one
    thresholds = thresholds_of(judged, task.names) if judged.get("best_f1") else {}  # omitted if nothing was found
    with outfile.open_whole(weights) as file:
        torch.save({name: x.cpu().contiguous() for name, x in run.evaluated.state_dict().items()}, file)
    with outfile.open_whole(labels, "w", encoding="utf-8") as file:
        file.write("\n".join(config.labels or task.names) + "\n")
    convert.convert(
        weights,
        model,
        labels=labels,
        size=tuple(config.size),
        multi_label=config.task == "classify" and config.multi_label,
        dtype=config.dtype,
        background=task.background,
        prior_sizes=config.prior_sizes if task.has_priors else None,
        extra={
            "metrics": json.dumps(metrics),
            "training": json.dumps({"photos": photos, "steps": run.step, "config": settings}),
            **thresholds,
            "license": config.license,
            "description": config.description,
        },
    )
    return model
