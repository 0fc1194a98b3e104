#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What camera.sh and rtsp.sh show with a network that is slower than the camera: every picture, at once."""

import os
import statistics
import sys
import time

import common

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    print(f"skipped: {error}: install python3-gi and gir1.2-gstreamer-1.0")
    sys.exit(common.SKIPPED)

PICTURES = 60
SECONDS = 120  # on a busy machine, until all of them have been shown
CAMERA = "videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=30/1 ! identity name=decoder".split()


class Live(common.TestCase):
    def words(self, script, *arguments):
        """What a script gives to gst-launch-1.0 on a desktop."""
        stub, words = self.path("bin", "gst-launch-1.0"), self.path("words")
        os.makedirs(self.path("bin"))
        with open(stub, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >'{words}'\n")
        os.chmod(stub, 0o755)
        process = common.script(script, "--model", common.model("segment"), "--set", "inference-size=1280x960",
                                "--set", "threads=1", *arguments, DISPLAY=":none",
                                PATH=self.path("bin") + os.pathsep + os.environ["PATH"])  # fmt: skip
        self.assert_done(process)
        with open(words, encoding="utf-8") as file:
            return [word for word in file.read().splitlines() if not word.startswith("-")]

    def shown(self, words):
        """The age in seconds of every picture that is shown, and the network's statistics. Debugging's sink stands for
        the window: it drops what is too late, as windows do."""
        at = words.index("autovideosink")
        words[at : at + 1] = ["fakevideosink"]
        pipeline = Gst.parse_launchv(words)
        ages, networks = [], []

        def show(sink, buffer, _pad):
            ages.append((pipeline.get_clock().get_time() - pipeline.get_base_time() - buffer.pts) / Gst.SECOND)

        for element in iterate(pipeline.iterate_recurse()):
            if element.get_factory().get_name() == "fakesink":
                element.set_property("signal-handoffs", True)
                element.connect("handoff", show)
            elif element.get_factory().get_name() == "dicenetsegment":
                networks.append(element)
        pipeline.set_state(Gst.State.PLAYING)
        message, deadline = None, time.monotonic() + SECONDS
        while message is None and time.monotonic() < deadline:
            message = pipeline.get_bus().timed_pop_filtered(Gst.SECOND // 10, Gst.MessageType.ERROR)
            stats = networks[0].get_property("stats")
            if len(ages) >= PICTURES and stats.get_value("inferred") >= 2:
                break
        pipeline.set_state(Gst.State.NULL)
        self.assertIsNone(message)
        return ages, {name: stats.get_value(name) for name in ("frames", "inferred", "mean-latency")}

    def check(self, words):
        ages, stats = self.shown(words)
        self.assertGreaterEqual(len(ages), PICTURES)
        age, network = statistics.median(ages[1:]), stats["mean-latency"] / Gst.SECOND
        print(f"{len(ages)} pictures, {age:.3f} s old, {stats['inferred']} inferred, in {network:.3f} s each")
        self.assertLess(stats["inferred"], 0.9 * stats["frames"], "too fast a network to tell")
        # By the pace of this moment, which other programs change.
        self.assertLess(age, network, f"{ages}")

    def test_camera(self):
        self.check(self.words("camera.sh", "--test"))

    def test_rtsp(self):
        words = self.words("rtsp.sh", "rtsp://127.0.0.1/none")
        at = words.index("decodebin")
        self.check([*CAMERA, *words[at + 1 :]])


def iterate(iterator):
    while True:
        status, item = iterator.next()
        if status != Gst.IteratorResult.OK:
            return
        yield item


Gst.init(None)

if __name__ == "__main__":
    common.main()
