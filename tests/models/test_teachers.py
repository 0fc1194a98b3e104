#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/video.py with the teachers of ../shared, on a real clip.

Requires the plugin and its introspection data, onnxruntime, OpenCV, and those teachers.
"""

import os
import sys
import unittest

import common
import test_video

TEACHERS = os.path.join(common.SHARED, "teachers")
try:
    import cv2  # noqa: F401
    import onnxruntime  # noqa: F401
except ImportError as error:
    print(f"skipped: {error} (pip install onnxruntime opencv-python-headless)")
    sys.exit(common.SKIPPED)
if not os.path.exists(TEACHERS):
    print(f"skipped: no {TEACHERS}")
    sys.exit(common.SKIPPED)


class Teachers(test_video.TestCase):
    def test_street(self):
        """The teachers see the car that drives through."""
        clip = os.path.join(common.TESTS, "clips", "street.mp4")
        report, text = self.judge("--model", "picodet", clip, "--teachers", TEACHERS, "--every", "10")
        print(text)
        self.assertEqual((report["frames"], report["labelled"]), (5, 5))
        self.assertGreaterEqual(report["classes"]["car"]["objects"], 1)
        self.assertEqual(report["classes"]["car"]["recall"], 1)


if __name__ == "__main__":
    unittest.main()
