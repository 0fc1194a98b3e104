#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Averages the weights of several runs of train.py into one model.

    average.py RUN RUN... --output DIR

Runs from the same initial weights often end in the same basin of the loss, and their mean generalises better than each
of them ("model soups", Wortsman et al., 2022). This does not hold for runs from random weights: check the result with
train.py --evaluate. RUN is an output folder of train.py; model.safetensors and weights.pth are written to DIR. Name,
size and so on of the model are those of the last run.
"""

import argparse
import json
import os
import sys

try:
    import torch
except ImportError:
    sys.exit("error: PyTorch is missing: apt install python3-torch, or pip install torch")

import dicenet  # noqa: F401  adds models/ to the module path
import checkpoint
import modelfile
import numpy as np
import outfile
from errors import ModelError


def files_of(folder):
    return [os.path.join(folder, name) for name in ("weights.pth", "model.safetensors")]


def read_run(folder):
    weights, model = files_of(folder)
    for path in (weights, model):
        if not os.path.exists(path):
            raise ModelError(f"{path} is not there: expected an output folder of a run of train.py that is complete")
    return checkpoint.read(weights), *modelfile.read(model)


def average(folders, output):
    runs = [read_run(folder) for folder in folders]
    _, arrays, metadata = runs[-1]
    shapes = {name: array.shape for name, array in arrays.items()}
    for folder, (found, _, theirs) in zip(folders, runs):
        same = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()} == shapes
        if not same or theirs.get("labels") != metadata.get("labels"):
            raise ModelError(f"{folder}: expected the same network and classes as in {folders[-1]}")
    weights = {
        name: np.mean([found.array(name) for found, _, _ in runs], 0, np.float64).astype(np.float32) for name in arrays
    }
    stored = {name: weights[name].astype(array.dtype) for name, array in arrays.items()}
    described = dict(metadata)
    for key in "metrics", "int8_ranges", "int8_means":  # they belong to a single run
        described.pop(key, None)
    training = json.loads(metadata.get("training", "{}"))
    described["training"] = json.dumps({**training, "averaged": len(runs)})
    os.makedirs(output, exist_ok=True)
    with outfile.open_whole(os.path.join(output, "weights.pth")) as file:
        torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, file)
    path = os.path.join(output, "model.safetensors")
    modelfile.write(path, stored, described)
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output folder of train.py")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--force", action="store_true", help="overwrite a model that is in DIR")
    arguments = parser.parse_args(argv)
    try:
        for path in files_of(arguments.output):
            outfile.check(path, sum(map(files_of, arguments.runs), []), arguments.force)
        print(average(arguments.runs, arguments.output))
    except (ModelError, OSError) as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
