# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faster training on a CPU: dicenet.py's modules with the kernels of fused.c, forward and backward.

    fused.attach(net)       # returns False without a C compiler; the network is then unchanged

Modules keep their names, tensors and results, and use PyTorch for everything but training with float32 on a CPU: in
evaluation, under autocast, on GPUs and for export. The first use compiles fused.c, which also computes views of photos.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

import dicenet

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fused.c")
# -ffast-math, except for options that affect other code in the process or break the handling of NaN and infinity.
FLAGS = "-O3 -march=native -fopenmp -shared -fPIC -fassociative-math -freciprocal-math -fno-signed-zeros".split()
FLAGS += "-fno-trapping-math -fno-math-errno".split()
UP, DOWN = 0, 1
LARGE = 64  # minimum number of points for which matrix products are faster than convolutions
FEW = 8  # maximum of inputs times outputs per group for which planes are convolved separately


# The library


def compiled():
    """Path of fused.c compiled for this CPU, in the user's cache; OSError, CalledProcessError."""
    compiler = os.environ.get("CC", "cc").split()
    target = subprocess.run([*compiler, *FLAGS, "-Q", "--help=target"], capture_output=True).stdout
    with open(SOURCE, "rb") as file:
        digest = hashlib.sha256(b"\0".join([file.read(), *map(str.encode, compiler + FLAGS), target])).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(cache, "dicenet")
    path = os.path.join(folder, f"fused-{digest[:16]}.so")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            part = os.path.join(place, "fused.so")
            subprocess.run([*compiler, *FLAGS, SOURCE, "-o", part, "-lm"], check=True, capture_output=True)
            os.replace(part, path)
    return path


library = None
missing = False  # it can't be compiled


def call(name, *arguments):
    """Calls a function of the library with tensors (None: NULL), integers and floats."""
    kinds = {int: ctypes.c_int, bool: ctypes.c_int, float: ctypes.c_float}
    given = []
    for value in arguments:
        if value is None or isinstance(value, torch.Tensor):
            assert value is None or value.is_contiguous()
            given.append(ctypes.c_void_p(value.data_ptr() if value is not None else None))
        else:
            given.append(kinds.get(type(value), lambda other: other)(value))
    getattr(library, name)(*given, torch.get_num_threads())


class Norm(ctypes.Structure):
    """As in fused.c."""

    _fields_ = [(name, ctypes.c_int) for name in ("n", "c", "size", "groups", "fold", "training")]
    _fields_ += [(name, ctypes.c_void_p) for name in ("weight", "bias", "slope", "mix", "scale", "mean", "inverse")]


# Functions


def flip(kernel):
    """Flips the kernel for the backward pass."""
    return kernel.reshape(-1, 9).flip(1)


class Normalise(Function):
    """BatchNorm and PReLU. `mix`: weights for the sum of each `fold` planes; `scale`: photos x channels. Also returns
    the means of the planes on request."""

    @staticmethod
    def forward(ctx, x, weight, bias, slope, mix, scale, bn, groups, fold, with_means):
        x = x.contiguous()
        n, c, h, w = x.shape
        y = x.new_empty(n, c // fold, h, w)
        means = x.new_empty(n, c // fold) if with_means else None
        ctx.saved = x.new_empty(2, c)
        ctx.numbers = n, c, h * w, groups, fold, bn.training
        ctx.save_for_backward(x, weight, bias, slope, mix, scale)
        norm = Normalise.described(ctx, weight, bias, slope, mix, scale)
        call("norm_forward", norm, x, bn.running_mean, bn.running_var, bn.momentum, bn.eps, y, means)
        if bn.training:
            bn.num_batches_tracked.add_(1)
        return (y, means) if with_means else y

    @staticmethod
    def described(ctx, *parameters):
        tensors = *parameters, *ctx.saved
        return ctypes.byref(Norm(*ctx.numbers, *(t.data_ptr() if t is not None else None for t in tensors)))

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, dmeans=None):
        x, *parameters = ctx.saved_tensors
        found = [torch.empty_like(t) if t is not None else None for t in (x, *parameters)]
        dmeans = dmeans.contiguous() if dmeans is not None else None
        call("norm_backward", Normalise.described(ctx, *parameters), x, dy.contiguous(), dmeans, *found)
        return (*found, None, None, None, None)


class Branches(Function):
    """DimConv: the three branches of each channel in sequence."""

    @staticmethod
    def forward(ctx, x, depth, height, width):
        x = x.contiguous()
        n, c, h, w = x.shape
        ctx.save_for_backward(x, depth, height, width)
        y = x.new_empty(n, 3 * c, h, w)
        call("planes_forward", n, c, 1, 1, h, w, 1, x, depth, 3, y)
        for branch, kernel in ((1, height), (2, width.transpose(2, 3).contiguous())):
            call("axis_forward", n, c, h, w, len(kernel), branch == 2, x, kernel, 3, at(y, branch * h * w))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, depth, height, width = ctx.saved_tensors
        n, c, h, w = x.shape
        dy, dx = dy.contiguous(), torch.empty_like(x)
        found = [x.new_empty(n, *kernel.shape) for kernel in (depth, height, width)]
        call("planes_backward", n, c, 1, 1, h, w, 1, x, flip(depth), 3, dy, dx, found[0])
        for branch, kernel in ((1, height), (2, width.transpose(2, 3))):
            place, grad = at(dy, branch * h * w), found[branch]
            call("axis_backward", n, c, h, w, len(kernel), branch == 2, x, flip(kernel), 3, place, dx, grad)
        depth, height, width = (grad.sum(0) for grad in found)
        return dx, depth, height, width.transpose(2, 3)


def at(tensor, offset):
    """Address of an element."""
    return ctypes.c_void_p(tensor.data_ptr() + offset * tensor.element_size())


class Planes(Function):
    """Grouped 3 x 3 convolution with padding; few inputs and outputs per group."""

    @staticmethod
    def forward(ctx, x, kernel, groups, stride):
        x = x.contiguous()
        n, c, h, w = x.shape
        ctx.save_for_backward(x, kernel)
        ctx.numbers = n, groups, c // groups, len(kernel) // groups, h, w, stride
        y = x.new_empty(n, len(kernel), (h - 1) // stride + 1, (w - 1) // stride + 1)
        call("planes_forward", *ctx.numbers, x, kernel, 1, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, kernel = ctx.saved_tensors
        dx, dkernel = torch.empty_like(x), x.new_empty(len(x), *kernel.shape)
        call("planes_backward", *ctx.numbers, x, flip(kernel), 1, dy.contiguous(), dx, dkernel)
        return dx, dkernel.sum(0), None, None


class Points(Function):
    """1 x 1 convolution as a matrix product."""

    @staticmethod
    def forward(ctx, x, kernel):
        n, c, h, w = x.shape
        x = x.reshape(n, c, h * w)
        ctx.save_for_backward(x, kernel)
        return torch.bmm(kernel.view(1, -1, c).expand(n, -1, -1), x).view(n, -1, h, w)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, kernel = ctx.saved_tensors
        n, c, size = x.shape
        d = dy.reshape(n, -1, size)
        dkernel = torch.bmm(d, x.transpose(1, 2)).sum(0).view_as(kernel)
        dx = torch.bmm(kernel.view(1, -1, c).transpose(1, 2).expand(n, -1, -1), d)
        return dx.view(n, c, *dy.shape[2:]), dkernel


class RoundedPoints(Function):
    """Likewise, with factors rounded to bf16 and float32 sums."""

    @staticmethod
    def forward(ctx, x, kernel):
        x, kernel = x.contiguous(), kernel.contiguous()
        n, c, h, w = x.shape
        ctx.save_for_backward(x, kernel)
        y = x.new_empty(n, len(kernel), h, w)
        call("points_product", n, c, len(kernel), h * w, False, x, kernel, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, kernel = ctx.saved_tensors
        n, c, h, w = x.shape
        dy, dx, dkernel = dy.contiguous(), torch.empty_like(x), x.new_empty(n, *kernel.shape)
        call("points_product", n, len(kernel), c, h * w, True, dy, kernel, dx)
        call("points_gradient", n, c, len(kernel), h * w, x, dy, dkernel)
        return dx, dkernel.sum(0)


class Stages(Function):
    """Efficient pyramid pooling: stages (height, width, how), each with its kernel; the stages of a channel are
    adjacent."""

    @staticmethod
    def forward(ctx, x, sizes, *kernels):
        x = x.contiguous()
        n, c, h, w = x.shape
        ctx.save_for_backward(x, *kernels)
        ctx.sizes = sizes
        y = x.new_empty(n, len(kernels) * c, h, w)
        for k, (size, kernel) in enumerate(zip(sizes, kernels)):
            call("stage_forward", n, c, h, w, *size, x, kernel, len(kernels), k, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, *kernels = ctx.saved_tensors
        dy, dx, found = dy.contiguous(), torch.zeros_like(x), []
        for k, (size, kernel) in enumerate(zip(ctx.sizes, kernels)):
            grad = x.new_empty(len(x), *kernel.shape)
            call("stage_backward", *x.shape, *size, x, flip(kernel), len(kernels), k, dy, dx, grad)
            found.append(grad.sum(0))
        return dx, None, *found


class Pool(Function):
    """Maximum of 3 x 3, stride 2, padding 1."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        n, c, h, w = ctx.shape = x.shape
        y = x.new_empty(n, c, (h - 1) // 2 + 1, (w - 1) // 2 + 1)
        ctx.where = torch.empty_like(y, dtype=torch.uint8)
        call("pool_forward", n * c, h, w, x, y, ctx.where)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        n, c, h, w = ctx.shape
        dx = dy.new_empty(ctx.shape)
        call("pool_backward", n * c, h, w, dy.contiguous(), ctx.where, dx)
        return dx


# Parts of a network, photo by photo

POINTS, PLANES, POOL, UNIT = range(4)  # kinds of steps


class Fixed(ctypes.Structure):
    """As in fused.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("weight", "bias", "slope", "mean", "variance")]


class Step(ctypes.Structure):
    """As in fused.c."""

    NUMBERS = ("kind", "inputs", "outputs", "groups", "step", "rows", "columns", "hidden")
    KERNELS = ("kernel", "depth", "height", "width", "mix", "shrink", "grow")
    NORMS = ("norm", "branches", "fusion")
    _fields_ = [(name, ctypes.c_int) for name in NUMBERS] + [(name, ctypes.c_void_p) for name in KERNELS]
    _fields_ += [(name, Fixed) for name in NORMS] + [("epsilon", ctypes.c_float * len(NORMS))]

    @classmethod
    def of(cls, kind, numbers, kernels=(), norms=()):
        """`numbers` from inputs on; `norms` are pairs of BatchNorm and PReLU."""
        step = cls(kind, *numbers)
        for name, kernel in zip(cls.KERNELS, kernels):
            setattr(step, name, kernel.data_ptr())
        for k, (name, (bn, prelu)) in enumerate(zip(cls.NORMS, norms)):
            tensors = bn.weight, bn.bias, prelu.weight, bn.running_mean, bn.running_var
            setattr(step, name, Fixed(*(t.data_ptr() for t in tensors)))
            step.epsilon[k] = bn.eps
        step.norms = norms
        parameters = [(bn.weight, bn.bias, prelu.weight) for bn, prelu in norms]
        step.parameters = [*kernels[:1], *sum(parameters[:1], ()), *kernels[1:], *sum(parameters[1:], ())]
        return step

    def kept(self, area):
        """The number of values that are kept of a photo for the backward pass."""
        if self.kind == UNIT:
            return self.inputs * area + self.inputs + self.hidden + self.outputs
        return self.outputs * area if self.kind == POINTS else 0


class Path(ctypes.Structure):
    """As in fused.c."""

    _fields_ = [(name, ctypes.c_int) for name in ("first", "inputs", "to", "outputs", "count")]
    _fields_ += [("steps", ctypes.POINTER(Step))]


class Paths(Function):
    """The steps of each of `paths`, from the `first` channel of x on; their outputs are concatenated, and shuffled in
    `groups`."""

    @staticmethod
    def forward(ctx, x, paths, groups, *parameters):
        x = x.contiguous()
        n, c, h, w = x.shape
        ctx.kept = paths  # with the statistics
        described, total, keep = [], 0, 0
        for first, inputs, steps in paths:
            outputs = steps[-1].outputs if steps else inputs
            described.append(Path(first, inputs, total, outputs, len(steps), (Step * len(steps))(*steps)))
            total += outputs
            h, w = x.shape[2:]
            for step in steps:
                keep += step.kept(h * w)
                h, w = (h - 1) // step.step + 1, (w - 1) // step.step + 1
        ctx.numbers = *x.shape, len(paths), (Path * len(paths))(*described), total, groups, h * w, keep
        kept = x.new_empty(n, keep) if any(ctx.needs_input_grad) else None
        y = x.new_empty(n, total, h, w)
        call("paths_forward", *ctx.numbers, x, kept, y)
        ctx.save_for_backward(x, kept, *parameters)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, kept, *parameters = ctx.saved_tensors
        sizes = [t.numel() for t in parameters]
        dx, found = torch.empty_like(x), x.new_empty(len(x), sum(sizes))
        call("paths_backward", *ctx.numbers, x, kept, dy.contiguous(), dx, sum(sizes), found)
        found = [grad.view_as(t) for grad, t in zip(found.sum(0).split(sizes), parameters)]
        return dx, None, None, *found


def convolution(layer):
    """The step of a CBR, or None."""
    conv, bn, prelu = layer.cbr
    numbers = conv.in_channels, conv.out_channels, conv.groups, conv.stride[0]
    if conv.is_points():
        return Step.of(POINTS, numbers, [conv.weight], [(bn, prelu)]) if conv.rounded and numbers[3] == 1 else None
    return Step.of(PLANES, numbers, [conv.weight], [(bn, prelu)]) if conv.is_planes() else None


def unit(layer):
    """The step of a DiCE unit, or None."""
    fusion, *fusion_norm = layer.weight_avg_layer.cbr
    conv, *norm = layer.proj_layer.cbr
    kernels = [conv, layer.conv_channel, layer.conv_height, layer.conv_width, fusion]
    kernels = [part.weight for part in (*kernels, layer.linear_comb_layer[1], layer.linear_comb_layer[3])]
    numbers = conv.in_channels, conv.out_channels, conv.groups, 1, *map(len, (kernels[2], kernels[3], kernels[5]))
    depthwise = conv.in_channels == conv.out_channels == conv.groups
    return Step.of(UNIT, numbers, kernels, [norm, layer.br_act.br, fusion_norm]) if depthwise else None


def pooling(inputs):
    """The step of AvgPool2d(3, 2, 1)."""
    return Step.of(POOL, (inputs, inputs, inputs, 2))


def by_photo(x, paths, groups=1):
    """Paths of x, or None if they can't be used. `paths`: first channel, number of channels, and steps or None."""
    parameters = []
    for _, _, steps in paths:
        h, w = x.shape[2:]
        for step in steps:
            if step is None or any(bn.training for bn, _ in step.norms):
                return None
            if step.kind == POINTS and h * w < LARGE:
                return None
            h, w = (h - 1) // step.step + 1, (w - 1) // step.step + 1
        parameters += sum((step.parameters for step in reversed(steps)), [])
    return Paths.apply(x, paths, groups, *parameters)


# Modules


def autocast():
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # PyTorch before 2.4
        return torch.is_autocast_cpu_enabled()


def usable(module, x):
    usual = x.dtype == torch.float32 and x.device.type == "cpu"
    return usual and module.training and not autocast()


def fixed(module):
    """Whether a BatchNorm layer, and thus probably all of the module, uses fixed statistics."""
    return not next(part for part in module.modules() if isinstance(part, nn.BatchNorm2d)).training


def normalise(x, bn, prelu, mix=None, scale=None, groups=1, fold=1, means=False):
    return Normalise.apply(x, bn.weight, bn.bias, prelu.weight, mix, scale, bn, groups, fold, means)


def shuffled(left, right):
    """Shuffle(2) of the concatenation."""
    if left.shape[1] == right.shape[1]:
        return torch.stack((left, right), 2).flatten(1, 2)
    return dicenet.Shuffle(2)(torch.cat((left, right), 1))


class Conv2d(nn.Conv2d):
    """Replaces any convolution of dicenet.conv()."""

    rounded = False

    def forward(self, x):
        groups, area = self.groups, x.shape[2] * x.shape[3]
        if usable(self, x) and self.is_points() and area >= LARGE:
            y = (RoundedPoints if self.rounded else Points).apply(x, self.weight)
            return y if self.bias is None else y + self.bias.view(-1, 1, 1)
        if usable(self, x) and self.is_planes():
            return Planes.apply(x, self.weight, groups, self.stride[0])
        return super().forward(x)

    def is_points(self):
        return self.kernel_size == (1, 1) and self.groups == 1

    def is_planes(self):
        few = self.in_channels // self.groups * (self.out_channels // self.groups) <= FEW
        return self.kernel_size == (3, 3) and few


class CBR(dicenet.CBR):
    def forward(self, x):
        if not usable(self, x):
            return super().forward(x)
        conv, bn, prelu = self.cbr
        return normalise(conv(x), bn, prelu)


class BR(dicenet.BR):
    def forward(self, x):
        return normalise(x, *self.br) if usable(self, x) else super().forward(x)


class DICE(dicenet.DICE):
    def forward(self, x):
        if not usable(self, x):
            return super().forward(x)
        kernels = (layer.weight for layer in (self.conv_channel, self.conv_height, self.conv_width))
        fusion, bn, prelu = self.weight_avg_layer.cbr
        branches = Branches.apply(x, *kernels)
        fused = normalise(branches, *self.br_act.br, mix=fusion.weight, groups=3, fold=3)
        fused, means = normalise(fused, bn, prelu, means=True)
        first, second = (self.linear_comb_layer[k].weight.flatten(1) for k in (1, 3))
        scale = F.linear(F.linear(means, first).relu(), second).sigmoid()
        conv, bn, prelu = self.proj_layer.cbr
        return normalise(conv(fused), bn, prelu, scale=scale)


class StridedDICE(dicenet.StridedDICE):
    def forward(self, x):
        if not usable(self, x):
            return super().forward(x)
        y, c = None, x.shape[1]
        if fixed(self):
            (depth, points), (_, dice, last) = self.left_layer, self.right_layer
            left = [convolution(depth), convolution(points)]
            y = by_photo(x, [(0, c, left), (0, c, [pooling(c), unit(dice), convolution(last)])], 2)
        return shuffled(self.left_layer(x), self.right_layer(x)) if y is None else y


class ShuffleDICEBlock(dicenet.ShuffleDICEBlock):
    def forward(self, x):
        if not usable(self, x):
            return super().forward(x)
        y, counts = None, (self.passed, x.shape[1] - self.passed)
        if fixed(self):
            points, dice = self.layer_right
            y = by_photo(x, [(0, counts[0], []), (*counts, [convolution(points), unit(dice)])], 2)
        if y is None:
            left, right = x.split(counts, 1)
            y = shuffled(left, self.layer_right(right))
        return y


class EPP(dicenet.EPP):
    def forward(self, x):
        if not usable(self, x):
            return super().forward(x)
        x = self.projection_layer(x)
        sizes = [self.size(scale, *x.shape[2:]) for scale in dicenet.EPP_SCALES]
        x = Stages.apply(x, sizes, *(conv.weight for conv in self.stages))
        first, _, merged, last = self.merge_layer
        x = merged(normalise(x, *first.br, groups=len(self.stages)))
        return self.br(last(x))

    @staticmethod
    def size(scale, h, w):
        if scale == 1:
            return h, w, UP
        return max(5, dicenet.ceil(h * scale)), max(5, dicenet.ceil(w * scale)), DOWN if scale < 1 else UP


class MaxPool2d(nn.MaxPool2d):
    def forward(self, x):
        return Pool.apply(x) if usable(self, x) else super().forward(x)


KINDS = {kind.__base__: kind for kind in (CBR, BR, DICE, StridedDICE, ShuffleDICEBlock, EPP, Conv2d, MaxPool2d)}


def load():
    """Whether the library is available; prints a line if it is not."""
    global library, missing
    try:
        if not missing:
            library = library or ctypes.CDLL(compiled())
    except (OSError, subprocess.CalledProcessError) as error:
        missing = True
        print(f"without models/training/fused.c, slower: {error}", file=sys.stderr)
    return library is not None


def has_bf16():
    """Whether the library supports bf16."""
    return library.has_bf16(1) == 1


def attach(net, bf16=False):
    """Makes the network's modules use fused.c, with matrix products in bf16 on request. Returns False if that is
    impossible."""
    if not load():
        return False
    for module in net.modules():
        module.__class__ = KINDS.get(type(module), type(module))
        if isinstance(module, Conv2d):
            module.rounded = bf16
    return True


# Views


def views(batch, windows, flip, fine, factors, width, height, mean, deviation):
    """augment.py's pixels and where the photo is, for 8-bit photos on a CPU."""
    n, side = len(windows), batch.canvas.shape[-1]
    x, inside = torch.empty(n, 3, height, width), torch.empty(n, height, width, dtype=torch.bool)
    given = batch.canvas, batch.sizes, windows, flip, fine, factors
    given = [t.contiguous() if t is not None else None for t in given]
    colours = torch.tensor(mean), torch.tensor(deviation)
    call("views", n, side, height, width, *given, *colours, x, inside)
    return x, inside


# Boxes


def suppress(boxes, threshold):
    """Boxes that greedy NMS keeps, of K boxes sorted by decreasing score: bool, K."""
    gone = torch.empty(len(boxes), dtype=torch.int32)
    call("suppress", len(boxes), boxes.float().t().contiguous(), float(threshold), gone)
    return gone == 0
