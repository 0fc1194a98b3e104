#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results reach another process with their frames, which GStreamer can from 1.24 on."""

import os
import re
import subprocess
import time
import unittest

import common

CAPS = "video/x-raw,format=RGB,width=96,height=64,framerate=30/1"
DETECT = ["dicenetdetect", f"model={common.model('detect')}", "threshold=0.05", "max-detections=5", "threads=1"]


def gst_version():
    command = ["gst-launch-1.0", "--version"]
    text = subprocess.run(command, env=common.environment(), capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.search(r"version (\d+)\.(\d+)", text).groups()))


def lacks(element):
    command = ["gst-inspect-1.0", "--exists", element]
    return subprocess.run(command, env=common.environment(), check=False).returncode != 0


def picture(*properties):
    """Frames that are all the same."""
    return ["videotestsrc", "pattern=checkers-8", *properties, "!", CAPS, "!"]


@unittest.skipIf(gst_version() < (1, 24), "GStreamer before 1.24 hands no metadata on")
class Processes(common.TestCase):
    def objects(self, *source):
        """What dicenetjson says of each frame of a pipeline."""
        common.launch(*source, "!", "dicenetjson", "!", "filesink", f"location={self.path('lines')}")
        frames = [line["objects"] for line in common.read_json_lines(self.path("lines"))]
        for value in (value for objects in frames for found in objects for value in found.values()):
            if isinstance(value, dict):
                value.pop("source_pts", None)  # in the sender's time, which has gone on for a while
        return frames

    def expected(self, frames):
        found = self.objects(*picture(f"num-buffers={frames}"), *DETECT)
        self.assertEqual([len(objects) for objects in found], [5] * frames, "the network finds nothing to hand on")
        return found

    @unittest.skipIf(lacks("unixfdsrc"), "unixfdsrc is missing (Debian: gstreamer1.0-plugins-bad)")
    def test_unixfd(self):
        """Through a socket, of a process that goes on all the time."""
        path = self.path("socket")
        sender = subprocess.Popen(
            ["gst-launch-1.0", "-q", *picture("is-live=true"), *DETECT, "!", "unixfdsink", f"socket-path={path}"],
            env=common.environment(),
            stdin=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while not os.path.exists(path) and sender.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertTrue(os.path.exists(path), "the sender opened no socket")
            found = self.objects("unixfdsrc", f"socket-path={path}", "num-buffers=3")
        finally:
            sender.kill()
            sender.wait()
        self.assertEqual(found, self.expected(3))


if __name__ == "__main__":
    common.main()
