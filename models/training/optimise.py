# SPDX-License-Identifier: LGPL-2.1-or-later
"""Optimizer steps: weight decay, learning rate and averaging of weights."""

import copy
from math import cos, pi

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
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=(config.momentum, 0.999))
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)


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
