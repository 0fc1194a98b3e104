#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dicenettrack on made scenes.

    test_tracking.py scenes     floors of its quality, without other packages
    test_tracking.py peers      not below ByteTrack of the package supervision (peers.sh installs it)
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scores
import simulator
import trackers

SEED = 300  # defaults were chosen with others

# At least this share of the true boxes is covered, with at most so many changes of a number, with an inference on every
# frame and on every fifth.
FLOORS = {
    "walking": ((0.93, 1), (0.86, 3)),
    "traffic": ((0.93, 0), (0.88, 0)),
    "occlusion": ((0.90, 4), (0.80, 8)),
    "uneven": ((0.93, 2), (0.80, 5)),
}


class Scenes(unittest.TestCase):
    def test_floors(self):
        for name, floors in FLOORS.items():
            frames = simulator.make(name, SEED)
            for interval, (covered, switches) in zip((1, 5), floors):
                with self.subTest(name, interval=interval):
                    found = scores.simple(frames, trackers.dicenettrack(frames, interval))
                    print(name, interval, found)
                    self.assertGreaterEqual(found["covered"], covered)
                    self.assertLessEqual(found["switches"], switches)

    def test_alone(self):
        """One person, seen well: one number, from the second frame on."""
        found = [simulator.Frame(i * simulator.SECOND // 25) for i in range(100)]
        for i, frame in enumerate(found):
            box = (100 + 4 * i, 200, 60, 120)
            frame.truth, frame.found = [(1, *box)], [("person", 0.9, *box)]
        for interval in (1, 2, 5, 10):
            with self.subTest(interval=interval):
                tracks = trackers.dicenettrack(found, interval)
                self.assertEqual({t[0] for frame in tracks for t in frame}, {1})
                self.assertEqual([len(frame) for frame in tracks], [int(i >= interval) for i in range(100)])
                simple = scores.simple(found, tracks)
                self.assertEqual((simple["switches"], simple["numbers"]), (0, 1))

    def test_prediction(self):
        """Boxes of older results that are moved overlap more with the truth than those that stay."""
        frames = simulator.make("traffic", SEED)
        moved = scores.simple(frames, trackers.dicenettrack(frames, 5))
        stayed = scores.simple(frames, trackers.dicenettrack(frames, 5, "predict=false"))
        print(moved, stayed)
        self.assertGreater(moved["overlap"], stayed["overlap"] + 0.05)

    def test_same_scene(self):
        """Figures are comparable only if a seed is a scene."""
        self.assertEqual(simulator.make("crossing", 1), simulator.make("crossing", 1))
        self.assertNotEqual(simulator.make("crossing", 1), simulator.make("crossing", 2))


class Peers(unittest.TestCase):
    def test_bytetrack(self):
        """The mean over some scenes of each kind."""
        for name in simulator.SCENARIOS:
            scenes = [simulator.make(name, seed) for seed in range(SEED, SEED + 3)]
            for interval in (1, 5):
                with self.subTest(name, interval=interval):
                    ours, theirs = (
                        sum(scores.standard(s, tracker(s, interval), only_idf1=True)["IDF1"] for s in scenes) / 3
                        for tracker in (trackers.dicenettrack, trackers.bytetrack)
                    )
                    print(f"{name} {interval}: IDF1 {ours:.3f}, ByteTrack {theirs:.3f}")
                    self.assertGreaterEqual(ours, theirs)
                    if interval > 1:
                        self.assertGreater(ours, theirs)


def use_peers():
    """Goes on in the virtual environment that has the packages, if there is one."""
    try:
        import supervision
        import trackeval

        supervision.ByteTrack, trackeval.metrics
        return
    except (ImportError, AttributeError):
        pass
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    python = os.path.join(cache, "dicenet", "trackers", "bin", "python")
    if os.path.exists(python) and sys.executable != python:
        os.execv(python, [python, *sys.argv])
    print("skipped: supervision or trackeval is missing (tests/tracking/peers.sh installs both)")
    sys.exit(77)


if __name__ == "__main__":
    if sys.argv[1] == "peers":
        use_peers()
    unittest.main(argv=[sys.argv[0], sys.argv[1].title()], verbosity=2)
