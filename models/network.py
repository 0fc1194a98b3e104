# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tensors of a DiCENet network, and detection of the network from its tensors."""

from dataclasses import dataclass
from math import gcd

from errors import ModelError

# Channels c0..c5 per width multiplier: level 1, level 3's input, levels 3, 4 and 5, classifier.
SCALES = {
    "0.1": (8, 8, 16, 32, 64, 512),
    "0.2": (16, 16, 32, 64, 128, 1024),
    "0.5": (24, 24, 48, 96, 192, 1024),
    "0.75": (24, 24, 86, 172, 344, 1024),
    "1.0": (24, 24, 116, 232, 464, 1024),
    "1.25": (24, 24, 144, 288, 576, 1024),
    "1.5": (24, 24, 176, 352, 704, 1024),
    "1.75": (24, 24, 210, 420, 840, 1024),
    "2.0": (24, 24, 244, 488, 976, 1024),
    "2.4": (24, 24, 278, 556, 1112, 1280),
}
# Channels of levels 1 to 5 in other networks with DiCE units, for classification (docs/networks.md).
MOBILENET_SCALES = {
    "0.3": (20, 40, 80, 160, 320),
    "1.75": (112, 224, 448, 896, 1792),
    "2.8": (180, 360, 720, 1440, 2880),
}
RESNET_SCALES = {
    "0.16": (24, 40, 80, 160, 320),
    "0.28": (24, 72, 144, 288, 576),
    "0.48": (24, 124, 248, 496, 992),
}
BACKBONES = {"dicenet": SCALES, "mobilenet": MOBILENET_SCALES, "resnet": RESNET_SCALES}
# Number of blocks per level after the one that halves the size, in DiCENet; number of DiCE units in MobileNet, of
# bottlenecks in ResNet.
DICENET_BLOCKS = {3: 3, 4: 7, 5: 3}
MOBILENET_UNITS = {1: 1, 2: 2, 3: 2, 4: 6, 5: 2}
RESNET_BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}
CLASSIFIER_GROUPS = 4
BOXES_PER_CELL = 6  # of SSD
# The anchor-free head has maps at 1/8 to 1/64; its context is one block of stride 2 and these.
CELL_MAPS = 4
CONTEXT_BLOCKS = 2
# Sizes of the branches of efficient pyramid pooling relative to the input, and the minimum in pixels.
EPP_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
EPP_LEAST = 5
# Range of the number of classes. A mask has 8 bits per pixel; detection and segmentation need at least one class
# besides the background.
CLASSES = {"classify": (1, 65535), "segment": (2, 256), "detect": (2, 65535)}
# Most channels of the anchor-free head.
MAX_HEAD_WIDTH = 1024
# Range of the width and height in pixels of the inference size, and of the input size of DimConv kernels.
MIN_SIZE, MAX_SIZE = 32, 4096

TASKS = ("classify", "segment", "detect")
HEADS = ("ssd", "anchor-free")  # of detection
# The tensor that identifies a task and a head, and the prefix of the backbone's tensors in its network.
FORMS = {
    ("classify", "ssd"): ("classifier.2.weight", ""),
    ("segment", "ssd"): ("eff_pool_128x128.merge_layer.3.weight", "base_net."),
    ("detect", "ssd"): ("cls_layers.0.weight", "base_net.basenet."),
    ("detect", "anchor-free"): ("cls.0.2.weight", "base_net."),
}
# The first DiCE unit of a backbone and its level; they identify the backbone.
FIRST_UNITS = {
    "dicenet": ("level3.0.right_layer.1", 3),
    "mobilenet": ("level1.1", 1),
    "resnet": ("level2.1.layer.1", 2),
}
# Tensors that identify the scale, as their sizes are numbers of channels, with the index of these channels.
SCALE_TELLS = {
    "dicenet": (("level1.cbr.0.weight", 0), ("level4.0.left_layer.0.cbr.0.weight", 2)),
    "mobilenet": (("level1.1.proj_layer.cbr.0.weight", 0), ("level4.1.proj_layer.cbr.0.weight", 3)),
    "resnet": (("level1.cbr.0.weight", 0), ("level4.1.act.weight", 3)),
}


@dataclass(frozen=True)
class Network:
    """Everything that determines the names and shapes of all tensors."""

    task: str
    scale: str
    classes: int
    kernel_width: int
    kernel_height: int
    pyramid: bool = False
    decoder_width: int = 0
    backbone: str = "dicenet"
    head: str = "ssd"  # of a detector; the next two are channels of the anchor-free one
    head_width: int = 0
    context_width: int = 0


def backbone_prefix(network):
    """What the names of the backbone's tensors begin with."""
    return FORMS[network.task, network.head][1]


def are_prior_sizes(sizes):
    """Whether they are valid prior sizes of a detector, as readers of model files check (docs/model-format.md)."""
    growing = all(a < b for a, b in zip(sizes, sizes[1:]))
    return len(sizes) == 7 and sizes[0] >= 1 and sizes[6] <= 2 * MAX_SIZE and growing


def detect_network(shapes):
    """Returns the Network of the tensors (`shapes`: name -> shape); ModelError if there is none."""
    form = next((form for form, (tell, _) in FORMS.items() if tell in shapes), None)
    if form is None:
        tells = ", ".join(f"{tell} ({task})" for (task, _), (tell, _) in FORMS.items())
        raise ModelError(
            f"is no DiCENet network: expected one of the tensors {tells}, found {len(shapes)} others, "
            f"{next(iter(shapes))} the first"
        )
    (task, head), (tell, prefix) = form, FORMS[form]
    backbone = _backbone_of(shapes) if task == "classify" else "dicenet"
    unit, level = FIRST_UNITS[backbone]
    return Network(
        task=task,
        scale=_scale(shapes, prefix, backbone),
        classes=_classes(_dimension(shapes, tell, 0), task, head, tell),
        kernel_width=_kernel_size(shapes, f"{prefix}{unit}.conv_width.weight", level),
        kernel_height=_kernel_size(shapes, f"{prefix}{unit}.conv_height.weight", level),
        pyramid=any(name.startswith("base_net.bu_") for name in shapes) if form == ("detect", "ssd") else False,
        decoder_width=_decoder_width(shapes) if task == "segment" else 0,
        backbone=backbone,
        head=head,
        head_width=_head_width(shapes, "lateral.0.cbr.0.weight") if head == "anchor-free" else 0,
        context_width=_head_width(shapes, "context.0.1.cbr.0.weight") if head == "anchor-free" else 0,
    )


def check_tensors(network, shapes):
    """Raises ModelError unless `shapes` are exactly the network's tensors."""
    expected = dict(tensors(network))
    for name, shape in expected.items():
        if name not in shapes:
            raise ModelError(f"tensor {name} is missing: a {describe(network)} has it with the shape {list(shape)}")
        if tuple(shapes[name]) != shape:
            raise ModelError(
                f"tensor {name}: expected the shape {list(shape)} of a {describe(network)}, found {list(shapes[name])}"
            )
    surplus = [name for name in shapes if name not in expected]
    if surplus:
        raise ModelError(f"tensor {surplus[0]} is none of a {describe(network)} ({len(surplus)} such tensors)")


def describe(network):
    pyramid = " and the pyramid" if network.pyramid else ""
    kind = "" if network.backbone == "dicenet" else f" ({network.backbone})"
    kind += "" if network.head == "ssd" else f" ({network.head})"
    return f"{network.task} network{kind} of scale {network.scale} with {network.classes} classes{pyramid}"


def _dimension(shapes, name, index):
    if name not in shapes:
        raise ModelError(f"tensor {name} is missing, which every network of this kind has")
    if len(shapes[name]) <= index:
        raise ModelError(
            f"tensor {name}: expected a convolution's four dimensions, found the shape {list(shapes[name])}"
        )
    return shapes[name][index]


def _backbone_of(shapes):
    for backbone, (unit, _) in FIRST_UNITS.items():
        if f"{unit}.conv_channel.weight" in shapes:
            return backbone
    return "dicenet"


def _scale(shapes, prefix, backbone):
    (first, i), (fourth, k) = ((prefix + name, channels) for name, channels in SCALE_TELLS[backbone])
    found = (_dimension(shapes, first, 0), _dimension(shapes, fourth, 0))
    for scale, channels in BACKBONES[backbone].items():
        if (channels[i], channels[k]) == found:
            return scale
    raise ModelError(
        f"tensors {first} and {fourth} have {found[0]} and {found[1]} channels, which no scale of "
        f"{', '.join(BACKBONES[backbone])} has"
    )


def _classes(count, task, head, tell):
    hidden = 1 if head == "anchor-free" else 0  # the background has no output
    boxes = BOXES_PER_CELL if task == "detect" and not hidden else 1
    least, most = (n - hidden for n in CLASSES[task])
    if count % boxes or not least <= count // boxes <= most:
        raise ModelError(
            f"tensor {tell}: expected {least} to {most} classes"
            f"{' for each of 6 boxes' if boxes > 1 else ''}, found {count} outputs"
        )
    return count // boxes + hidden


def _kernel_size(shapes, name, level):
    """The input size of the DimConv kernels: level 3 has one kernel per row or column at 1/8, rounded up. Every size
    that gives the same number of kernels is equivalent to its multiple of 8, also on the other levels."""
    shrink = 2**level
    size = shrink * _dimension(shapes, name, 0)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ModelError(
            f"tensor {name}: expected {MIN_SIZE // shrink} to {MAX_SIZE // shrink} kernels, one per row or column at "
            f"1/{shrink} of the trained size, found {size // shrink}"
        )
    return size


def _head_width(shapes, name):
    width = _dimension(shapes, name, 0)
    if not 1 <= width <= MAX_HEAD_WIDTH:
        raise ModelError(f"tensor {name}: expected 1 to {MAX_HEAD_WIDTH} outputs, found {width}")
    return width


def _decoder_width(shapes):
    name = "eff_pool_16x16.merge_layer.3.weight"
    width = _dimension(shapes, name, 0)
    if width not in (64, 128):
        raise ModelError(f"tensor {name}: expected 64 or 128 outputs (decoder width 16 or 32), found {width}")
    return width // 4


# Every tensor of a network as (name, shape), in the order of computation.


def tensors(network):
    """All tensors of the network, as pairs of name and shape."""
    detect = {"ssd": _ssd, "anchor-free": _anchor_free}[network.head]
    yield from {"classify": _classify, "segment": _segment, "detect": detect}[network.task](network)


def _norm(name, channels):
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)


def _norm_act(name, channels):
    yield from _norm(f"{name}.0", channels)
    yield f"{name}.1.weight", (channels,)


def _conv_norm_act(name, cin, cout, size, groups=1):
    yield f"{name}.cbr.0.weight", (cout, cin // groups, size, size)
    yield from _norm(f"{name}.cbr.1", cout)
    yield f"{name}.cbr.2.weight", (cout,)


def _dice(name, cin, cout, width, height):
    for branch, kernels in (("channel", cin), ("height", height), ("width", width)):
        yield f"{name}.conv_{branch}.weight", (kernels, 1, 3, 3)
    yield from _norm_act(f"{name}.br_act.br", 3 * cin)
    yield from _conv_norm_act(f"{name}.weight_avg_layer", 3 * cin, cin, 1, cin)
    yield f"{name}.linear_comb_layer.1.weight", (cin // 4, cin, 1, 1)
    yield f"{name}.linear_comb_layer.3.weight", (cout, cin // 4, 1, 1)
    yield from _conv_norm_act(f"{name}.proj_layer", cin, cout, 3, gcd(cin, cout))


def _kernels(network, level):
    """Number of width and height kernels of the DiCE units of a level."""
    return -(-network.kernel_width // 2**level), -(-network.kernel_height // 2**level)


def _level(name, cin, cout, blocks, width, height):
    yield from _conv_norm_act(f"{name}.0.left_layer.0", cin, cin, 3, cin)
    yield from _conv_norm_act(f"{name}.0.left_layer.1", cin, cin, 1)
    yield from _dice(f"{name}.0.right_layer.1", cin, cin, width, height)
    yield from _conv_norm_act(f"{name}.0.right_layer.2", cin, cin, 1)
    cin = 2 * cin
    for block in range(1, blocks + 1):
        passed = round(cin / 2)  # rounds ties to even, as in the training of the networks
        yield from _conv_norm_act(f"{name}.{block}.layer_right.0", cin - passed, cout - passed, 1)
        yield from _dice(f"{name}.{block}.layer_right.1", cout - passed, cout - passed, width, height)
        cin = cout


def _backbone(network, prefix, levels):
    c0, c1, c2, c3, c4, _ = SCALES[network.scale]
    yield from _conv_norm_act(f"{prefix}level1", 3, c0, 3)
    plan = ((3, c1, c2), (4, c2, c3), (5, c3, c4))
    for level, cin, cout in plan[: levels - 2]:
        yield from _level(f"{prefix}level{level}", cin, cout, DICENET_BLOCKS[level], *_kernels(network, level))


def _mobilenet(network):
    c0, *_ = channels = MOBILENET_SCALES[network.scale]
    yield from _conv_norm_act("level1.0", 3, c0 // 2, 3)
    for level, cin, cout in zip(MOBILENET_UNITS, (c0 // 2, *channels), channels):
        for unit in range(1, MOBILENET_UNITS[level] + 1):
            yield from _dice(f"level{level}.{unit}", cin, cout, *_kernels(network, level))
            cin = cout


def _resnet(network):
    channels = RESNET_SCALES[network.scale]
    yield from _conv_norm_act("level1", 3, channels[0], 3)
    for level, cin, cout in zip(RESNET_BLOCKS, channels, channels[1:]):
        for block in range(1, RESNET_BLOCKS[level] + 1):
            name = f"level{level}.{block}"
            if cin != cout:
                yield from _conv_norm_act(f"{name}.shortcut", cin, cout, 1)
            yield from _conv_norm_act(f"{name}.layer.0", cin, cout // 4, 1)
            yield from _dice(f"{name}.layer.1", cout // 4, cout, *_kernels(network, level))
            yield f"{name}.act.weight", (cout,)
            cin = cout


def _classify(network):
    if network.backbone == "dicenet":
        *_, c4, features = SCALES[network.scale]
        yield from _backbone(network, "", 5)
        yield "classifier.0.weight", (features, c4 // CLASSIFIER_GROUPS, 1, 1)
    else:
        *_, features = BACKBONES[network.backbone][network.scale]
        yield from {"mobilenet": _mobilenet, "resnet": _resnet}[network.backbone](network)
    yield "classifier.2.weight", (network.classes, features, 1, 1)
    yield "classifier.2.bias", (network.classes,)


def _pyramid_pool(name, cin, projected, cout, last=False):
    yield from _conv_norm_act(f"{name}.projection_layer", cin, projected, 1)
    for stage in range(len(EPP_SCALES)):
        yield f"{name}.stages.{stage}.weight", (projected, 1, 3, 3)
    pooled = len(EPP_SCALES) * projected
    yield from _norm_act(f"{name}.merge_layer.0.br", pooled)
    yield from _conv_norm_act(f"{name}.merge_layer.2", pooled, projected, 3, projected)
    yield f"{name}.merge_layer.3.weight", (cout, projected, 1, 1)
    if last:
        yield f"{name}.merge_layer.3.bias", (cout,)
    else:
        yield from _norm_act(f"{name}.br.br", cout)


def _segment(network):
    c0, c1, c2, c3, _, _ = SCALES[network.scale]
    b, classes = network.decoder_width, network.classes
    projected = min(classes // 2, b)
    yield from _backbone(network, "base_net.", 4)
    yield from _pyramid_pool("eff_pool_16x16", c3, projected, 4 * b)
    steps = (("32x32", c2, 4 * b, 3 * b), ("64x64", c1, 3 * b, 2 * b), ("128x128", c0, 2 * b, classes))
    for size, encoder, planes, cout in steps:
        yield from _conv_norm_act(f"proj_enc_{size}.expansion_layer", encoder, planes, 3, gcd(encoder, planes))
        yield f"proj_enc_{size}.wt_layer.1.weight", (planes, encoder, 1, 1)
        yield from _norm_act(f"bu_br_{size}", planes)
        yield from _pyramid_pool(f"eff_pool_{size}", planes, projected, cout, last=size == "128x128")


def _ssd(network):
    _, _, c2, c3, c4, _ = SCALES[network.scale]
    maps = (c2, c3, c4, 1024, 512, 256)
    yield from _backbone(network, "base_net.basenet.", 5)
    for level, cin, cout in ((6, c4, 1024), (7, 1024, 512)):
        yield from _conv_norm_act(f"base_net.extra_level{level}.layer.0", cin, cin, 3, cin)
        yield from _conv_norm_act(f"base_net.extra_level{level}.layer.1", cin, cout, 1)
    yield "base_net.extra_level8.1.weight", (256, 512, 1, 1)
    if network.pyramid:
        coarser = 512
        for size, channels in (("3x3_5x5", 1024), ("5x5_10x10", c4), ("10x10_19x19", c3), ("19x19_38x38", c2)):
            yield from _pyramid_pool(f"base_net.bu_{size}", coarser + channels, channels // 5, channels)
            coarser = channels
    for index, channels in enumerate(maps):
        for head, outputs in (("loc_layers", 4), ("cls_layers", network.classes)):
            yield f"{head}.{index}.weight", (BOXES_PER_CELL * outputs, channels, 1, 1)
            yield f"{head}.{index}.bias", (BOXES_PER_CELL * outputs,)


def _separable(name, cin, cout):
    yield from _conv_norm_act(f"{name}.0", cin, cin, 3, cin)
    yield from _conv_norm_act(f"{name}.1", cin, cout, 1)


def _anchor_free(network):
    _, _, c2, c3, _, _ = SCALES[network.scale]
    width, context = network.head_width, network.context_width
    yield from _backbone(network, "base_net.", 4)
    for index, channels in enumerate((c2, c3)):
        yield from _conv_norm_act(f"lateral.{index}", channels, width, 1)
    for index in range(1 + CONTEXT_BLOCKS):
        yield from _separable(f"context.{index}", context if index else c3, context)
    yield from _conv_norm_act(f"context.{1 + CONTEXT_BLOCKS}", context, width, 1)
    for part, count in (("top_down", CELL_MAPS - 2), ("bottom_up", CELL_MAPS - 1), ("fuse", CELL_MAPS - 2)):
        for index in range(count):
            yield from _separable(f"{part}.{index}", width, width)
    for branch, outputs in (("cls", network.classes - 1), ("loc", 4)):
        for index in range(CELL_MAPS):
            for block in range(2):
                yield from _separable(f"{branch}.{index}.{block}", width, width)
            yield f"{branch}.{index}.2.weight", (outputs, width, 1, 1)
            yield f"{branch}.{index}.2.bias", (outputs,)
