#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the median milliseconds that PyTorch takes for a network, in eager mode or traced, whichever is faster.

    pytorch.py NETWORK WIDTH HEIGHT THREADS SECONDS

NETWORK is a model file, or the name of one of torchvision's networks.
"""

import os
import statistics
import sys
import time
import warnings

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "training"))


def load(network):
    """Loads the network in evaluation mode."""
    if network.endswith(".safetensors"):
        import dicenet

        return dicenet.load(network)
    import torchvision

    return getattr(torchvision.models, network)().eval()


def median_ms(net, x, seconds):
    for _ in range(3):  # tracing optimises during the first runs
        net(x)
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        net(x)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main(network, width, height, threads, seconds):
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    warnings.simplefilter("ignore")  # warnings that sizes become constants
    net, x = load(network), torch.empty(1, 3, int(height), int(width)).uniform_(-2, 2)
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(net, x))
        print(min(median_ms(candidate, x, float(seconds)) for candidate in (net, traced)))


if __name__ == "__main__":
    main(*sys.argv[1:])
