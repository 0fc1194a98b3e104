#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares two builds: processor time of the networks of docs/performance.md, one thread.

    builds.py BEFORE AFTER [--precision float32] [--rounds N] [--seconds S] [--networks TEXT,...]

BEFORE and AFTER are build folders. Both run alternately in short rounds; the ratio is AFTER's minimum over BEFORE's.
Needs numpy.
"""

import argparse
import json
import os

import networks


class Build(networks.Program):
    def __init__(self, folder, precision):
        super().__init__(os.path.join(folder, "dicenet-core", "tools", "dicenet"), True)
        self.precision = precision

    def milliseconds(self, model, threads, seconds):
        arguments = ("--threads", threads, "--seconds", seconds, "--precision", self.precision, "--json")
        return json.loads(self.call("bench", model, *arguments))[self.figure]


def measure(builds, model, rounds, seconds):
    """The least of each build."""
    times = [[] for _ in builds]
    for i in range(rounds):
        for k in (0, 1) if i % 2 else (1, 0):
            times[k].append(builds[k].milliseconds(model, 1, seconds))
    return [min(each) for each in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("builds", nargs=2, metavar="FOLDER", help="where each was built: the earlier one first")
    parser.add_argument("--precision", default="float32", help="float32 (default) or bfloat16")
    parser.add_argument("--rounds", type=int, default=11, help="(11)")
    parser.add_argument("--seconds", type=float, default=0.25, help="per network and round (0.25)")
    parser.add_argument("--networks", default="", metavar="TEXT,...", help="those with one of these in their names (all)")
    parser.add_argument("--models", default=networks.DEFAULT_MODELS, metavar="DIR", help="for models (%(default)s)")
    options = parser.parse_args()
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("expected --rounds of at least 1, and --seconds up to 60")
    builds = [Build(folder, options.precision) for folder in options.builds]
    os.makedirs(options.models, exist_ok=True)
    rows = []
    for name in networks.NETWORKS:
        if any(part.lower() in name.lower() for part in options.networks.split(",")):
            before, after = measure(builds, networks.make_model(options.models, name), options.rounds, options.seconds)
            rows.append([name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.3f}"])
    networks.print_table(["network", "before (ms)", "after (ms)", "ratio"], rows)


if __name__ == "__main__":
    main()
