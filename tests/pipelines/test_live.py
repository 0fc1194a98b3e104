#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How old a picture of camera.sh and rtsp.sh is when it is shown, with a network that is slower than the camera."""

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

PICTURES = 8
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
        """(age, time) in seconds of every picture that is shown. Debugging's sink stands for the window: it drops what
        is too late, as windows do."""
        at = words.index("autovideosink")
        words[at : at + 1] = ["fakevideosink"]
        pipeline = Gst.parse_launchv(words)
        seen = []

        def show(sink, buffer, _pad):
            now = pipeline.get_clock().get_time() - pipeline.get_base_time()
            seen.append(((now - buffer.pts) / Gst.SECOND, now / Gst.SECOND))

        for element in iterate(pipeline.iterate_recurse()):
            if element.get_factory().get_name() == "fakesink":
                element.set_property("signal-handoffs", True)
                element.connect("handoff", show)
        pipeline.set_state(Gst.State.PLAYING)
        message, deadline = None, time.monotonic() + SECONDS
        while message is None and len(seen) < PICTURES and time.monotonic() < deadline:
            message = pipeline.get_bus().timed_pop_filtered(Gst.SECOND // 10, Gst.MessageType.ERROR)
        pipeline.set_state(Gst.State.NULL)
        self.assertIsNone(message)
        return seen

    def check(self, words):
        seen = self.shown(words)
        self.assertGreaterEqual(len(seen), PICTURES)
        ages, times = zip(*seen[1:])  # the first has the time to start in it
        waits = [b - a for a, b in zip(times, times[1:])]
        each = statistics.median(waits)
        print(f"{len(seen)} pictures, every {each:.2f} s; {min(ages):.2f} to {max(ages):.2f} s old")
        self.assertGreater(each, 0.05, "too fast a network to tell")
        # Each by the pace of its own time, which other programs change.
        self.assertLess(statistics.median(age / wait for age, wait in zip(ages[1:], waits)), 2.3, f"{ages} {waits}")

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
