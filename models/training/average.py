#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes one model of several runs of train.py: the mean of their weights.

    average.py RUN RUN... --output DIR

Runs that began with the same weights often end in the same valley, and its middle generalises better than any place on its slope
("model soups", Wortsman et al., 2022). Runs that began with random weights do not: judge what comes out with
train.py --evaluate. RUN is an output folder of train.py; DIR gets model.safetensors and weights.pth. What the model is
called, its size and so on are the last run's.
"""

import argparse
import json
import os
import sys

try:
    import torch
except ImportError:
    sys.exit("error: PyTorch is missing: apt install python3-torch, or pip install torch")

import dicenet  # noqa: F401  lets the modules of models/ be found
import modelfile
from errors import ModelError


def read_run(folder):
    weights, model = os.path.join(folder, "weights.pth"), os.path.join(folder, "model.safetensors")
    for path in (weights, model):
        if not os.path.exists(path):
            raise ModelError(f"{path} is not there: expected an output folder of a run of train.py that is complete")
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by what is wrong with the file
        raise ModelError(f"{weights}: is no weights of train.py, or damaged ({type(error).__name__})") from None
    return state, *modelfile.read(model)


def mean_of(states):
    """Of counters, the first one's."""
    return {
        name: (sum(s[name].double() for s in states) / len(states)).to(x.dtype) if x.is_floating_point() else x
        for name, x in states[0].items()
    }


def average(folders, output):
    runs = [read_run(folder) for folder in folders]
    states, (_, arrays, metadata) = [state for state, _, _ in runs], runs[-1]
    for folder, (state, _, theirs) in zip(folders, runs):
        same = {name: x.shape for name, x in state.items()} == {name: x.shape for name, x in states[-1].items()}
        if not same or theirs.get("labels") != metadata.get("labels"):
            raise ModelError(f"{folder}: expected the same network and classes as in {folders[-1]}")
    weights = mean_of(states)
    stored = {name: weights[name].numpy().astype(array.dtype) for name, array in arrays.items()}
    described = dict(metadata)
    described.pop("metrics", None)  # those of one run
    training = json.loads(metadata.get("training", "{}"))
    described["training"] = json.dumps({**training, "averaged": len(runs)})
    os.makedirs(output, exist_ok=True)
    torch.save(weights, os.path.join(output, "weights.pth"))
    path = os.path.join(output, "model.safetensors")
    modelfile.write(path, stored, described)
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output folder of train.py")
    parser.add_argument("--output", required=True, metavar="DIR")
    arguments = parser.parse_args(argv)
    try:
        print(average(arguments.runs, arguments.output))
    except (ModelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
