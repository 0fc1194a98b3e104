#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real clip: detected, tracked and counted are the cars that a person counts."""

import os
import subprocess
import sys

import common

CLIP = os.path.join(common.SHARED, "clips", "car-detection.mp4")
MODEL = os.path.join(common.ROOT, "models", "dicenet-detect.safetensors")

if not os.path.isfile(CLIP):
    print(f"skipped: no {CLIP}")
    sys.exit(common.SKIPPED)


class Counting(common.TestCase):
    def test_cars(self):
        """Four cars drive over a car park: one up and one down, twice."""
        text = self.path("lines.jsonl")
        command = ["gst-launch-1.0", "-q", "filesrc", f"location={CLIP}", "!", "decodebin", "!", "videoconvert", "!",
                   "dicenetdetect", f"model={MODEL}", "object-class=car", "threshold=0.2", "inference-interval=3", "!",
                   "dicenettrack", "!", "dicenetcount", "anchor=center", "lines=across:0.05,0.5,0.95,0.5",
                   "zones=left:0,0.3,0.5,0.3,0.5,0.9,0,0.9", "!",
                   "dicenetjson", "!", "filesink", f"location={text}"]  # fmt: skip
        subprocess.run(command, env=common.environment(), check=True, stdin=subprocess.DEVNULL, timeout=280)
        lines = common.read_json_lines(text)
        crossings = [event["event"] for line in lines for event in line["events"] if "line" in event]
        self.assertEqual(crossings, ["backward", "forward", "backward", "forward"])
        ((across,), (left,)) = lines[-1]["lines"], lines[-1]["zones"]
        self.assertEqual(across["classes"], [{"label": "car", "forward": 2, "backward": 2}])
        self.assertEqual(left["entered"] - left["left"], left["inside"])
        self.assertEqual(left["inside"], len(left["objects"]))
        self.assertGreaterEqual(left["entered"], 2)


if __name__ == "__main__":
    common.main()
