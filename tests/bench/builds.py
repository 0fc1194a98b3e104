#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares two builds: processor time of the networks of docs/performance.md, one thread.

    builds.py BEFORE AFTER [--precision float32] [--rounds N] [--seconds S] [--networks TEXT,...]

BEFORE and AFTER are build folders. Both run alternately in short rounds; the ratio is AFTER's minimum over BEFORE's.
Needs numpy.
"""

import argparse
import os

import networks


def measure(programs, model, options):
    """The minimum of each program."""
    times = [[] for _ in programs]
    for i in range(options.rounds):
        for k in (0, 1) if i % 2 else (1, 0):
            times[k].append(programs[k].milliseconds(model, 1, options.seconds, "--precision", options.precision))
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
    programs = [networks.program_of(folder, True) for folder in options.builds]
    os.makedirs(options.models, exist_ok=True)
    rows = []
    for name in networks.NETWORKS:
        if any(part.lower() in name.lower() for part in options.networks.split(",")):
            before, after = measure(programs, networks.make_model(options.models, name), options)
            rows.append([name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.3f}"])
    networks.print_table(["network", "before (ms)", "after (ms)", "ratio"], rows)


if __name__ == "__main__":
    main()
