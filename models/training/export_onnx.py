#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exports a network to ONNX for one input size, with BatchNorm folded into convolutions.

    export_onnx.py MODEL OUT.onnx [--size WxH]

MODEL is a model file or a checkpoint. The input is `input`, 1 x 3 x H x W, normalised; the outputs are `logits`, or
`confidences` and `locations`. Requires PyTorch 1.13 or newer.
"""

import argparse
import inspect
import sys
import warnings

try:
    import torch
except ImportError:
    sys.exit("error: PyTorch is missing: apt install python3-torch, or pip install torch")

import dicenet
import outfile
from errors import ModelError
from network import MAX_SIZE, MIN_SIZE

OPSET = 13


def export(net, path, width, height):
    """Exports a PyTorch network with a picture as its input to `path`, which appears when it is complete; ModelError.
    """
    detector = isinstance(net, tuple(dicenet.DETECTORS.values()))
    outputs = ["confidences", "locations"] if detector else ["logits"]
    # Use the tracing exporter with all versions: the newer one needs additional packages.
    tracing = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings(), torch.no_grad(), outfile.open_whole(path) as file:
        # Hide warnings that sizes become constants, which is intended, and that this exporter is deprecated.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            torch.zeros(1, 3, height, width),
            file,
            opset_version=OPSET,
            input_names=["input"],
            output_names=outputs,
            **tracing,
        )


def parse_size(text):
    width, x, height = text.partition("x")
    if not (x and all(n.isdecimal() and MIN_SIZE <= int(n) <= MAX_SIZE for n in (width, height))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, each {MIN_SIZE} to {MAX_SIZE}")
    return int(width), int(height)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL", help=".safetensors or .pth")
    parser.add_argument("output", metavar="OUT.onnx")
    parser.add_argument("--size", type=parse_size, default=(224, 224), metavar="WxH", help="of the input (224x224)")
    parser.add_argument("--force", action="store_true", help="overwrite OUT.onnx if it is there")
    arguments = parser.parse_args(argv)
    try:
        outfile.check(arguments.output, (arguments.model,), arguments.force)
        export(dicenet.load(arguments.model), arguments.output, *arguments.size)
    except (ModelError, OSError) as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
