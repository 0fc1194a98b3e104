#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Detection of growth in soak.py."""

import random
import unittest

import soak

BOUNDS = (16, None, 64, 0.1, 0.1)


def samples(n=200, scatter=100.0, **growth):
    """Columns as from Run.finish(): twenty minutes, each quantity growing by the given amount per minute."""
    rng = random.Random(1)
    times = [i / 10 for i in range(n)]
    names = ("in_use", "heap", "resident", "descriptors", "threads")
    noise = (scatter, scatter, scatter, 0.5, 0.5)
    return [times] + [
        [round(1000 + growth.get(name, 0) * t + rng.uniform(-s, s)) for t in times] for name, s in zip(names, noise)
    ]


class Judge(unittest.TestCase):
    def check(self, fine, ours, control=None):
        self.assertEqual(soak.judge(ours, control or samples(), BOUNDS), fine)

    def test_steady(self):
        self.check(True, samples())
        self.check(True, samples(in_use=8, resident=30))

    def test_growth(self):
        for name, per_minute in (("in_use", 40), ("resident", 100), ("descriptors", 0.5), ("threads", 0.5)):
            with self.subTest(name):
                self.check(False, samples(**{name: per_minute}))

    def test_control_grows_too(self):
        self.check(True, samples(in_use=40, resident=100), samples(in_use=38, resident=90))
        self.check(False, samples(in_use=80), samples(in_use=38))

    def test_control_shrinks(self):
        self.check(True, samples(), samples(in_use=-40, resident=-200, threads=-1))

    def test_what_scatters_is_no_growth(self):
        self.check(True, samples(n=12, scatter=5000, in_use=20))

    def test_heap_is_shown_only(self):
        self.check(True, samples(heap=1000))

    def test_slope(self):
        per_minute, error = soak.slope([0, 1, 2, 3], [5, 7, 9, 11])
        self.assertAlmostEqual(per_minute, 2)
        self.assertAlmostEqual(error, 0)


if __name__ == "__main__":
    unittest.main()
