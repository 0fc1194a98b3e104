#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures dicenettrack on made scenes, beside ByteTrack of the package supervision on the same detections: the table
of docs/tracking.md.

    meson devenv -C build -w . $(tests/tracking/peers.sh) tests/tracking/evaluate.py

peers.sh installs the packages, supervision and trackeval, in a virtual environment. Defaults were chosen with
seeds 100 to 103; the table is of others."""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scores
import simulator
import trackers

COLUMNS = ("IDF1", "MOTA", "HOTA")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("properties", nargs="*", help="of dicenettrack, such as min-hits=1; after --")
    parser.add_argument("--seeds", default="200-207", help="scenes of each kind, FIRST-LAST (%(default)s)")
    parser.add_argument("--intervals", default="1,5", help="the detector runs on every N-th frame (%(default)s)")
    parser.add_argument("--scenarios", default=",".join(simulator.SCENARIOS), help="which kinds (%(default)s)")
    return parser.parse_args()


def mean(rows):
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def measure(name, interval, seeds, properties):
    """Means over the scenes: of dicenettrack, and of ByteTrack."""
    scenes = [simulator.make(name, seed) for seed in seeds]
    ours = [scores.standard(s, trackers.dicenettrack(s, interval, *properties)) for s in scenes]
    theirs = [scores.standard(s, trackers.bytetrack(s, interval)) for s in scenes]
    return mean(ours), mean(theirs)


def main():
    options = parse()
    first, last = map(int, options.seeds.split("-"))
    seeds = range(first, last + 1)
    print("| scene | interval | dicenettrack: " + ", ".join(COLUMNS) + ", switches | ByteTrack |\n|---|---|---|---|")
    for name in options.scenarios.split(","):
        for interval in map(int, options.intervals.split(",")):
            both = measure(name, interval, seeds, options.properties)
            cells = [" ".join([f"{100 * m[c]:.1f}" for c in COLUMNS] + [f"{m['switches']:.1f}"]) for m in both]
            print(f"| {name} | {interval} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
