#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Summaries say what the lines say."""

import base64
import datetime
import os
import time

import archive
import common


class Summary(archive.TestCase):
    def test_against_lines(self):
        """Everything is counted again here, from the results file."""
        self.clips("a.mp4", frames=30)
        self.run_archive("--lines=a:0.5,0,0.5,1", "--zones=z:0,0,1,0,1,1,0,1", "--interval=3")
        summary = self.summaries()["a.mp4"]
        lines = common.read_json_lines(os.path.join(self.output, "results", "a.mp4.jsonl"))
        self.assertEqual(
            (summary["state"], summary["frames"], summary["width"], summary["height"]), ("done", 30, 96, 64)
        )
        self.assertAlmostEqual(summary["duration"], 3.0, places=2)
        expected = count(lines)
        self.assertEqual(set(summary["classes"]), set(expected))
        for key, (frames, objects, best, first, last, tracks) in expected.items():
            found = summary["classes"][key]
            self.assertEqual(found["frames"], frames, key)
            self.assertAlmostEqual(found["best"], best, 3)
            self.assertAlmostEqual(found["first"], first, 3)
            self.assertAlmostEqual(found["last"], last, 3)
            if key.startswith("detect:"):
                self.assertEqual((found["objects"], found["tracks"]), (objects, len(tracks)), key)
        self.assertEqual([line["name"] for line in summary["counts"]["lines"]], ["a"])
        self.assertEqual(summary["counts"]["zones"][0]["entered"], lines[-1]["zones"][0]["entered"])
        self.assertNotIn("objects", summary["counts"]["zones"][0])
        self.check_moments(summary)
        self.check_timeline(summary, lines)

    def test_started(self):
        """What the container says, in UTC."""
        before = time.time()
        self.clips("a.mp4")
        self.run_archive("--networks", "classify")
        started = datetime.datetime.fromisoformat(self.summaries()["a.mp4"]["started"].replace("Z", "+00:00"))
        self.assertTrue(before - 2 <= started.timestamp() <= time.time() + 2, started)

    def check_moments(self, summary):
        moments = summary["moments"]
        self.assertTrue(1 <= len(moments) <= 4)
        times = [moment["time"] for moment in moments]
        self.assertTrue(all(later - earlier >= 2 for earlier, later in zip(times, times[1:])), times)
        for moment in moments:
            self.assertTrue(moment["thumbnail"].startswith("data:image/jpeg;base64,"))
            self.assertEqual(base64.b64decode(moment["thumbnail"].split(",")[1])[:3], b"\xff\xd8\xff")
            self.assertEqual(moment["frame"], round(moment["time"] * 10))
            self.assertAlmostEqual(
                moment["score"], summary["classes"][f"{moment['task']}:{moment['class']}"]["best"], delta=0.2
            )

    def check_timeline(self, summary, lines):
        key = next(key for key in summary["timeline"] if key.startswith("detect:"))
        bins = [0] * len(summary["timeline"][key])
        for line in lines:
            found = [o for o in line["objects"] if "detection" in o and not o["detection"]["age"]
                     and o["detection"]["label"] == key.split(":")[1]]  # fmt: skip
            place = int(line["timestamp"] / 1e9 / summary["bin"])
            bins[place] = max(bins[place], len(found))
        self.assertEqual(summary["timeline"][key], bins)

    def test_bounds(self):
        """Whatever times, classes and numbers a file leads to, a summary stays small."""
        from dicenet_archive.summary import Summary

        summary = Summary(tracking=True)
        for frame in range(20000):
            time = 2**63 - 1 if frame == 19999 else frame * 10**9
            summary.add(
                {"timestamp": time, "objects": [detection(f"class {frame % 3000}", 0.5, frame)]}, 0, lambda: "data:"
            )
        for number in range(1000):
            summary.warn(f"{number} " + "x" * 100000)
        found = summary.as_json()
        self.assertLessEqual(len(found["classes"]), 512)
        self.assertLessEqual(len(found["timeline"]), 64)
        self.assertLessEqual(max(map(len, found["timeline"].values())), 240)
        self.assertLessEqual(len(found["moments"]), 4)
        self.assertLessEqual(len("".join(found["warnings"])), 20 * 500)
        self.assertEqual(found["frames"], 20000)

    def test_moments(self):
        """The strongest, of different classes first, two seconds apart."""
        from dicenet_archive.moments import Moments

        moments = Moments()
        for time, label, score in [(0, "dog", 0.9), (1, "cat", 0.95), (5, "dog", 0.8), (10, "dog", 0.85), (20, "dog", 0.84),
                                   (30, "cow", 0.1)]:  # fmt: skip
            key = f"detect:{label}"
            if moments.wants(key, time, score):
                moments.add(key, {"time": time, "class": label, "score": score})
        chosen = [(moment["time"], moment["class"]) for moment in moments.strongest()]
        self.assertEqual(chosen, [(1, "cat"), (10, "dog"), (20, "dog"), (30, "cow")])

    def test_shards(self):
        """Parts are about equal, complete and disjoint, in whatever order recordings come."""
        from dicenet_archive.find import Recording, shard

        recordings = [Recording(f"/{n}", f"{n}", "video", (n * 7919) % 1000 << 20, 0) for n in range(200)]
        for count in 1, 3, 7, 300:
            parts = [shard(recordings, number + 1, count) for number in range(count)]
            backwards = [shard(recordings[::-1], number + 1, count) for number in range(count)]
            self.assertEqual([[r.path for r in part] for part in parts], [[r.path for r in part] for part in backwards])
            self.assertEqual(sorted(r.path for part in parts for r in part), sorted(r.path for r in recordings))
            if count <= 7:
                sizes = [sum(r.size for r in part) for part in parts]
                self.assertLess(max(sizes) - min(sizes), 0.05 * max(sizes))


def detection(label, score, track):
    return {"id": track, "detection": {"label": label, "confidence": score, "age": 0,
            "bounding_box": {"x_min": 0, "y_min": 0, "x_max": 1, "y_max": 1}}}  # fmt: skip


def count(lines):
    """task:class -> frames, most objects, best score, first and last time, numbers of tracks."""
    result = {}
    for line in lines:
        time = line["timestamp"] / 1e9
        seen = {}
        for found in line["objects"]:
            if "detection" in found and found["detection"]["age"] == 0:
                label, score = found["detection"]["label"], found["detection"]["confidence"]
                seen.setdefault("detect:" + label, []).append((score, found.get("id")))
            elif "detection" not in found and found["classification"]["age"] == 0:
                for each in found["classification"]["classes"]:
                    seen.setdefault("classify:" + each["label"], []).append((each["confidence"], None))
        if line["segmentation"]["age"] == 0:
            for each in line["segmentation"]["classes"]:
                if each["label"] != "background":
                    seen.setdefault("segment:" + each["label"], []).append((each["share"], None))
        for key, values in seen.items():
            frames, objects, best, first, _, tracks = result.get(key, (0, 0, 0, time, time, set()))
            tracks |= {track for _, track in values if track is not None}
            result[key] = frames + 1, max(objects, len(values)), max(best, *(s for s, _ in values)), first, time, tracks
    return result


if __name__ == "__main__":
    archive.main()
