#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/training/fused.py against PyTorch's own operations: outputs, running statistics and gradients of all kinds of
networks; products in bf16; parts photo by photo; views; reproducibility; and cases in which it must not be used.

Skipped without PyTorch or a C compiler.
"""

import copy
import os
import sys
import types
import unittest
from unittest import mock

import common

try:
    import torch
except ImportError:
    print("skipped: PyTorch is missing (apt install python3-torch, or pip install torch)")
    sys.exit(common.SKIPPED)

sys.path.append(os.path.join(common.MODELS, "training"))
import augment  # noqa: E402
import data  # noqa: E402
import dicenet  # noqa: E402
import fused  # noqa: E402

from network import Network  # noqa: E402  of models/, as dicenet.py finds it

NETWORKS = {
    "classify": {"task": "classify", "scale": "0.2"},
    "mobilenet": {"task": "classify", "scale": "0.3", "backbone": "mobilenet"},
    "resnet": {"task": "classify", "scale": "0.16", "backbone": "resnet"},
    "segment": {"task": "segment", "scale": "0.2", "decoder_width": 16},
    "detect": {"task": "detect", "scale": "0.2", "pyramid": True},
    "plain": {"task": "detect", "scale": "0.1"},
}
# Kernels are for 96 x 64: inputs have that size, are smaller, larger, or mixed.
SIZES = ((96, 64), (64, 48), (129, 157), (47, 133))

# Modules and the number of their input channels.
MODULES = {
    "depth": (lambda: dicenet.CBR(6, 6, 3, groups=6), 6),
    "stride": (lambda: dicenet.CBR(6, 6, 3, 2, groups=6), 6),
    "groups": (lambda: dicenet.CBR(6, 4, 3, groups=2), 6),
    "points": (lambda: dicenet.CBR(5, 7, 1), 5),
    "unit": (lambda: dicenet.DICE(8, 8, 9, 6), 8),
    "wider": (lambda: dicenet.DICE(8, 24, 9, 6), 8),
    "pyramid": (lambda: dicenet.EPP(6, 4, 5), 6),
    "last": (lambda: dicenet.EPP(6, 4, 5, last=True), 6),
    "pool": (lambda: torch.nn.MaxPool2d(3, 2, 1), 5),
}
MODULE_SIZES = ((9, 6), (2, 3), (17, 31), (16, 32), (33, 4))

# Relative to a tensor's largest value, in single precision. PyTorch's own results differ by as much.
TOLERANCE = 1e-3  # of single modules' gradients
FORWARD = 1e-4
# If an input of PReLU or of a maximum rounds to the other side, all gradients before it differ slightly; PyTorch's in
# single precision differ from those in double as much. This happens in one network of ten, and hardly affects the
# median of all tensors.
MEDIAN = 2e-3
WORST = 0.1
ROUNDED = 0.02  # bf16 has eight bits
# Of parts with products in bf16: a sum that differs in its last bits may round to the other neighbour in bf16.
NEIGHBOURS = 5e-3
# Sizes of photos, and inputs, outputs and points of products: less and more than fits in registers.
POINTS = ((1, 1, 64), (5, 7, 65), (8, 8, 96), (17, 9, 111), (58, 33, 169), (33, 58, 400))
# Parts that are computed photo by photo, and their input channels: kernels for 9 x 12.
PARTS = {
    "block": (lambda: dicenet.ShuffleDICEBlock(10, 10, 9, 12), 10),
    "first block": (lambda: dicenet.ShuffleDICEBlock(20, 14, 9, 12), 20),
    "uneven block": (lambda: dicenet.ShuffleDICEBlock(18, 14, 9, 12), 18),  # nine channels beside five
    "strided": (lambda: dicenet.StridedDICE(7, 9, 12), 7),
}
# As large as the kernels, smaller, larger, and mixed; full vectors and not; halved for those with a stride.
PART_SIZES = ((9, 12), (8, 8), (17, 31), (16, 32), (33, 4), (40, 40))
VIEWS = ((64, 64), (96, 32), (33, 130))


def make(settings):
    """A network with statistics and slopes that differ by channel."""
    torch.manual_seed(1)
    net = dicenet.build(Network(classes=9, kernel_height=96, kernel_width=64, **settings))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean)
        if isinstance(module, torch.nn.PReLU):
            torch.nn.init.uniform_(module.weight, 0.4, 0.6)
    return net.train()


def attached(net):
    net = copy.deepcopy(net)
    assert fused.attach(net)
    return net


class RoundedProduct(torch.autograd.Function):
    """A 1 x 1 convolution whose factors are rounded to bf16."""

    @staticmethod
    def forward(ctx, x, kernel):
        ctx.save_for_backward(x, kernel)
        return torch.einsum("oi,nihw->nohw", nearest(kernel).flatten(1), nearest(x))

    @staticmethod
    def backward(ctx, dy):
        x, kernel = map(nearest, ctx.saved_tensors)
        dkernel = torch.einsum("nohw,nihw->oi", nearest(dy), x).view_as(kernel)
        return torch.einsum("oi,nohw->nihw", kernel.flatten(1), nearest(dy)), dkernel


def nearest(x):
    return x.float().bfloat16().to(x.dtype)


class RoundedConv2d(torch.nn.Conv2d):
    def forward(self, x):
        return RoundedProduct.apply(x, self.weight)


def make_part(name):
    """Its statistics are fixed; parameters differ by channel."""
    torch.manual_seed(1)
    part = PARTS[name][0]()
    for parameter in part.parameters():
        torch.nn.init.normal_(parameter)
    for module in part.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean)
            module.eval()
    return part


def with_rounding(part):
    """PyTorch's own operations, with products rounded as fused.c does."""
    part = copy.deepcopy(part)
    for module in part.modules():
        if isinstance(module, dicenet.CBR) and module.cbr[0].kernel_size == (1, 1) and module.cbr[0].groups == 1:
            module.cbr[0].__class__ = RoundedConv2d
    return part


def pictures(height, width, channels=3):
    return torch.randn(8, channels, height, width, generator=torch.Generator().manual_seed(2))


def step(net, x):
    """All results of a training step of a copy of the network, by name."""
    net, x = copy.deepcopy(net).to(x.dtype), x.clone().requires_grad_()
    outputs = net(x)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = torch.Generator().manual_seed(3)
    sum((y * torch.randn(y.shape, generator=weights).to(y.dtype)).sum() for y in outputs).backward()
    made = {f"output {k}": y.detach() for k, y in enumerate(outputs)}
    made.update((name, buffer) for name, buffer in net.named_buffers())
    made.update((name + "'s gradient", weight.grad) for name, weight in net.named_parameters())
    made["the input's gradient"] = x.grad
    return made


class Fused(common.TestCase):
    def compare(self, net, x, worst, median):
        errors = []
        found = step(attached(net), x)
        for name, truth in step(net, x.double()).items():
            error = float((found[name] - truth).abs().max()) / max(float(truth.abs().max()), 1e-3)
            self.assertLess(error, worst if "gradient" in name else FORWARD, name)
            errors.append(error)
        self.assertLess(sorted(errors)[len(errors) // 2], median)

    @common.long_test
    def test_networks(self):
        for name, settings in NETWORKS.items():
            net = make(settings)
            for height, width in SIZES:
                with self.subTest(name, height=height, width=width):
                    self.compare(net, pictures(height, width), WORST, MEDIAN)

    def test_modules(self):
        """With various weights and slopes, and odd sizes."""
        for name, (constructor, channels) in MODULES.items():
            torch.manual_seed(1)
            module = constructor()
            for parameter in module.parameters():
                torch.nn.init.normal_(parameter)
            for height, width in MODULE_SIZES:
                with self.subTest(name, height=height, width=width):
                    self.compare(module, pictures(height, width, channels), TOLERANCE, TOLERANCE)

    def test_frozen_statistics(self):
        net = make(NETWORKS["segment"])
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        self.compare(net, pictures(64, 96), WORST, MEDIAN)

    def test_bf16(self):
        """Products of values rounded to bf16 equal those of the rounded values, up to the order of sums."""
        self.needs_bf16()
        for inputs, outputs, points in POINTS:
            with self.subTest(inputs=inputs, outputs=outputs, points=points):
                layer = fused.Conv2d(inputs, outputs, 1, bias=False)
                x = pictures(1, points, inputs)
                weights = torch.randn(8, outputs, 1, points, generator=torch.Generator().manual_seed(4))
                found, rounded = (self.product(layer, x, weights, bf16) for bf16 in (True, False))
                for key, truth in rounded.items():
                    error = float((found[key] - truth).abs().max() / truth.abs().max())
                    self.assertLess(error, 1e-4, key)
                    self.assertFalse(torch.equal(found[key], self.product(layer, x, weights, None)[key]), key)

    @staticmethod
    def product(layer, x, weights, bf16):
        """Output and gradients; without `bf16`, of previously rounded values (False) or of unrounded ones (None)."""
        layer, x = copy.deepcopy(layer), x.clone()
        layer.rounded = bool(bf16)
        if bf16 is False:
            x, weights = x.bfloat16().float(), weights.bfloat16().float()
            layer.weight.data = layer.weight.data.bfloat16().float()
        y = layer(x.requires_grad_())
        y.backward(weights)
        return {"output": y.detach(), "input": x.grad, "kernel": layer.weight.grad}

    def test_bf16_network(self):
        """The step has the same direction."""
        self.needs_bf16()
        net, x = make(NETWORKS["detect"]), pictures(96, 64)
        exact, rounded = copy.deepcopy(net), copy.deepcopy(net)
        fused.attach(exact), fused.attach(rounded, bf16=True)
        first, second = step(exact, x), step(rounded, x)
        for k in (0, 1):
            error = (first[f"output {k}"] - second[f"output {k}"]).norm() / first[f"output {k}"].norm()
            self.assertTrue(0 < float(error) < ROUNDED)
        gradients = [torch.cat([made[n].flatten() for n in first if "gradient" in n]) for made in (first, second)]
        self.assertGreater(float(torch.cosine_similarity(*gradients, 0)), 0.95)

    def needs_bf16(self):
        if not fused.has_bf16():
            self.skipTest("the processor has no bf16")

    def test_parts(self):
        """Blocks with fixed statistics, computed photo by photo."""
        self.needs_bf16()
        for name, (_, channels) in PARTS.items():
            part = make_part(name)
            rounded, fast = with_rounding(part), copy.deepcopy(part)
            fused.attach(fast, bf16=True)
            for height, width in PART_SIZES:
                if "strided" in name:
                    height, width = 2 * height + 1, 2 * width + 8
                with self.subTest(name, height=height, width=width):
                    x = pictures(height, width, channels)
                    self.assertEqual(self.function(fast, x), "PathsBackward")
                    found = step(fast, x)
                    for key, truth in step(rounded, x.double()).items():
                        error = float((found[key] - truth).abs().max()) / max(float(truth.abs().max()), 1e-3)
                        self.assertLess(error, NEIGHBOURS, key)
                    with torch.no_grad():  # keeps nothing
                        self.assertTrue(torch.equal(fast(x), found["output 0"]))

    @staticmethod
    def function(part, x):
        return type(part(x).grad_fn).__name__

    def test_parts_stand_back(self):
        """Batch statistics, in any of the layers, products in float32, and few points."""
        self.needs_bf16()
        for name, (_, channels) in PARTS.items():
            part, x = make_part(name), pictures(24, 40, channels)
            exact, rounded = copy.deepcopy(part), copy.deepcopy(part)
            fused.attach(exact), fused.attach(rounded, bf16=True)
            self.assertEqual(self.function(rounded, x), "PathsBackward")
            self.assertNotEqual(self.function(exact, x), "PathsBackward")
            self.assertNotEqual(self.function(rounded, pictures(7, 5, channels)), "PathsBackward")
            for module in rounded.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.train()
                    self.assertNotEqual(self.function(rounded, x), "PathsBackward")
                    module.eval()

    def test_parts_threads(self):
        """The number of threads changes nothing."""
        self.needs_bf16()
        threads = torch.get_num_threads()
        for name, (_, channels) in PARTS.items():
            part, x, made = make_part(name), pictures(24, 40, channels), []
            fused.attach(part, bf16=True)
            for count in (1, 3):
                torch.set_num_threads(count)
                made.append(step(part, x))
            torch.set_num_threads(threads)
            for key in made[0]:
                self.assertTrue(torch.equal(made[0][key], made[1][key]), (name, key))

    def test_views(self):
        """Photos that fill the canvas or not, enlarged and reduced."""
        random = torch.Generator().manual_seed(1)
        canvas = torch.randint(0, 256, (16, 3, 50, 50), dtype=torch.uint8, generator=random)
        batch = data.Batch(canvas, torch.randint(1, 51, (16, 2), generator=random).float())
        recipe = {"zoom": [0.3, 3.0], "stretch": 1.5, "focus": 0.0, "flip": True}
        for (width, height), colour in zip(VIEWS, (0.0, 0.3, 0.9)):
            with self.subTest(width=width, height=height):
                found, truth = [], []
                for views, library in ((found, fused.library), (truth, None)):
                    torch.manual_seed(2)
                    with mock.patch.object(fused, "library", library):
                        seen = augment.views(batch, width, height, types.SimpleNamespace(colour=colour, **recipe))
                        views.append(seen)
                # Rounding moves a point slightly, and neighbouring pixels of these photos differ much.
                self.assertLess(float((found[0].x - truth[0].x).abs().max()), 2e-3)
                self.assertLess(float((found[0].x - truth[0].x).abs().mean()), 1e-4)
                self.assertEqual(int((found[0].inside != truth[0].inside).sum()), 0)

    def test_same_bits(self):
        net, x = attached(make(NETWORKS["detect"])), pictures(90, 120)
        first, second = step(net, x), step(net, x)
        for name in first:
            self.assertTrue(torch.equal(first[name], second[name]), name)

    def test_stands_back(self):
        """In evaluation and in other precisions, the network uses PyTorch's operations."""
        plain, x = make(NETWORKS["segment"]), pictures(64, 96)
        net = attached(plain)
        self.assertEqual(list(net.state_dict()), list(plain.state_dict()))
        with mock.patch.object(fused, "library", None):  # any use would fail
            self.assertTrue(torch.equal(net.eval()(x), plain.eval()(x)))
            step(net.train(), x.double())
            with torch.autocast("cpu", torch.bfloat16):
                net(x)

    def test_no_compiler(self):
        environment = {"CC": "no-such-compiler", "XDG_CACHE_HOME": self.folder}
        net = make(NETWORKS["plain"])
        kinds = [type(module) for module in net.modules()]
        with mock.patch.dict(os.environ, environment), mock.patch.multiple(fused, library=None, missing=False):
            self.assertFalse(fused.attach(net))
            self.assertTrue(fused.missing)  # and the library is not searched for again
        self.assertEqual([type(module) for module in net.modules()], kinds)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    if not fused.attach(torch.nn.Identity()):
        sys.exit(common.SKIPPED)
    unittest.main()
