#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures dicenet-archive: its throughput beside that of the networks alone, and its memory over many recordings.

    archive.py CLIP [--build DIR] [--copies N] [--interval N]      throughput
    archive.py --recordings 1000 [--build DIR]                     memory

Throughput: copies of CLIP, one worker per processor, all three networks. The limit is what `dicenet bench` says of the
three at the same inference sizes, one after the other, with one thread on each processor at once: by the clock, and by
processor time, which a busy machine disturbs less. What the start costs is told apart.

Memory: made clips of 10 small frames, inferred at 96 x 96. Prints the workers' largest resident memory in each tenth of the run.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PROGRAM = os.path.join(ROOT, "pipelines", "archive", "dicenet-archive")

try:
    from turns import Gst, measure, quoted
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

import elements
from networks import program_of
from plugin import use_build

TASKS = ("classify", "detect", "segment")
CLIP = "videotestsrc num-buffers=10 pattern=ball ! video/x-raw,width=160,height=120,framerate=10/1 ! x264enc ! mp4mux ! filesink location={}"
SMALL = [f"--set={task}.inference-size=96x96" for task in TASKS]


def model(task):
    return os.path.join(ROOT, "models", f"dicenet-{task}.safetensors")


def size_of(clip, task, program):
    caps, _ = elements.decode(clip, 1)
    return elements.inference_size(caps, json.loads(program.call("info", model(task), "--json")))


def limit(clip, build, workers):
    """Milliseconds per frame of all three networks, by the clock and of processor time, while as many run at once."""
    program = program_of(build, False)
    clock = used = 0
    for task in TASKS:
        command = [
            program.path,
            "bench",
            model(task),
            "--threads=1",
            "--precision=auto",
            "--seconds=2",
            "--json",
            "--size",
            size_of(clip, task, program),
        ]
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
        found = [json.loads(run.communicate()[0]) for run in runs]
        clock += sum(each["median_ms"] for each in found) / workers
        used += sum(each["cpu_ms"] for each in found) / workers
    return clock, used


def decoding(clip):
    """Milliseconds of processor time per frame, of the decoder alone."""
    chain = f"filesrc location={quoted(clip)} ! decodebin ! videoconvert ! fakesink name=sink sync=false"
    return measure(chain)["CPU ms"]


def run(command):
    """Its output, seconds by the clock and of processor time."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"error: {done.stdout}{done.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def frames_in(output):
    total = 0
    for folder, _, names in os.walk(os.path.join(output, "summaries")):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                total += json.load(file)["frames"]
    return total


def archive(inputs, output, *words):
    return [sys.executable, PROGRAM, inputs, "--output", output, *words]


def make_clip(folder):
    """A small one of 10 frames."""
    clip = os.path.join(folder, "clip.mp4")
    subprocess.run(["gst-launch-1.0", "-q", *CLIP.format(clip).split()], check=True)
    return clip


def fill(inputs, clip, copies):
    os.mkdir(inputs)
    for number in range(copies):
        os.symlink(os.path.abspath(clip), os.path.join(inputs, f"{number}.mp4"))


def start(options, folder):
    """Seconds of processor time until the workers have done a small clip each: what a run costs besides its frames."""
    inputs = os.path.join(folder, "small")
    fill(inputs, make_clip(folder), options.workers)
    words = [f"--workers={options.workers}", *SMALL]
    return run(archive(inputs, os.path.join(folder, "small-out"), *words))[1]


def throughput(options, folder):
    inputs, output = os.path.join(folder, "in"), os.path.join(folder, "out")
    fill(inputs, options.clip, options.copies)
    workers = options.workers
    clock, alone = (ms / options.interval for ms in limit(options.clip, options.build, workers))
    decoder, started = decoding(options.clip), start(options, folder)
    seconds, used = run(archive(inputs, output, f"--workers={workers}", f"--interval={options.interval}"))
    frames = frames_in(output)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    each = 1000 * (used - started) / frames
    print(f"{frames} frames in {seconds:.1f} s: {frames / seconds:.1f} per second; largest worker {largest:.0f} MiB")
    print(f"networks alone: {1000 * workers / clock:.1f} per second on {workers} processors")
    print(f"processor time: {started:.2f} s for the start; per frame {each:.2f} ms; networks alone {alone:.2f} ms; decoder alone "
          f"{decoder:.2f} ms")  # fmt: skip
    print(
        f"per frame besides the networks: {each / alone - 1:.1%}; without the decoder: {(each - decoder) / alone - 1:.1%}"
    )


def workers_memory(process):
    """Resident MiB of each worker."""
    try:
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            pids = file.read().split()
        found = []
        for pid in pids:
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                found.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        return found
    except OSError:  # one has just ended
        return []


def count_summaries(output):
    return sum(len(names) for _, _, names in os.walk(os.path.join(output, "summaries")))


def memory(options, folder):
    inputs, output = os.path.join(folder, "in"), os.path.join(folder, "out")
    fill(inputs, make_clip(folder), options.recordings)
    command = archive(inputs, output, f"--workers={options.workers}", *SMALL)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    largest = [0.0] * 10
    begin = time.monotonic()
    while process.poll() is None:
        tenth = min(9, 10 * count_summaries(output) // options.recordings)
        largest[tenth] = max([largest[tenth], *workers_memory(process)])
        time.sleep(0.3)
    print(f"{options.recordings} recordings in {time.monotonic() - begin:.0f} s, status {process.returncode}; largest worker in each "
          "tenth of the run (MiB): " + " ".join(f"{mib:.0f}" for mib in largest))  # fmt: skip


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0], epilog=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("clip", nargs="?")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--copies", type=int, default=2, help="of the clip (2)")
    parser.add_argument("--interval", type=int, default=1, help="(1)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="(one per processor)")
    parser.add_argument("--recordings", type=int, help="measure memory, over so many")
    options = parser.parse_args()
    if (options.clip is None) == (options.recordings is None):
        parser.error("expected CLIP or --recordings")
    if options.clip and not os.path.isfile(options.clip):
        parser.error(f"{options.clip}: no such file")
    return options


def main():
    options = parse_arguments()
    use_build(options.build)
    tools = os.path.join(os.path.abspath(options.build), "dicenet-core", "tools")
    os.environ["PATH"] = tools + ":" + os.environ["PATH"]
    os.environ["DICENET_MODEL_PATH"] = os.path.join(ROOT, "models")
    Gst.init(None)
    with tempfile.TemporaryDirectory() as folder:
        (throughput if options.clip else memory)(options, folder)


if __name__ == "__main__":
    main()
