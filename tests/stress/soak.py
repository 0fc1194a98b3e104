#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does memory grow, or descriptors, or threads, where pipelines come and go for long and one runs all the time?

    soak.py PROGRAM [--minutes N] [--every SECONDS] [--grow KIB_PER_MINUTE]

PROGRAM is the build's tests/stress/stress. The first third of the samples is left out: caches fill. Over the rest a line is
fitted; the status is 1 if resident memory grows by more than --grow (default: 64 KiB per minute, and more than what the
samples scatter by), or descriptors or threads by more than one in ten minutes, or if the program fails.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time


def sample(pid):
    """Resident memory in KiB, descriptors, threads."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def slope(times, values):
    """Per minute, and its standard error."""
    n, mean_t, mean_v = len(times), statistics.fmean(times), statistics.fmean(values)
    spread = sum((t - mean_t) ** 2 for t in times)
    per_minute = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values)) / spread
    residue = sum((v - mean_v - per_minute * (t - mean_t)) ** 2 for t, v in zip(times, values))
    return per_minute, (residue / (n - 2) / spread) ** 0.5


def watch(process, minutes, every):
    """Samples while the program runs; the first and the last seconds are start and end."""
    start, samples = time.monotonic(), []
    while process.poll() is None and time.monotonic() - start < 60 * minutes - every:
        time.sleep(every)
        try:
            samples.append(((time.monotonic() - start) / 60, *sample(process.pid)))
        except (FileNotFoundError, KeyError, ProcessLookupError):
            break  # it has ended
    return samples


def judge(samples, grow):
    """Prints the table; whether nothing grows."""
    rest = samples[len(samples) // 3 :]
    times, fine = [s[0] for s in rest], True
    print(f"{'':12} {'first':>9} {'median':>9} {'last':>9} {'per minute':>12} {'+-':>8}")
    for name, column, bound in (("memory, KiB", 1, grow), ("descriptors", 2, 0.1), ("threads", 3, 0.1)):
        values = [s[column] for s in rest]
        per_minute, error = slope(times, values)
        grows = per_minute > bound and per_minute > 3 * error
        fine = fine and not grows
        print(
            f"{name:12} {values[0]:9} {statistics.median(values):9.0f} {values[-1]:9} {per_minute:12.2f} {error:8.2f}"
            + (f"   GROWS by more than {bound}" if grows else "")
        )
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="tests/stress/stress of a build")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS", help="between samples (default: 5)")
    parser.add_argument("--grow", type=float, default=64, metavar="KIB", help="per minute that may pass (default: 64)")
    arguments = parser.parse_args()
    seconds = round(60 * arguments.minutes)
    if seconds < 9 * arguments.every:
        parser.error("--minutes: too short for the samples, of which nine are needed at least")
    process = subprocess.Popen([arguments.program, "--long", "--threads", "3", "--seconds", str(seconds)])
    samples = watch(process, arguments.minutes, arguments.every)
    status = process.wait()
    if status != 0:
        sys.exit(f"error: the program failed with status {status}")
    if len(samples) < 9:
        sys.exit(f"error: only {len(samples)} samples")
    sys.exit(0 if judge(samples, arguments.grow) else 1)


if __name__ == "__main__":
    main()
