#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that memory, file descriptors and threads do not grow while pipelines are created and destroyed for a long
time and one runs throughout.

    soak.py PROGRAM [--minutes N] [--every SECONDS] [--in-use KIB] [--resident KIB]

PROGRAM is tests/stress/stress of the build. It runs twice concurrently: normally, and as a control with identity
instead of our elements; growth in the control is caused by GStreamer or the C library. While a sample is taken, all
pipelines but the one that runs throughout are stopped, so that bytes in use are comparable.

The first third of the samples is ignored, as caches fill. A line is fitted to the rest; the exit status is 1 if the
bytes in use grow by more than --in-use beyond the control's (default: 16 KiB per minute), resident memory by more than
--resident (64, for fragmentation), or descriptors or threads by more than one in ten minutes, and by more than the
scatter of the samples; or if a program fails.
"""

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import threading
import time

# Printed by stress.c.
SAMPLE = re.compile(r"in use (\d+) KiB, heap (\d+) KiB")
COLUMNS = ("in use, KiB", "heap, KiB", "resident, KiB", "descriptors", "threads")
MIN_SAMPLES = 9


def look_at(pid):
    """Resident memory in KiB, descriptors, threads."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


class Run:
    """The program and its samples: (minutes, and COLUMNS)."""

    def __init__(self, command):
        # GLib before 2.76 keeps freed slices, which the C library counts as used. With a single arena, fragmentation is
        # complete within minutes; with an arena per thread it grows for a long time.
        environment = {**os.environ, "G_SLICE": "always-malloc", "MALLOC_ARENA_MAX": "1"}
        self.samples, self.last_line, self.start = [], "", time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.last_line = line.strip()
            found = SAMPLE.match(line)
            try:
                if found:
                    minutes = (time.monotonic() - self.start) / 60
                    self.samples.append((minutes, *map(int, found.groups()), *look_at(self.process.pid)))
            except (FileNotFoundError, KeyError, ProcessLookupError):
                break  # the program has ended

    def finish(self):
        """The samples without the first third, by column."""
        status = self.process.wait()
        self.reader.join()
        if status != 0:
            sys.exit(f"error: {' '.join(self.process.args)}: status {status}")
        if len(self.samples) < MIN_SAMPLES:
            sys.exit(f"error: only {len(self.samples)} samples, and {MIN_SAMPLES} are needed")
        return list(zip(*self.samples[len(self.samples) // 3 :]))


def slope(times, values):
    """Slope per minute, and its standard error."""
    n, mean_t, mean_v = len(times), statistics.fmean(times), statistics.fmean(values)
    spread = sum((t - mean_t) ** 2 for t in times)
    per_minute = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values)) / spread
    residue = sum((v - mean_v - per_minute * (t - mean_t)) ** 2 for t, v in zip(times, values))
    return per_minute, (residue / (n - 2) / spread) ** 0.5


def judge(ours, control, bounds):
    """Prints the table; returns whether no column grows beyond the control by more than its bound (None: no bound)."""
    fine = True
    print(f"{'':14} {'first':>8} {'median':>8} {'last':>8} {'per minute':>12} {'+-':>8} {'control':>10} {'+-':>8}")
    for i, (name, bound) in enumerate(zip(COLUMNS, bounds), 1):
        growth, error = slope(ours[0], ours[i])
        others, their_error = slope(control[0], control[i])
        beyond = growth - max(others, 0)
        grows = bound is not None and beyond > bound and beyond > 3 * math.hypot(error, their_error)
        fine = fine and not grows
        print(
            f"{name:14} {ours[i][0]:8} {statistics.median(ours[i]):8.0f} {ours[i][-1]:8} {growth:12.2f} {error:8.2f}"
            f" {others:10.2f} {their_error:8.2f}" + (f"   GROWS by more than {bound}" if grows else "")
        )
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="tests/stress/stress of a build")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=int, default=5, metavar="SECONDS", help="between samples (default: 5)")
    parser.add_argument(
        "--in-use", type=float, default=16, metavar="KIB", help="per minute that may pass (default: 16)"
    )
    parser.add_argument("--resident", type=float, default=64, metavar="KIB", help="the same (default: 64)")
    arguments = parser.parse_args()
    seconds = round(60 * arguments.minutes)
    if arguments.every < 1 or seconds < 2 * MIN_SAMPLES * arguments.every:
        parser.error(f"--minutes: too short for the samples, of which {MIN_SAMPLES} are needed at least")
    command = [
        arguments.program,
        "--long",
        "--threads",
        "3",
        "--seconds",
        str(seconds),
        "--sample",
        str(arguments.every),
    ]
    ours, control = Run(command), Run([*command, "--control"])
    columns = ours.finish(), control.finish()
    print(f"{ours.last_line}\ncontrol: {control.last_line}")
    sys.exit(0 if judge(*columns, (arguments.in_use, None, arguments.resident, 0.1, 0.1)) else 1)


if __name__ == "__main__":
    main()
