#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real clips through the included segmenter: the classes that are in them are found in them."""

import os

import common

with_clip, LONGER = common.longer_clip("one-by-one-person-detection.mp4")
MODEL = os.path.join(common.ROOT, "models", "dicenet-segment.safetensors")


class Clips(common.TestCase):
    def lines(self, clip, inferences):
        """JSON lines of a clip, few of whose frames were looked at."""
        path = os.path.join(common.CLIPS, clip)
        frames = common.count_frames(path, self.folder)
        process = common.script("json-lines.sh", "--model", MODEL, "--set",
                                f"inference-interval={frames // inferences}", path, timeout=200)  # fmt: skip
        self.assert_done(process)
        lines = common.read_lines(process.stdout)
        self.assertEqual(len(lines), frames)
        return lines

    def shares(self, clip, inferences):
        """The share of each class that is an object, by frame that was looked at."""
        for line in self.lines(clip, inferences):
            shares = {c["label"]: c["share"] for c in line["segmentation"]["classes"]}
            self.assertAlmostEqual(sum(shares.values()), 1, places=3)
            if line["segmentation"]["age"] == 0:
                shares.pop("background", None)
                yield shares

    def test_classroom(self):
        """Four people sit there all the time."""
        for shares in self.shares("classroom.mp4", 4):
            self.assertEqual(max(shares, key=shares.get), "person")
            self.assertTrue(0.06 < shares["person"] < 0.13, shares)

    @with_clip
    def test_longer(self):
        """One person after the other walks through, and the hall is empty between them."""
        people = [shares.get("person", 0) for shares in self.shares(LONGER, 20)]
        self.assertGreaterEqual(sum(share > 0.05 for share in people), 4)
        self.assertGreaterEqual(sum(share < 0.01 for share in people), 4)

    def test_cars(self):
        """Two cars drive over an empty car park. From above, they look like buses, too."""
        seen = list(self.shares("car-park.mp4", 11))
        self.assertLessEqual({label for shares in seen for label in shares}, {"bus", "car"})
        self.assertGreaterEqual(sum(sum(shares.values()) > 0.015 for shares in seen), 3)
        self.assertGreaterEqual(sum(not shares for shares in seen), 3)

    def test_mask_video_and_lines_agree(self):
        path = os.path.join(common.CLIPS, "classroom.mp4")
        raw, text = self.path("mask.raw"), self.path("lines.jsonl")
        common.launch("filesrc", f"location={path}", "!", "decodebin", "!", "videoconvert", "!", "dicenetsegment",
                      f"model={MODEL}", "inference-interval=15", "!", "tee", "name=t",
                      "t.", "!", "queue", "!", "dicenetjson", "!", "filesink", f"location={text}",
                      "t.", "!", "queue", "!", "dicenetmask", "!", "filesink", f"location={raw}")  # fmt: skip
        lines = common.read_json_lines(text)
        size = lines[0]["resolution"]
        stride = (size["width"] + 3) // 4 * 4
        with open(raw, "rb") as file:
            masks = file.read()
        self.assertEqual(len(masks), len(lines) * stride * size["height"])
        for i in 0, len(lines) - 1:
            mask = masks[i * stride * size["height"] : (i + 1) * stride * size["height"]]
            pixels = b"".join(mask[y * stride : y * stride + size["width"]] for y in range(size["height"]))
            for entry in lines[i]["segmentation"]["classes"]:
                self.assertAlmostEqual(pixels.count(entry["label_id"]) / len(pixels), entry["share"], delta=0.01)


if __name__ == "__main__":
    common.main()
