# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every layer of a DiCENet: the tensors that it owns, and what it costs at a given input size.

This is a list, not an engine: network.py computes, this module says which tensors there are (random_model.py fills
them) and how many multiply-adds a run takes (the tests hold `dicenet info` against it).

What is counted, so that the published figures come out to the last digit:

- multiply-adds are those of the convolutions, at the size that each of them really works on: the height branch of a
  DiCE unit at H0 x W even where H differs, an EPP branch at its scaled size. Nothing else costs: no BatchNorm, PReLU,
  pooling, resizing or element-wise product;
- a bias is an addition without a multiplication: half a multiply-add per output;
- parameters are what was trained: convolution weights and biases, BatchNorm's weight and bias, PReLU's slopes; the
  running statistics are not.
"""

from collections import namedtuple
from math import ceil, gcd, prod

CHANNELS = {
    0.1: (8, 8, 16, 32, 64, 512),
    0.2: (16, 16, 32, 64, 128, 1024),
    0.5: (24, 24, 48, 96, 192, 1024),
    0.75: (24, 24, 86, 172, 344, 1024),
    1.0: (24, 24, 116, 232, 464, 1024),
    1.25: (24, 24, 144, 288, 576, 1024),
    1.5: (24, 24, 176, 352, 704, 1024),
    1.75: (24, 24, 210, 420, 840, 1024),
    2.0: (24, 24, 244, 488, 976, 1024),
    2.4: (24, 24, 278, 556, 1112, 1280),
}
BLOCKS = {3: 3, 4: 7, 5: 3}
# The DiCE unit in MobileNet and in ResNet (docs/networks.md): channels of levels 1 to 5 by scale, units per level.
MOBILENET_CHANNELS = {0.3: (20, 40, 80, 160, 320), 1.75: (112, 224, 448, 896, 1792), 2.8: (180, 360, 720, 1440, 2880)}
MOBILENET_UNITS = {2: 2, 3: 2, 4: 6, 5: 2}
RESNET_CHANNELS = {0.16: (24, 40, 80, 160, 320), 0.28: (24, 72, 144, 288, 576), 0.48: (24, 124, 248, 496, 992)}
RESNET_BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}
SCALES = {"dicenet": CHANNELS, "mobilenet": MOBILENET_CHANNELS, "resnet": RESNET_CHANNELS}
EPP_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
BOXES_PER_CELL = 6

# The kinds that costs are given by. "local_fusion" is every grouped 1x1 convolution, "vectors" is what works on one
# value per channel: the DiCE unit's channel weights, the EPW's, the last FC layer.
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

# `reads` and `writes` are floats of the maps before and after: DimConv and local fusion are one pass over memory.
Conv = namedtuple("Conv", "name kind shape bias size reads writes")


class Layers:
    """The layers of a network in the order of computation: `tensors` maps names to shapes, `convs` lists what costs."""

    def __init__(self):
        self.tensors = {}
        self.convs = []

    def conv(self, name, kind, shape, size, bias=False, reads=None, writes=None):
        """A convolution: `shape` is that of its weights, `size` (h, w) that of its output. Without `reads`, it has one
        group and stride 1."""
        self.tensors[name + ".weight"] = shape
        if bias:
            self.tensors[name + ".bias"] = shape[:1]
        reads = shape[1] * prod(size) if reads is None else reads
        writes = shape[0] * prod(size) if writes is None else writes
        self.convs.append(Conv(name, kind, shape, bias, size, reads, writes))

    def bn(self, name, c):
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            self.tensors[f"{name}.{tensor}"] = (c,)

    def br(self, name, c):
        self.bn(name + ".0", c)
        self.tensors[name + ".1.weight"] = (c,)

    def cbr(self, name, cin, cout, k, size, stride=1, groups=1, kind=None, reads=None):
        """CBR(cin, cout, k, stride, groups) on an input of `size`; returns the size of its output."""
        reads = cin * prod(size) if reads is None else reads
        size = tuple((n + stride - 1) // stride for n in size)
        kind = kind or ("pointwise" if k == 1 else "depthwise")
        self.conv(name + ".cbr.0", kind, (cout, cin // groups, k, k), size, reads=reads)
        self.bn(name + ".cbr.1", cout)
        self.tensors[name + ".cbr.2.weight"] = (cout,)
        return size

    def dice(self, name, cin, cout, kernels, size):
        """DICE(cin, cout, H0, W0): `kernels` is (H0, W0)."""
        h, w = size
        h0, w0 = kernels
        self.conv(name + ".conv_channel", "dimconv_depth", (cin, 1, 3, 3), (h, w), reads=cin * h * w, writes=0)
        # One kernel per row, and the plane that it slides over is C x W (C x H for the width branch).
        self.conv(name + ".conv_height", "dimconv_height", (h0, 1, 3, 3), (cin, w), reads=0, writes=0)
        self.conv(name + ".conv_width", "dimconv_width", (w0, 1, 3, 3), (cin, h), reads=0, writes=0)
        self.br(name + ".br_act.br", 3 * cin)
        self.cbr(name + ".weight_avg_layer", 3 * cin, cin, 1, size, groups=cin, kind="local_fusion", reads=0)
        self.conv(name + ".linear_comb_layer.1", "vectors", (cin // 4, cin, 1, 1), (1, 1))
        self.conv(name + ".linear_comb_layer.3", "vectors", (cout, cin // 4, 1, 1), (1, 1))
        self.cbr(name + ".proj_layer", cin, cout, 3, size, groups=gcd(cin, cout))

    def strided_dice(self, name, c, kernels, size):
        half = self.cbr(name + ".left_layer.0", c, c, 3, size, stride=2, groups=c)
        self.cbr(name + ".left_layer.1", c, c, 1, half)
        self.dice(name + ".right_layer.1", c, c, kernels, half)
        self.cbr(name + ".right_layer.2", c, c, 1, half)
        return half

    def block(self, name, cin, cout, kernels, size):
        passed = round(cin / 2)
        self.cbr(name + ".layer_right.0", cin - passed, cout - passed, 1, size)
        self.dice(name + ".layer_right.1", cout - passed, cout - passed, kernels, size)

    def backbone(self, prefix, channels, kernel_size, size, levels):
        """Levels 1 to `levels`; returns the sizes of all their outputs by level."""
        sizes = {1: self.cbr(prefix + "level1", 3, channels[0], 3, size, stride=2, kind="first_conv")}
        sizes[2] = tuple((n + 1) // 2 for n in sizes[1])
        for level in range(3, levels + 1):
            kernels = kernels_at(kernel_size, level)
            cin, cout = channels[level - 2], channels[level - 1]
            sizes[level] = self.strided_dice(f"{prefix}level{level}.0", cin, kernels, sizes[level - 1])
            for i in range(1, BLOCKS[level] + 1):
                self.block(f"{prefix}level{level}.{i}", 2 * cin if i == 1 else cout, cout, kernels, sizes[level])
        return sizes

    def mobilenet(self, channels, kernel_size, size):
        """Each separable convolution is a DiCE unit; returns the size of the last map."""
        cin = channels[0] // 2
        size = self.cbr("level1.0", 3, cin, 3, size, stride=2, kind="first_conv")
        self.dice("level1.1", cin, channels[0], kernels_at(kernel_size, 1), size)
        for level, cin, cout in zip((2, 3, 4, 5), channels, channels[1:]):
            size = tuple((n + 1) // 2 for n in size)
            for i in range(1, MOBILENET_UNITS[level] + 1):
                kernels = kernels_at(kernel_size, level)
                self.dice(f"level{level}.{i}", cin if i == 1 else cout, cout, kernels, size)
        return size

    def bottleneck(self, name, cin, cout, kernels, size):
        if cin != cout:
            self.cbr(name + ".shortcut", cin, cout, 1, size)
        self.cbr(name + ".layer.0", cin, cout // 4, 1, size)
        self.dice(name + ".layer.1", cout // 4, cout, kernels, size)
        self.tensors[name + ".act.weight"] = (cout,)

    def resnet(self, channels, kernel_size, size):
        """Each bottleneck's last two convolutions are a DiCE unit; returns the size of the last map."""
        size = self.cbr("level1", 3, channels[0], 3, size, stride=2, kind="first_conv")
        for level, cin, cout in zip((2, 3, 4, 5), channels, channels[1:]):
            size = tuple((n + 1) // 2 for n in size)
            for i in range(1, RESNET_BLOCKS[level] + 1):
                kernels = kernels_at(kernel_size, level)
                self.bottleneck(f"level{level}.{i}", cin if i == 1 else cout, cout, kernels, size)
        return size

    def epp(self, name, cin, p, cout, size, last=False):
        self.cbr(name + ".projection_layer", cin, p, 1, size)
        for i, scale in enumerate(EPP_SCALES):
            scaled = size if scale == 1.0 else tuple(max(5, ceil(n * scale)) for n in size)
            moved = p * prod(size)
            self.conv(f"{name}.stages.{i}", "depthwise", (p, 1, 3, 3), scaled, reads=moved, writes=moved)
        self.br(name + ".merge_layer.0.br", 5 * p)
        self.cbr(name + ".merge_layer.2", 5 * p, p, 3, size, groups=p)
        self.conv(name + ".merge_layer.3", "pointwise", (cout, p, 1, 1), size, bias=last)
        if not last:
            self.br(name + ".br.br", cout)

    def epw(self, name, cin, cout, size):
        self.cbr(name + ".expansion_layer", cin, cout, 3, size, groups=gcd(cin, cout))
        self.conv(name + ".wt_layer.1", "vectors", (cout, cin, 1, 1), (1, 1))


def kernels_at(kernel_size, level):
    """(H0, W0) of a level's DiCE units."""
    return tuple(ceil(n / 2**level) for n in kernel_size)


def classify(size, scale, classes, kernel_size=(224, 224), backbone="dicenet"):
    layers = Layers()
    if backbone == "dicenet":
        *_, c4, features = CHANNELS[scale]
        layers.backbone("", CHANNELS[scale], kernel_size, size, 5)
        layers.conv("classifier.0", "local_fusion", (features, c4 // 4, 1, 1), (1, 1), reads=c4)
    elif backbone == "mobilenet":
        *_, features = MOBILENET_CHANNELS[scale]
        layers.mobilenet(MOBILENET_CHANNELS[scale], kernel_size, size)
    else:
        *_, features = RESNET_CHANNELS[scale]
        layers.resnet(RESNET_CHANNELS[scale], kernel_size, size)
    layers.conv("classifier.2", "vectors", (classes, features, 1, 1), (1, 1), bias=True)
    return layers


def segment(size, scale, classes, decoder_width=16, kernel_size=(224, 224)):
    layers = Layers()
    c0, c1, c2, c3 = CHANNELS[scale][:4]
    sizes = layers.backbone("base_net.", CHANNELS[scale], kernel_size, size, 4)
    b = decoder_width
    p = min(classes // 2, b)
    layers.epp("eff_pool_16x16", c3, p, 4 * b, sizes[4])
    layers.epw("proj_enc_32x32", c2, 4 * b, sizes[3])
    layers.br("bu_br_32x32", 4 * b)
    layers.epp("eff_pool_32x32", 4 * b, p, 3 * b, sizes[3])
    layers.epw("proj_enc_64x64", c1, 3 * b, sizes[2])
    layers.br("bu_br_64x64", 3 * b)
    layers.epp("eff_pool_64x64", 3 * b, p, 2 * b, sizes[2])
    layers.epw("proj_enc_128x128", c0, 2 * b, sizes[1])
    layers.br("bu_br_128x128", 2 * b)
    layers.epp("eff_pool_128x128", 2 * b, p, classes, sizes[1], last=True)
    return layers


def detect(size, scale, classes, pyramid, kernel_size=(224, 224)):
    layers = Layers()
    channels = CHANNELS[scale]
    sizes = layers.backbone("base_net.basenet.", channels, kernel_size, size, 5)
    maps = [(channels[2], sizes[3]), (channels[3], sizes[4]), (channels[4], sizes[5])]
    for name, cout in (("base_net.extra_level6.layer", 1024), ("base_net.extra_level7.layer", 512)):
        cin, finer = maps[-1]
        half = layers.cbr(name + ".0", cin, cin, 3, finer, stride=2, groups=cin)
        layers.cbr(name + ".1", cin, cout, 1, half)
        maps.append((cout, half))
    layers.conv("base_net.extra_level8.1", "vectors", (256, 512, 1, 1), (1, 1))
    maps.append((256, (1, 1)))
    if pyramid:
        for k, name in ((3, "3x3_5x5"), (2, "5x5_10x10"), (1, "10x10_19x19"), (0, "19x19_38x38")):
            c, finer = maps[k]
            layers.epp("base_net.bu_" + name, maps[k + 1][0] + c, c // 5, c, finer)
    for k, (c, cells) in enumerate(maps):
        layers.conv(f"loc_layers.{k}", "pointwise", (BOXES_PER_CELL * 4, c, 1, 1), cells, bias=True)
        layers.conv(f"cls_layers.{k}", "pointwise", (BOXES_PER_CELL * classes, c, 1, 1), cells, bias=True)
    return layers


def multiply_adds(layers):
    """Multiply-adds by kind, the halves for biases as "bias", and the "total" of them all."""
    counts = dict.fromkeys(KINDS, 0)
    bias_outputs = 0
    for conv in layers.convs:
        cells = conv.size[0] * conv.size[1]
        counts[conv.kind] += prod(conv.shape) * cells
        if conv.bias:
            bias_outputs += conv.shape[0] * cells
    counts["bias"] = bias_outputs // 2
    counts["total"] = sum(counts.values())
    return counts


def parameters(layers):
    """Number of trained parameters."""
    return sum(prod(shape) for name, shape in layers.tensors.items() if "running_" not in name)


def passes(layers):
    """(multiply-adds, bytes) of every pass over memory: what a layer reads and writes and its weights, once each."""
    macs = moved = 0
    for conv in layers.convs:
        macs += prod(conv.shape) * prod(conv.size)
        moved += 4 * (conv.reads + conv.writes + prod(conv.shape))
        if conv.writes:
            yield macs, moved
            macs = moved = 0
