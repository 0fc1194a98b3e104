#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The included networks look at what dicenetdetect found in real clips: classes belong to their objects."""

import os

import common


def shipped(task):
    return "model=" + os.path.join(common.ROOT, "models", f"dicenet-{task}.safetensors")


class Objects(common.TestCase):
    def look(self, clip, *elements):
        """Objects that are in a frame, for each frame of a clip."""
        out = self.path("out.jsonl")
        common.launch(
            "filesrc", f"location={os.path.join(common.CLIPS, clip)}", "!", "decodebin", "!", "videoconvert", "!",
            "dicenetdetect", shipped("detect"), "threshold=0.4", "!", *elements, "dicenetjson", "!", "filesink", f"location={out}",
        )  # fmt: skip
        return [line["objects"] for line in common.read_json_lines(out)]

    def test_classes_of_cars(self):
        """The classifier, which sees the cars only, agrees with the detector; tracked cars keep their classes."""
        frames = self.look(
            "street.mp4", "dicenettrack", "!", "dicenetclassify",
            shipped("classify"), "inference-region=objects", "object-class=car", "object-margin=0.1", "reclassify-interval=0", "!",
        )  # fmt: skip
        cars = [o for objects in frames for o in objects if o["roi_type"] == "car"]
        others = [o for objects in frames for o in objects if o["roi_type"] != "car"]
        self.assertGreater(len(cars), 5)
        self.assertFalse([o for o in others if "classification" in o])
        named = [o for o in cars if "classification" in o and o["classification"]["label"] == "car"]
        self.assertGreater(len(named), 0.8 * len(cars))
        kept = {}
        for car in cars:
            if "id" in car:
                kept.setdefault(car["id"], set()).add(str(car.get("classification")))
        self.assertTrue(kept)
        self.assertEqual({len(classes) for classes in kept.values()}, {1}, kept)

    def test_masks_of_people(self):
        """Each person's region is a third person or more, and the mask belongs to the person."""
        frames = self.look(
            "classroom.mp4", "identity", "eos-after=6", "!", "dicenetsegment", shipped("segment"),
            "inference-region=objects", "object-class=person", "!",
        )  # fmt: skip
        people = [o for objects in frames for o in objects if o["roi_type"] == "person"]
        self.assertGreater(len(people), 5)
        for person in people:
            shares = {c["label"]: c["share"] for c in person["segmentation"]["classes"]}
            self.assertAlmostEqual(sum(shares.values()), 1, places=3)
        found = [o for o in people if any(c["label"] == "person" for c in o["segmentation"]["classes"])]
        self.assertGreater(len(found), 0.8 * len(people))


if __name__ == "__main__":
    common.main()
