#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures whether frames of live sources leave an inference element in time, and how old their results are.

    live.py [--mode newest,every-frame] [--cameras 1,2,8] [--processes] [--seconds N] [--element E] [--model M] ...
    nice -n -12 live.py --model models/dicenet-detect.safetensors    # on a machine that does other things, too

Each camera is a live videotestsrc. A frame is late by the time from its timestamp until it leaves the element. Columns:

    late        median, 99th percentile and maximum of the lateness in milliseconds
    in time     share of the frames that leave within --limit milliseconds
    left        frames per second and camera
    network     mean milliseconds of an inference, from the frame's arrival to the result
    inferred    inferences of all cameras per second; the least and the most of a camera, and their ratio
    age         mean and maximum age of the results on frames in milliseconds, and the maximum in inferences

Requires python3-gi, gir1.2-gstreamer-1.0, GStreamer's base plugins, and the plugin in --build, by default build.
"""

import argparse
import json
import os
import subprocess
import sys
import threading

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

from plugin import use_build


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--element", default="dicenetdetect")
    parser.add_argument("--model", default=os.path.join(ROOT, "models", "dicenet-detect.safetensors"))
    parser.add_argument("--set", action="append", default=[], metavar="PROPERTY=VALUE", help="of the element")
    parser.add_argument("--mode", default="every-frame,newest", help="every-frame,newest by default")
    parser.add_argument("--cameras", default="1", help="numbers of cameras, 1 by default")
    parser.add_argument("--processes", action="store_true", help="one process per camera")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", default="1280x720", help="of the frames, 1280x720 by default")
    parser.add_argument("--rate", type=int, default=30, help="frames per second, 30 by default")
    parser.add_argument("--limit", type=float, default=20, metavar="MS", help="20 by default")
    parser.add_argument("--json", action="store_true", help="what was measured of each camera, not the table")
    return parser.parse_args()


class Camera:
    """A pipeline from a live source through the element."""

    def __init__(self, arguments, mode):
        width, height = arguments.size.split("x")
        self.pipeline = Gst.parse_launch(
            f"videotestsrc is-live=true ! video/x-raw,format=NV12,width={width},height={height},"
            f"framerate={arguments.rate}/1 ! {arguments.element} name=net ! fakesink sync=false"
        )
        self.network = self.pipeline.get_by_name("net")
        for setting in [f"inference-mode={mode}", f"model={arguments.model}", *arguments.set]:
            Gst.util_set_object_arg(self.network, *setting.split("=", 1))
        self.late, self.ages = [], []
        self.network.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.leave)

    def leave(self, _pad, info):
        buffer = info.get_buffer()
        running = self.pipeline.get_clock().get_time() - self.pipeline.get_base_time()
        self.late.append((running - buffer.pts) / 1e6)
        self.ages += [meta.age_time / 1e6 for meta in self.library.buffer_get_dicenet_metas(buffer)]
        return Gst.PadProbeReturn.OK

    def start(self):
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.check()
            sys.exit("error: the pipeline does not start")

    def check(self):
        message = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        if message:
            sys.exit(f"error: {message.parse_error()[0].message}")

    def stop(self):
        self.check()
        stats = self.network.get_property("stats")
        measured = {
            "late": list(self.late),
            "ages": list(self.ages),
            "inferred": stats.get_value("inferred"),
            "network": stats.get_value("mean-latency") / 1e6,
        }
        self.pipeline.set_state(Gst.State.NULL)
        return measured


def watch(arguments, mode, cameras):
    """Runs cameras in this process; what was measured of each."""
    gi.require_version("GstDicenetMeta", "1.0")
    from gi.repository import GstDicenetMeta

    Camera.library = GstDicenetMeta
    Gst.init(None)
    running = [Camera(arguments, mode) for _ in range(cameras)]
    for camera in running:
        camera.start()
    threading.Event().wait(arguments.seconds)
    return [camera.stop() for camera in running]


def watch_processes(arguments, mode, cameras):
    """Runs each camera in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--json", "--build", arguments.build, "--mode", mode]
    for name in ("element", "model", "seconds", "size", "rate"):
        command += ["--" + name, str(getattr(arguments, name))]
    command += [word for setting in arguments.set for word in ("--set", setting)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(cameras)]
    output = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit(1)
    return [camera for lines in output for camera in json.loads(lines)]


def share(values, of):
    return sorted(values)[min(int(of * len(values)), len(values) - 1)]


def row(arguments, mode, cameras, measured):
    late = [value for camera in measured for value in camera["late"]]
    ages = [value for camera in measured for value in camera["ages"]] or [0]
    inferred = [camera["inferred"] for camera in measured]
    network = sum(camera["network"] for camera in measured) / cameras
    in_time = sum(value <= arguments.limit for value in late) / len(late)
    return (
        mode,
        str(cameras),
        f"{share(late, 0.5):.1f} / {share(late, 0.99):.1f} / {max(late):.1f}",
        f"{100 * in_time:.1f} %",
        f"{len(late) / arguments.seconds / cameras:.1f}",
        f"{network:.0f}",
        f"{sum(inferred) / arguments.seconds:.1f}; {min(inferred)} to {max(inferred)}: "
        f"{min(inferred) / max(max(inferred), 1):.2f}",
        f"{sum(ages) / len(ages):.0f} / {max(ages):.0f}; {max(ages) / network if network else 0:.1f}",
    )


def main():
    arguments = parse_arguments()
    use_build(arguments.build)
    if arguments.json:
        print(json.dumps(watch(arguments, arguments.mode, int(arguments.cameras))))
        return
    print("| mode | cameras | late, ms | in time | left, 1/s | network, ms | inferred | age, ms; inferences |")
    print("|---|---|---|---|---|---|---|---|")
    for mode in arguments.mode.split(","):
        for cameras in map(int, arguments.cameras.split(",")):
            measured = (watch_processes if arguments.processes else watch)(arguments, mode, cameras)
            print("| " + " | ".join(row(arguments, mode, cameras, measured)) + " |", flush=True)


main()
