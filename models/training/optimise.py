# SPDX-License-Identifier: LGPL-2.1-or-later
"""Optimizer steps: weight decay, learning rate and averaging of weights."""

import copy
from math import cos, pi, prod

import torch


def rate(fraction, warmup, final):
    """Learning rate relative to the maximum when this `fraction` of a run is done: linear warm-up, then half a cosine.
    """
    if fraction < warmup:
        return fraction / warmup + 1e-3
    done = (fraction - warmup) / (1 - warmup)
    return final + (1 - final) * (1 + cos(pi * done)) / 2


def make_optimizer(config, net, slow):
    """Vectors (BatchNorm, PReLU, biases) have no weight decay; the tensors named in `slow` use init_lr."""
    groups = {}
    for name, weight in net.named_parameters():
        key = (weight.ndim > 1, name in slow)
        groups.setdefault(key, []).append(weight)
    groups = [
        {
            "params": weights,
            "weight_decay": config.weight_decay if decays else 0.0,
            "lr": config.lr * (config.init_lr if is_slow else 1.0),
        }
        for (decays, is_slow), weights in groups.items()
    ]
    for group in groups:
        group["initial_lr"] = group["lr"]
    if config.optimizer in ("adamw", "muon"):
        kind = Muon if config.optimizer == "muon" else torch.optim.AdamW
        return kind(groups, betas=(config.momentum, 0.999))
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)


class Muon(torch.optim.AdamW):
    """Muon (Jordan, 2024) for matrices: 1 x 1 convolutions and fully connected layers. A step is the nearest orthogonal
    matrix to the momentum, so that what few photos show moves the weights as much as what all show. Its size is that of
    AdamW's (Liu et al., 2025: "Muon is scalable"), which all other tensors have, so that one learning rate does for
    both."""

    MOMENTUM = 0.95
    LEAST = 16  # rows and columns; smaller matrices gain nothing
    SCALE = 0.2  # the usual root mean square of AdamW's steps

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and self.is_matrix(weight):
                    self.move(weight, group["lr"], group["weight_decay"])
                    weight.grad = None  # AdamW leaves it alone
        super().step()

    def is_matrix(self, weight):
        return weight.ndim >= 2 and prod(weight.shape[2:]) == 1 and min(weight.shape[:2]) >= self.LEAST

    def move(self, weight, lr, weight_decay):
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
            state["step"] = torch.zeros(())  # AdamW looks at it when a state is loaded
        momentum = state["momentum"].lerp_(weight.grad, 1 - self.MOMENTUM)
        ahead = weight.grad.lerp(momentum, self.MOMENTUM).flatten(1)
        scale = self.SCALE * max(ahead.shape) ** 0.5
        weight.mul_(1 - lr * weight_decay).add_(orthogonal(ahead).view_as(weight), alpha=-lr * scale)


def orthogonal(matrix):
    """About the nearest orthogonal matrix: singular values become 0.7 to 1.2, unless they are tiny. Newton-Schulz with
    Jordan's coefficients."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.t()
    for _ in range(5):
        square = x @ x.t()
        x = a * x + (b * square + c * square @ square) @ x
    return x.t() if is_tall else x


class Average:
    """Exponential moving average of another network's weights and statistics."""

    def __init__(self, net, decay):
        self.decay, self.net = decay, copy.deepcopy(net).eval().requires_grad_(False)
        theirs = net.state_dict(keep_vars=True)
        pairs = [(mine, theirs[k].detach()) for k, mine in self.net.state_dict().items() if mine.is_floating_point()]
        self.mine, self.theirs = zip(*pairs)

    def update(self, step):
        """The decay is lower in early steps, to forget the random weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_mul_(self.mine, decay)
            torch._foreach_add_(self.mine, self.theirs, alpha=1 - decay)
