# SPDX-License-Identifier: LGPL-2.1-or-later
"""Costs of a network at an input size, counted while the numpy reference runs: tests compare `dicenet info` with this,
and tests/bench compares times with the minimum for a machine.

The rules, which reproduce the published figures to the last digit:

- multiply-adds are those of the convolutions, at the size that each of them really works on: the height branch of a
  DiCE unit at H0 x W even where H differs, an EPP branch at its scaled size. Nothing else costs: no BatchNorm, PReLU,
  pooling, resizing or element-wise product;
- a bias is an addition without a multiplication: half a multiply-add per output;
- parameters are what was trained: convolution weights and biases, BatchNorm's weight and bias, PReLU's slopes; the
  running statistics are not.
"""

from collections import namedtuple
from math import prod
from unittest import mock

import numpy as np

import reference
from network import tensors

# Kinds of layers in the output. "local_fusion" is any grouped 1x1 convolution, "vectors" are layers on one value per
# channel: the DiCE unit's channel weights, the EPW's, the last FC layer.
KINDS = (
    "first_conv",
    "pointwise",
    "depthwise",
    "dimconv_depth",
    "dimconv_height",
    "dimconv_width",
    "local_fusion",
    "vectors",
)
BY_NAME = {
    "level1.cbr.0": "first_conv",
    "level1.0.cbr.0": "first_conv",
    ".conv_channel": "dimconv_depth",
    ".conv_height": "dimconv_height",
    ".conv_width": "dimconv_width",
    ".weight_avg_layer.cbr.0": "local_fusion",
    ".linear_comb_layer.1": "vectors",
    ".linear_comb_layer.3": "vectors",
    ".wt_layer.1": "vectors",
    ".extra_level8.1": "vectors",
    "classifier.0": "local_fusion",
    "classifier.2": "vectors",
}

# `reads` and `writes` are numbers of floats in the maps before and after: DimConv and local fusion are a single pass
# over memory.
Conv = namedtuple("Conv", "name kind weights bias outputs cells reads writes")


class Counter(reference.Blocks):
    """Runs a network for its shapes only, and records its convolutions."""

    def __init__(self, shapes):
        super().__init__({name: np.broadcast_to(0.0, shape) for name, shape in shapes})
        self.convs = []
        self.pooled = None  # rows and columns of the current EPP's input

    def conv(self, name, x, stride=1):
        shape = self.weight(name).shape
        outputs, inputs, k, _ = shape
        assert x.shape[1] % inputs == 0 and outputs % (x.shape[1] // inputs) == 0, f"{name}: {x.shape[1]} channels"
        size = tuple(-(-n // stride) for n in x.shape[2:])
        kind = next((kind for end, kind in BY_NAME.items() if name.endswith(end)), "pointwise" if k == 1 else "depthwise")
        bias = name + ".bias" in self.tensors
        reads, writes = self.moved(name, kind, prod(x.shape[1:]), outputs * prod(size))
        self.convs.append(Conv(name, kind, prod(shape), bias, outputs, prod(size), reads, writes))
        return np.broadcast_to(0.0, (len(x), outputs, *size))

    def moved(self, name, kind, reads, writes):
        if ".stages." in name:
            moved = len(self.weight(name)) * self.pooled
            return moved, moved
        if kind == "dimconv_depth":
            return reads, 0
        if kind in ("dimconv_height", "dimconv_width"):
            return 0, 0
        return (0 if name.endswith(".weight_avg_layer.cbr.0") else reads), writes

    def batch_norm(self, name, x):
        return x

    def prelu(self, name, x):
        return x

    def epp(self, name, x):
        self.pooled = prod(x.shape[2:])
        return super().epp(name, x)


def resized(x, h, w):
    return np.broadcast_to(0.0, (*x.shape[:2], h, w))


@mock.patch.multiple(reference, up=resized, down=resized)
def count(network, width, height):
    """The convolutions of a network (models/network.py) for an input of this size, in order of computation."""
    counter, x = Counter(tensors(network)), np.broadcast_to(0.0, (1, 3, height, width))
    if network.task == "classify":
        reference.classify(counter, x, network.backbone)
    elif network.task == "segment":
        reference.segment_half(counter, x)
    elif network.head == "anchor-free":
        reference.anchor_free(counter, x)
    else:
        reference.detect(counter, x, min(width, height), network.pyramid, network.classes)
    return counter.convs


def multiply_adds(convs):
    """Multiply-adds by kind, those of biases (half each) as "bias", and the "total"."""
    counts = dict.fromkeys(KINDS, 0)
    for conv in convs:
        counts[conv.kind] += conv.weights * conv.cells
    counts["bias"] = sum(conv.outputs * conv.cells for conv in convs if conv.bias) // 2
    counts["total"] = sum(counts.values())
    return counts


def parameters(network):
    """Number of trained parameters."""
    return sum(prod(shape) for name, shape in tensors(network) if "running_" not in name)


def passes(convs):
    """(multiply-adds, bytes) of every pass over memory: inputs, outputs and weights of a layer, once each."""
    macs = moved = 0
    for conv in convs:
        macs += conv.weights * conv.cells
        moved += 4 * (conv.reads + conv.writes + conv.weights)
        if conv.writes:
            yield macs, moved
            macs = moved = 0
