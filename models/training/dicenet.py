# SPDX-License-Identifier: LGPL-2.1-or-later
"""The DiCENet networks in PyTorch for classification, detection and segmentation; also the DiCE unit in MobileNet and
ResNet, for classification (docs/networks.md).

Modules are named so that tensors have the names of the published checkpoints, which can be loaded directly. Networks
take N x 3 x H x W, normalised, of any size from 32 x 32: every DiCE unit scales its input to the size of its kernels.

    net = dicenet.load("model.safetensors")      # or a checkpoint.pth
    net = dicenet.build(Network("classify", "1.0", classes=20, kernel_width=224, kernel_height=224))
"""

import os
import sys
from math import ceil, gcd

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import checkpoint  # noqa: E402
import modelfile  # noqa: E402
from network import (  # noqa: E402
    BACKBONES,
    BOXES_PER_CELL,
    CELL_MAPS,
    CLASSIFIER_GROUPS,
    CONTEXT_BLOCKS,
    DICENET_BLOCKS,
    EPP_LEAST,
    EPP_SCALES,
    MOBILENET_UNITS,
    RESNET_BLOCKS,
    SCALES,
    check_tensors,
    detect_network,
)


# Operations without weights


def size_of(x):
    """Height and width, as numbers even while the network is traced for ONNX."""
    return int(x.shape[2]), int(x.shape[3])


def up(x, h, w):
    return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=True)


def down(x, h, w):
    """Adaptive average pooling: cell i covers rows floor(i * H / h) to ceil((i + 1) * H / h) - 1, likewise columns."""
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, (h, w))
    height, width = size_of(x)
    if height % h == 0 and width % w == 0:
        return F.avg_pool2d(x, (height // h, width // w))
    # ONNX only has pooling with equal cells; multiply by a matrix for each axis instead.
    if height != h:
        x = torch.matmul(pooling_matrix(height, h), x)
    if width != w:
        x = torch.matmul(x, pooling_matrix(width, w).t())
    return x


def pooling_matrix(n, cells):
    """cells x n: weights of adaptive average pooling from n points."""
    matrix = torch.zeros(cells, n)
    for i in range(cells):
        first, end = i * n // cells, -(-(i + 1) * n // cells)
        matrix[i, first:end] = 1.0 / (end - first)
    return torch.tensor(matrix.tolist())  # makes it a constant for the exporter, which traces the origin of tensors


def resize(x, h, w):
    """Dynamic scaling: enlarges inputs that are too small, and shrinks those that are too large."""
    height, width = size_of(x)
    if height < h or width < w:
        return up(x, h, w)
    if height > h or width > w:
        return down(x, h, w)
    return x


class Shuffle(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


# Convolution, BatchNorm, PReLU


def conv(cin, cout, kernel, stride=1, groups=1, bias=False):
    return nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=bias)


class CBR(nn.Module):
    def __init__(self, cin, cout, kernel, stride=1, groups=1):
        super().__init__()
        self.cbr = nn.Sequential(conv(cin, cout, kernel, stride, groups), nn.BatchNorm2d(cout), nn.PReLU(cout))

    def forward(self, x):
        return self.cbr(x)


class BR(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.br = nn.Sequential(nn.BatchNorm2d(c), nn.PReLU(c))

    def forward(self, x):
        return self.br(x)


# The DiCE unit and DiCENet's blocks


class DICE(nn.Module):
    """`rows` and `columns` are the size of the layer's input in training: one kernel for each."""

    def __init__(self, cin, cout, rows, columns):
        super().__init__()
        self.conv_channel = conv(cin, cin, 3, groups=cin)
        self.conv_height = conv(rows, rows, 3, groups=rows)
        self.conv_width = conv(columns, columns, 3, groups=columns)
        self.br_act = BR(3 * cin)
        self.shuffle = Shuffle(3)
        self.weight_avg_layer = CBR(3 * cin, cin, 1, groups=cin)
        self.proj_layer = CBR(cin, cout, 3, groups=gcd(cin, cout))
        self.linear_comb_layer = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), conv(cin, cin // 4, 1), nn.ReLU(), conv(cin // 4, cout, 1), nn.Sigmoid()
        )

    def height(self, x):
        h, w = size_of(x)
        x = resize(x, self.conv_height.in_channels, w)
        return resize(self.conv_height(x.transpose(1, 2)).transpose(1, 2), h, w)

    def width(self, x):
        h, w = size_of(x)
        x = resize(x, h, self.conv_width.in_channels)
        return resize(self.conv_width(x.transpose(1, 3)).transpose(1, 3), h, w)

    def forward(self, x):
        branches = torch.cat((self.conv_channel(x), self.height(x), self.width(x)), 1)
        fused = self.weight_avg_layer(self.shuffle(self.br_act(branches)))
        return self.proj_layer(fused) * self.linear_comb_layer(fused)


class StridedDICE(nn.Module):
    def __init__(self, c, rows, columns):
        super().__init__()
        self.left_layer = nn.Sequential(CBR(c, c, 3, 2, groups=c), CBR(c, c, 1))
        self.right_layer = nn.Sequential(nn.AvgPool2d(3, 2, 1), DICE(c, c, rows, columns), CBR(c, c, 1))
        self.shuffle = Shuffle(2)

    def forward(self, x):
        return self.shuffle(torch.cat((self.left_layer(x), self.right_layer(x)), 1))


class ShuffleDICEBlock(nn.Module):
    def __init__(self, cin, cout, rows, columns):
        super().__init__()
        self.passed = round(cin / 2)  # rounds ties to even, like the published networks
        c = cout - self.passed
        self.layer_right = nn.Sequential(CBR(cin - self.passed, c, 1), DICE(c, c, rows, columns))
        self.shuffle = Shuffle(2)

    def forward(self, x):
        return self.shuffle(torch.cat((x[:, : self.passed], self.layer_right(x[:, self.passed :])), 1))


class Bottleneck(nn.Module):
    """ResNet's block with its 3 x 3 and last pointwise convolution replaced by a DiCE unit."""

    def __init__(self, cin, cout, rows, columns):
        super().__init__()
        self.shortcut = nn.Identity() if cin == cout else CBR(cin, cout, 1)
        self.layer = nn.Sequential(CBR(cin, cout // 4, 1), DICE(cout // 4, cout, rows, columns))
        self.act = nn.PReLU(cout)

    def forward(self, x):
        return self.act(self.shortcut(x) + self.layer(x))


# The backbones


def dicenet_levels(description):
    c0, *channels, _ = SCALES[description.scale]
    yield CBR(3, c0, 3, 2)
    yield nn.MaxPool2d(3, 2, 1)
    for level, cin, cout in zip(DICENET_BLOCKS, channels, channels[1:]):
        kernels = kernels_at(description, level)
        blocks = [StridedDICE(cin, *kernels)]
        for i in range(DICENET_BLOCKS[level]):
            blocks.append(ShuffleDICEBlock(cout if i else 2 * cin, cout, *kernels))
        yield nn.Sequential(*blocks)


# The DiCE unit has no stride: in the other two networks, a level begins with pooling.


def mobilenet_levels(description):
    channels = BACKBONES["mobilenet"][description.scale]
    cin = channels[0] // 2
    for level, cout in enumerate(channels, 1):
        layers = [CBR(3, cin, 3, 2) if level == 1 else nn.AvgPool2d(3, 2, 1)]
        for _ in range(MOBILENET_UNITS[level]):
            layers.append(DICE(cin, cout, *kernels_at(description, level)))
            cin = cout
        yield nn.Sequential(*layers)


def resnet_levels(description):
    cin, *channels = BACKBONES["resnet"][description.scale]
    yield CBR(3, cin, 3, 2)
    for level, cout in enumerate(channels, 2):
        layers = [nn.MaxPool2d(3, 2, 1) if level == 2 else nn.AvgPool2d(3, 2, 1)]
        for _ in range(RESNET_BLOCKS[level]):
            layers.append(Bottleneck(cin, cout, *kernels_at(description, level)))
            cin = cout
        yield nn.Sequential(*layers)


def kernels_at(description, level):
    """Rows and columns of a level at the size that its DimConv kernels are for."""
    return [ceil(n / 2**level) for n in (description.kernel_height, description.kernel_width)]


class Backbone(nn.Module):
    """Levels 1 to `levels`; each halves the size of the picture."""

    def __init__(self, description, levels):
        super().__init__()
        self.levels = levels
        self.frozen_levels = 0  # not changed by training
        backbones = {"dicenet": dicenet_levels, "mobilenet": mobilenet_levels, "resnet": resnet_levels}
        for level, module in zip(range(1, levels + 1), backbones[description.backbone](description)):
            setattr(self, f"level{level}", module)

    def maps(self, x):
        """The outputs of all levels."""
        maps = []
        for level in range(1, self.levels + 1):
            with torch.set_grad_enabled(torch.is_grad_enabled() and level > self.frozen_levels):
                x = getattr(self, f"level{level}")(x)
            maps.append(x)
        return maps


# The decoder's blocks


class EPP(nn.Module):
    """Efficient pyramid pooling; the last one of a decoder has a bias instead of BatchNorm and PReLU."""

    def __init__(self, cin, c, cout, last=False):
        super().__init__()
        self.projection_layer = CBR(cin, c, 1)
        self.stages = nn.ModuleList(conv(c, c, 3, groups=c) for _ in EPP_SCALES)
        n = len(EPP_SCALES)
        merged = CBR(n * c, c, 3, groups=c)
        self.merge_layer = nn.Sequential(BR(n * c), Shuffle(n), merged, conv(c, cout, 1, bias=last))
        self.br = nn.Identity() if last else BR(cout)

    def forward(self, x):
        x = self.projection_layer(x)
        return self.br(self.merge_layer(torch.cat([self.stage(*s, x) for s in zip(EPP_SCALES, self.stages)], 1)))

    @staticmethod
    def stage(scale, convolution, x):
        h, w = size_of(x)
        size = max(EPP_LEAST, ceil(h * scale)), max(EPP_LEAST, ceil(w * scale))
        if scale < 1.0:
            return up(convolution(down(x, *size)), h, w)
        if scale > 1.0:
            return down(convolution(up(x, *size)), h, w)
        return convolution(x)


class EPW(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(cin, cout, 1), nn.Sigmoid())
        self.expansion_layer = CBR(cin, cout, 3, groups=gcd(cin, cout))

    def forward(self, x):
        return self.expansion_layer(x) * self.wt_layer(x)


# The networks


class Classify(Backbone):
    """Logits, N x classes."""

    def __init__(self, description):
        super().__init__(description, 5)
        *_, c, features = BACKBONES[description.backbone][description.scale]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            conv(c, features, 1, groups=CLASSIFIER_GROUPS) if description.backbone == "dicenet" else nn.Identity(),
            nn.Dropout(0.0),  # training sets the rate
            conv(features, description.classes, 1, bias=True),
        )

    def forward(self, x):
        return self.classifier(self.pool(self.maps(x)[-1])).flatten(1)


class Segment(nn.Module):
    """Logits, N x classes x H x W."""

    def __init__(self, description):
        super().__init__()
        c0, c1, c2, c3, *_ = SCALES[description.scale]
        b, classes = description.decoder_width, description.classes
        c = min(classes // 2, b)
        self.base_net = Backbone(description, 4)
        self.eff_pool_16x16 = EPP(c3, c, 4 * b)
        self.eff_pool_32x32 = EPP(4 * b, c, 3 * b)
        self.eff_pool_64x64 = EPP(3 * b, c, 2 * b)
        self.eff_pool_128x128 = EPP(2 * b, c, classes, last=True)
        for name, encoded, planes in (("32x32", c2, 4 * b), ("64x64", c1, 3 * b), ("128x128", c0, 2 * b)):
            setattr(self, "proj_enc_" + name, EPW(encoded, planes))
            setattr(self, "bu_br_" + name, nn.Sequential(nn.BatchNorm2d(planes), nn.PReLU(planes)))

    def half(self, x):
        """Logits at half the input's size."""
        e1, e2, e3, e4 = self.base_net.maps(x)
        d = self.eff_pool_16x16(e4)
        for name, e in (("32x32", e3), ("64x64", e2), ("128x128", e1)):
            e = getattr(self, "proj_enc_" + name)(e)
            d = getattr(self, "bu_br_" + name)(up(d, *size_of(e)) + e)
            d = getattr(self, "eff_pool_" + name)(d)
        return d

    def forward(self, x):
        return up(self.half(x), *size_of(x))


class Layers(nn.Module):
    """Modules in sequence."""

    def __init__(self, *layers):
        super().__init__()
        self.layer = nn.Sequential(*layers)

    def forward(self, x):
        return self.layer(x)


class Pyramid(nn.Module):
    """The six feature maps from which boxes are predicted."""

    NAMES = ("19x19_38x38", "10x10_19x19", "5x5_10x10", "3x3_5x5")

    def __init__(self, description):
        super().__init__()
        *_, c2, c3, c4, _ = SCALES[description.scale]
        self.channels = c2, c3, c4, 1024, 512, 256
        self.basenet = Backbone(description, 5)
        self.extra_level6 = Layers(CBR(c4, c4, 3, 2, groups=c4), CBR(c4, 1024, 1))
        self.extra_level7 = Layers(CBR(1024, 1024, 3, 2, groups=1024), CBR(1024, 512, 1))
        self.extra_level8 = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(512, 256, 1), nn.ReLU())
        self.pools = self.NAMES if description.pyramid else ()
        for name, c, coarser in zip(self.pools, self.channels, self.channels[1:]):
            setattr(self, "bu_" + name, EPP(c + coarser, c // 5, c))

    def forward(self, x):
        maps = self.basenet.maps(x)[2:]
        for extra in (self.extra_level6, self.extra_level7, self.extra_level8):
            maps.append(extra(maps[-1]))
        for k in reversed(range(len(self.pools))):
            coarser = up(maps[k + 1], *size_of(maps[k]))
            maps[k] = getattr(self, "bu_" + self.pools[k])(torch.cat((coarser, maps[k]), 1))
        return maps


class Detect(nn.Module):
    """Confidences, N x priors x classes, and locations, N x priors x 4: not decoded, in the order map, row, column,
    box."""

    def __init__(self, description):
        super().__init__()
        self.base_net = Pyramid(description)
        channels = self.base_net.channels
        self.loc_layers = self.head(channels, 4)
        self.cls_layers = self.head(channels, description.classes)

    @staticmethod
    def head(channels, width):
        return nn.ModuleList(conv(c, BOXES_PER_CELL * width, 1, bias=True) for c in channels)

    @staticmethod
    def predictions(layers, maps):
        width = layers[0].out_channels // BOXES_PER_CELL
        outputs = [layer(x).permute(0, 2, 3, 1).reshape(len(x), -1, width) for layer, x in zip(layers, maps)]
        return torch.cat(outputs, 1)

    def forward(self, x):
        maps = self.base_net(x)
        return self.predictions(self.cls_layers, maps), self.predictions(self.loc_layers, maps)


class Separable(nn.Sequential):
    """A depthwise and a pointwise convolution."""

    def __init__(self, cin, cout, stride=1):
        super().__init__(CBR(cin, cin, 3, stride, groups=cin), CBR(cin, cout, 1))


class Branch(nn.Sequential):
    """Predictions from one feature map."""

    def __init__(self, c, outputs):
        super().__init__(Separable(c, c), Separable(c, c), conv(c, outputs, 1, bias=True))


class AnchorFree(nn.Module):
    """Confidences, N x cells x (classes - 1), and locations, N x cells x 4: not decoded, in the order map, row, column
    (docs/networks.md)."""

    def __init__(self, description):
        super().__init__()
        _, _, c3, c4, *_ = SCALES[description.scale]
        c, context = description.head_width, description.context_width
        self.base_net = Backbone(description, 4)
        self.lateral = nn.ModuleList(CBR(fine, c, 1) for fine in (c3, c4))
        blocks = [Separable(context, context) for _ in range(CONTEXT_BLOCKS)]
        self.context = nn.Sequential(Separable(c4, context, 2), *blocks, CBR(context, c, 1))
        self.top_down = nn.ModuleList(Separable(c, c) for _ in range(CELL_MAPS - 2))
        self.bottom_up = nn.ModuleList(Separable(c, c, 2) for _ in range(CELL_MAPS - 1))
        self.fuse = nn.ModuleList(Separable(c, c) for _ in range(CELL_MAPS - 2))
        self.cls = nn.ModuleList(Branch(c, description.classes - 1) for _ in range(CELL_MAPS))
        self.loc = nn.ModuleList(Branch(c, 4) for _ in range(CELL_MAPS))

    def maps(self, x):
        """The feature maps at 1/8, 1/16, 1/32 and 1/64, from which boxes are predicted."""
        *_, c3, c4 = self.base_net.maps(x)
        p3, p4 = (layer(c) for layer, c in zip(self.lateral, (c3, c4)))
        p5 = self.context(c4)
        p4 = self.top_down[1](p4 + up(p5, *size_of(p4)))
        p3 = self.top_down[0](p3 + up(p4, *size_of(p3)))
        p4 = self.fuse[0](p4 + self.bottom_up[0](p3))
        p5 = self.fuse[1](p5 + self.bottom_up[1](p4))
        return p3, p4, p5, self.bottom_up[2](p5)

    @staticmethod
    def predictions(branches, maps):
        return torch.cat([branch(x).flatten(2).transpose(1, 2) for branch, x in zip(branches, maps)], 1)

    def forward(self, x):
        maps = self.maps(x)
        return self.predictions(self.cls, maps), self.predictions(self.loc, maps)


DETECTORS = {"ssd": Detect, "anchor-free": AnchorFree}


def build(description):
    """Creates the network of a `Network` of models/network.py, with PyTorch's random weights, in training mode."""
    networks = {"classify": Classify, "segment": Segment, "detect": DETECTORS[description.head]}
    return networks[description.task](description)


def load(path):
    """Loads the network of a model file or a checkpoint (see models/convert.py), in evaluation mode; ModelError."""
    if path.endswith(".safetensors"):
        arrays = modelfile.read(path)[0]
    else:
        found = checkpoint.read(path)
        arrays = {name: found.array(name) for name in found.tensors}
    shapes = {name: array.shape for name, array in arrays.items()}
    description = detect_network(shapes)
    check_tensors(description, shapes)
    net = build(description)
    net.description = description
    state = {name: torch.from_numpy(array.astype("float32")) for name, array in arrays.items()}
    net.load_state_dict(state, strict=False)  # only batch counters are missing, as check_tensors() ensures
    return net.eval()
