# SPDX-License-Identifier: LGPL-2.1-or-later
"""The DiCENet networks in plain numpy and double precision: the reference for all implementations.

Meant to be read beside the paper: one function per building block, named as in the paper and the checkpoints, without
optimisations that would need an explanation. All feature maps are N x C x H x W.

    tensors, metadata = tensorfile.read("model.safetensors")
    outputs = reference.run(tensors, metadata, input)
"""

import json
import os
import sys
from math import ceil

import numpy as np

# The tensors of a network are defined there; the computation is defined here.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models"))
import ssd  # noqa: E402
from network import DICENET_BLOCKS, EPP_LEAST, EPP_SCALES, MOBILENET_UNITS, RESNET_BLOCKS  # noqa: E402

BATCH_NORM_EPS = 1e-5


# ---------------------------------------------------------------------------------------------------------------------
# Operations without weights


def pad(x, value=0.0):
    """Adds a row and a column of `value` on every side."""
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=value)


def windows3x3(x, stride, value=0.0):
    """Inputs of the nine taps of a padded 3x3 window: N x C x ceil(H/stride) x ceil(W/stride) each."""
    h, w = x.shape[2:]
    padded = pad(x, value)
    return [[padded[:, :, i : i + h : stride, j : j + w : stride] for j in range(3)] for i in range(3)]


def max_pool(x):
    """3x3, stride 2, padding 1."""
    return np.maximum.reduce([view for row in windows3x3(x, 2, -np.inf) for view in row])


def average_pool(x):
    """3x3, stride 2, padding 1; padding counts in the mean, so the divisor is always 9."""
    return sum(view for row in windows3x3(x, 2) for view in row) / 9.0


def shuffle(x, groups):
    """Reshapes channels to (groups, C/groups), transposes and flattens."""
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(n, c, h, w)


def up_axis(x, axis, size):
    """Linear interpolation with the first and last points at the first and last input (align_corners)."""
    last = x.shape[axis] - 1
    position = np.arange(size) * (last / (size - 1) if size > 1 else 0.0)
    lower = np.minimum(np.floor(position).astype(int), last)
    upper = np.minimum(lower + 1, last)
    fraction = (position - lower).reshape((-1, 1) if axis == 2 else (-1,))
    return (1.0 - fraction) * x.take(lower, axis) + fraction * x.take(upper, axis)


def down_axis(x, axis, size):
    """Point i is the mean of inputs floor(i * n / size) .. ceil((i + 1) * n / size) - 1."""
    n = x.shape[axis]
    cells = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
    return np.stack([x.take(range(first, end), axis).mean(axis) for first, end in cells], axis)


def up(x, h, w):
    """Bilinear, align_corners = true."""
    return up_axis(up_axis(x, 2, h), 3, w)


def down(x, h, w):
    """Adaptive average pooling."""
    return down_axis(down_axis(x, 2, h), 3, w)


def sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mean_hw(x):
    return x.mean(axis=(2, 3), keepdims=True)


# ---------------------------------------------------------------------------------------------------------------------
# The network's building blocks


class Blocks:
    """Building blocks that look up their weights by their names in checkpoints."""

    def __init__(self, tensors):
        self.tensors = {name: np.asarray(value, np.float64) for name, value in tensors.items()}

    def has(self, name):
        return name + ".weight" in self.tensors

    def weight(self, name):
        return self.tensors[name + ".weight"]

    def conv(self, name, x, stride=1):
        """1x1 or 3x3 convolution, padding 0 or 1, with a bias if there is one. The number of groups follows from the
        shapes."""
        weight = self.weight(name)
        cout, cin_per_group, k, _ = weight.shape
        groups = x.shape[1] // cin_per_group
        weight = weight.reshape(groups, cout // groups, cin_per_group, k, k)
        views = windows3x3(x, stride) if k == 3 else [[x]]
        n, _, h, w = views[0][0].shape
        y = np.zeros((n, groups, cout // groups, h * w))
        for i in range(k):
            for j in range(k):
                y += weight[:, :, :, i, j] @ views[i][j].reshape(n, groups, cin_per_group, h * w)
        y = y.reshape(n, cout, h, w)
        bias = self.tensors.get(name + ".bias")
        return y if bias is None else y + bias[:, None, None]

    def batch_norm(self, name, x):
        weight, bias, mean, var = (
            self.tensors[f"{name}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(var + BATCH_NORM_EPS) * weight + bias

    def prelu(self, name, x):
        return np.where(x > 0, x, self.weight(name)[:, None, None] * x)

    def br(self, name, x):
        return self.prelu(name + ".1", self.batch_norm(name + ".0", x))

    def cbr(self, name, x, stride=1):
        x = self.conv(name + ".cbr.0", x, stride)
        return self.prelu(name + ".cbr.2", self.batch_norm(name + ".cbr.1", x))

    # The DiCE unit

    def dim_conv_depth(self, name, x):
        """d[c,h,w] = sum over i, j of kc[c,i,j] * x[c, h+i, w+j]"""
        return self.conv(name + ".conv_channel", x)

    def dim_conv_height(self, name, x):
        """y[c,h,w] = sum over i, j of kh[h,i,j] * x[c+i, h, w+j], at the height that the layer was trained with"""
        h, w = x.shape[2:]
        h0 = len(self.weight(name + ".conv_height"))
        x = resize(x, h0, w)
        y = self.conv(name + ".conv_height", x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
        return resize(y, h, w)

    def dim_conv_width(self, name, x):
        """z[c,h,w] = sum over i, j of kw[w,i,j] * x[c+j, h+i, w], at the width that the layer was trained with"""
        h, w = x.shape[2:]
        w0 = len(self.weight(name + ".conv_width"))
        x = resize(x, h, w0)
        z = self.conv(name + ".conv_width", x.transpose(0, 3, 2, 1)).transpose(0, 3, 2, 1)
        return resize(z, h, w)

    def dice(self, name, x):
        branches = (self.dim_conv_depth(name, x), self.dim_conv_height(name, x), self.dim_conv_width(name, x))
        planes = self.br(name + ".br_act.br", np.concatenate(branches, axis=1))
        u = self.cbr(name + ".weight_avg_layer", shuffle(planes, 3))
        p = self.cbr(name + ".proj_layer", u)
        hidden = np.maximum(self.conv(name + ".linear_comb_layer.1", mean_hw(u)), 0.0)
        return p * sigmoid(self.conv(name + ".linear_comb_layer.3", hidden))

    def strided_dice(self, name, x):
        left = self.cbr(name + ".left_layer.1", self.cbr(name + ".left_layer.0", x, stride=2))
        right = self.cbr(name + ".right_layer.2", self.dice(name + ".right_layer.1", average_pool(x)))
        return shuffle(np.concatenate((left, right), axis=1), 2)

    def shuffle_dice_block(self, name, x):
        passed = round(x.shape[1] / 2)  # rounds ties to even
        processed = self.dice(name + ".layer_right.1", self.cbr(name + ".layer_right.0", x[:, passed:]))
        return shuffle(np.concatenate((x[:, :passed], processed), axis=1), 2)

    def backbone(self, prefix, x, levels):
        """Outputs of level 1 to `levels`, by level."""
        maps = {1: self.cbr(prefix + "level1", x, stride=2)}
        maps[2] = max_pool(maps[1])
        for level in range(3, levels + 1):
            x = self.strided_dice(f"{prefix}level{level}.0", maps[level - 1])
            for i in range(1, DICENET_BLOCKS[level] + 1):
                x = self.shuffle_dice_block(f"{prefix}level{level}.{i}", x)
            maps[level] = x
        return maps

    # The DiCE unit in MobileNet and in ResNet (paper 3.4, docs/networks.md)

    def mobilenet(self, x):
        x = self.cbr("level1.0", x, stride=2)
        for level in MOBILENET_UNITS:
            x = x if level == 1 else average_pool(x)
            for i in range(1, MOBILENET_UNITS[level] + 1):
                x = self.dice(f"level{level}.{i}", x)
        return x

    def bottleneck(self, name, x):
        shortcut = self.cbr(name + ".shortcut", x) if self.has(name + ".shortcut.cbr.0") else x
        return self.prelu(name + ".act", shortcut + self.dice(name + ".layer.1", self.cbr(name + ".layer.0", x)))

    def resnet(self, x):
        x = max_pool(self.cbr("level1", x, stride=2))
        for level in RESNET_BLOCKS:
            x = x if level == 2 else average_pool(x)
            for i in range(1, RESNET_BLOCKS[level] + 1):
                x = self.bottleneck(f"level{level}.{i}", x)
        return x

    # The decoder's blocks

    def epp(self, name, x):
        """Efficient pyramid pooling; the last one of a decoder has no BR at its end."""
        x = self.cbr(name + ".projection_layer", x)
        h, w = x.shape[2:]
        branches = []
        for i, scale in enumerate(EPP_SCALES):
            size = max(EPP_LEAST, ceil(h * scale)), max(EPP_LEAST, ceil(w * scale))
            stage = f"{name}.stages.{i}"
            if scale < 1.0:
                branches.append(up(self.conv(stage, down(x, *size)), h, w))
            elif scale > 1.0:
                branches.append(down(self.conv(stage, up(x, *size)), h, w))
            else:
                branches.append(self.conv(stage, x))
        x = self.br(name + ".merge_layer.0.br", np.concatenate(branches, axis=1))
        x = self.cbr(name + ".merge_layer.2", shuffle(x, len(EPP_SCALES)))
        x = self.conv(name + ".merge_layer.3", x)
        return self.br(name + ".br.br", x) if self.has(name + ".br.br.0") else x

    def epw(self, name, x):
        return self.cbr(name + ".expansion_layer", x) * sigmoid(self.conv(name + ".wt_layer.1", mean_hw(x)))

    # The anchor-free head's block

    def separable(self, name, x, stride=1):
        return self.cbr(name + ".1", self.cbr(name + ".0", x, stride))


def resize(x, h, w):
    """Dynamic scaling: enlarges inputs that are too small, and shrinks those that are too large."""
    if x.shape[2] < h or x.shape[3] < w:
        return up(x, h, w)
    if x.shape[2] > h or x.shape[3] > w:
        return down(x, h, w)
    return x


# ---------------------------------------------------------------------------------------------------------------------
# The networks


def classify(net, x, backbone):
    """Logits, N x classes."""
    if backbone == "dicenet":
        features = net.conv("classifier.0", mean_hw(net.backbone("", x, 5)[5]))
    else:
        features = mean_hw(net.mobilenet(x) if backbone == "mobilenet" else net.resnet(x))
    return net.conv("classifier.2", features)[:, :, 0, 0]


def segment_half(net, x):
    """Logits before the last scaling, N x classes x ceil(H/2) x ceil(W/2)."""
    maps = net.backbone("base_net.", x, 4)
    d = net.epp("eff_pool_16x16", maps[4])
    for level, name, next_epp in (
        (3, "32x32", "eff_pool_32x32"),
        (2, "64x64", "eff_pool_64x64"),
        (1, "128x128", "eff_pool_128x128"),
    ):
        encoded = net.epw("proj_enc_" + name, maps[level])
        d = net.br("bu_br_" + name, up(d, *encoded.shape[2:]) + encoded)
        d = net.epp(next_epp, d)
    return d


def segment(net, x):
    """Logits, N x classes x H x W."""
    return up(segment_half(net, x), *x.shape[2:])


def detect(net, x, trained_size, pyramid, classes):
    """Raw confidences (N x priors x classes) and locations (N x priors x 4), and the priors (priors x 4)."""
    levels = net.backbone("base_net.basenet.", x, 5)
    maps = [levels[3], levels[4], levels[5]]
    for name in ("base_net.extra_level6.layer", "base_net.extra_level7.layer"):
        maps.append(net.cbr(name + ".1", net.cbr(name + ".0", maps[-1], stride=2)))
    maps.append(np.maximum(net.conv("base_net.extra_level8.1", mean_hw(maps[-1])), 0.0))
    if pyramid:
        for k, name in ((3, "3x3_5x5"), (2, "5x5_10x10"), (1, "10x10_19x19"), (0, "19x19_38x38")):
            coarser = up(maps[k + 1], *maps[k].shape[2:])
            maps[k] = net.epp("base_net.bu_" + name, np.concatenate((coarser, maps[k]), axis=1))

    def predictions(layers, width):
        outputs = (net.conv(f"{layers}.{k}", m) for k, m in enumerate(maps))
        return np.concatenate([y.transpose(0, 2, 3, 1).reshape(len(x), -1, width) for y in outputs], axis=1)

    height, width = x.shape[2:]
    priors = ssd.priors(width, height, ssd.prior_sizes(trained_size))
    return predictions("cls_layers", classes), predictions("loc_layers", 4), priors


def anchor_free(net, x):
    """Raw confidences (N x cells x (classes - 1)) and locations (N x cells x 4), and the cells (cells x 4)."""
    levels = net.backbone("base_net.", x, 4)
    p3 = net.cbr("lateral.0", levels[3])
    p4 = net.cbr("lateral.1", levels[4])
    p5 = net.separable("context.0", levels[4], stride=2)
    p5 = net.separable("context.2", net.separable("context.1", p5))
    p5 = net.cbr("context.3", p5)
    p4 = net.separable("top_down.1", p4 + up(p5, *p4.shape[2:]))
    p3 = net.separable("top_down.0", p3 + up(p4, *p3.shape[2:]))
    p4 = net.separable("fuse.0", p4 + net.separable("bottom_up.0", p3, stride=2))
    p5 = net.separable("fuse.1", p5 + net.separable("bottom_up.1", p4, stride=2))
    p6 = net.separable("bottom_up.2", p5, stride=2)

    def predictions(branch):
        rows = []
        for k, y in enumerate((p3, p4, p5, p6)):
            y = net.separable(f"{branch}.{k}.1", net.separable(f"{branch}.{k}.0", y))
            y = net.conv(f"{branch}.{k}.2", y)
            rows.append(y.reshape(*y.shape[:2], -1).swapaxes(1, 2))
        return np.concatenate(rows, axis=1)

    height, width = x.shape[2:]
    return predictions("cls"), predictions("loc"), cells(width, height)


def cells(width, height):
    """Centre x and y of every cell, and its map's stride in x and y, as fractions of the input."""
    found = []
    columns, rows = ceil(ceil(width / 2) / 2), ceil(ceil(height / 2) / 2)
    for stride in (8, 16, 32, 64):
        columns, rows = ceil(columns / 2), ceil(rows / 2)
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                found.append((x / width, y / height, stride / width, stride / height))
    return np.array(found)


# ---------------------------------------------------------------------------------------------------------------------
# Boxes


def candidates(head, confidences, locations, priors):
    """Boxes, and a score of each for every class, with the background as the first."""
    if head == "ssd":
        return decode(locations, priors), softmax(confidences)
    scores = sigmoid(confidences)
    return decode_cells(locations, priors), np.concatenate((np.zeros((len(scores), 1)), scores), axis=1)


def decode_cells(locations, cells):
    """Boxes as x0, y0, x1, y1 (fractions of the picture, clipped): their sides lie stride * exp(t) from the centre."""
    centre, stride = cells[:, :2], cells[:, 2:]
    distance = np.exp(np.clip(locations, -6.0, 6.0))
    edges = centre - stride * distance[:, :2], centre + stride * distance[:, 2:]
    return np.clip(np.concatenate(edges, axis=1), 0.0, 1.0)


def decode(locations, priors):
    """Boxes as x0, y0, x1, y1 (fractions of the picture, not clipped)."""
    centre = priors[:, :2] + 0.1 * locations[:, :2] * priors[:, 2:]
    size = priors[:, 2:] * np.exp(0.2 * locations[:, 2:])
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1)


def iou(box, boxes):
    """Intersection over union of one box with each of several; 0 for boxes without an area."""
    overlap = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    intersection = np.prod(np.maximum(overlap, 0.0), axis=1)
    area, areas = np.prod(box[2:] - box[:2]), np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = area + areas - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def nms(boxes, scores, iou_threshold, limit):
    """Indices of the boxes that greedy NMS keeps, by decreasing score."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order) and len(kept) < limit:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[iou(boxes[best], boxes[order]) <= iou_threshold]
    return np.array(kept, np.int64)


def detections(confidences, locations, priors, threshold, iou_threshold=0.45, max_per_class=200, head="ssd"):
    """Boxes, labels and scores of a picture after decoding and per-class NMS, by decreasing score."""
    boxes, scores = candidates(head, confidences, locations, priors)
    found = [(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))]
    for label in range(1, scores.shape[1]):
        above = np.flatnonzero(scores[:, label] >= threshold)
        kept = above[nms(boxes[above], scores[above, label], iou_threshold, max_per_class)]
        found.append((boxes[kept], np.full(len(kept), label), scores[kept, label]))
    boxes, labels, scores = (np.concatenate(parts) for parts in zip(*found))
    order = np.argsort(-scores, kind="stable")
    return boxes[order], labels[order], scores[order]


# ---------------------------------------------------------------------------------------------------------------------
# Running a model file's content


def normalise(pixels, metadata):
    """H x W x 3 RGB bytes to the 1 x 3 x H x W input.

    The input is single precision, computed in this order with rounding after each step. A pyramid detector may amplify
    its last bit to 1e-5 of its largest output, so the steps matter.
    """
    mean, std = (np.array(json.loads(metadata[key]), np.float32) for key in ("mean", "std"))
    return ((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]


def run(tensors, metadata, x):
    """A dict of the model's outputs, with the names used throughout the project."""
    return run_blocks(Blocks(tensors), metadata, x)


def run_blocks(net, metadata, x):
    """Likewise, with given building blocks, which may do more than compute."""
    x = np.asarray(x, np.float64)
    if metadata["task"] == "classify":
        return {"logits": classify(net, x, metadata.get("backbone", "dicenet"))}
    if metadata["task"] == "segment":
        return {"logits": segment(net, x)}
    if metadata.get("head") == "anchor-free":
        return dict(zip(("confidences", "locations", "priors"), anchor_free(net, x)))
    trained_size = min(int(n) for n in metadata["size"].split("x"))
    outputs = detect(net, x, trained_size, metadata["pyramid"] == "true", int(metadata["classes"]))
    return dict(zip(("confidences", "locations", "priors"), outputs))
