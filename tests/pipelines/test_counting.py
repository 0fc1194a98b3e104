#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real clip: detected, tracked and counted are the cars that a person counts."""

import os
import subprocess

import common

with_clip, LONGER = common.longer_clip("car-detection.mp4")
MODEL = os.path.join(common.ROOT, "models", "dicenet-detect.safetensors")


class Counting(common.TestCase):
    def test_cars(self):
        """Two cars pass on a car park, one down and one up."""
        self.check_cars(os.path.join(common.CLIPS, "car-park.mp4"), ["forward", "backward"])

    @with_clip
    def test_longer(self):
        """The same car park for longer: one up and one down, twice."""
        self.check_cars(LONGER, ["backward", "forward"] * 2)

    def check_cars(self, clip, expected):
        text = self.path("lines.jsonl")
        command = ["gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "decodebin", "!", "videoconvert", "!",
                   "dicenetdetect", f"model={MODEL}", "object-class=car", "threshold=0.2", "inference-interval=3", "!",
                   "dicenettrack", "!", "dicenetcount", "anchor=center", "lines=across:0.05,0.5,0.95,0.5",
                   "zones=left:0,0.3,0.5,0.3,0.5,0.9,0,0.9", "!",
                   "dicenetjson", "!", "filesink", f"location={text}"]  # fmt: skip
        subprocess.run(command, env=common.environment(), check=True, stdin=subprocess.DEVNULL, timeout=280)
        lines = common.read_json_lines(text)
        crossings = [event["event"] for line in lines for event in line["events"] if "line" in event]
        self.assertEqual(crossings, expected)
        each = len(expected) // 2
        ((across,), (left,)) = lines[-1]["lines"], lines[-1]["zones"]
        self.assertEqual(across["classes"], [{"label": "car", "forward": each, "backward": each}])
        self.assertEqual(left["entered"] - left["left"], left["inside"])
        self.assertEqual(left["inside"], len(left["objects"]))
        self.assertGreaterEqual(left["entered"], each)


if __name__ == "__main__":
    common.main()
