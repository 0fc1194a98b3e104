#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/bench/streams.py, which measures elements that run at once, runs and prints what it says; speed is not tested."""

import json
import os
import subprocess
import sys
import unittest

import common

try:
    import gi

    gi.require_version("Gst", "1.0")
except (ImportError, ValueError) as error:
    print(f"skipped: {error}: install python3-gi and gir1.2-gstreamer-1.0")
    sys.exit(common.SKIPPED)

SCRIPT = os.path.join(common.ROOT, "tests", "bench", "streams.py")
SHORT = ("--rounds", "1", "--seconds", "0.05", "--size", "64x64", "--streams", "1,3")


class Streams(common.TestCase):
    def measure(self, *arguments):
        command = [sys.executable, SCRIPT, "--build", common.BUILD, "--model", common.model("classify")]
        command += [*SHORT, *arguments]
        return subprocess.run(command, env=common.environment(), capture_output=True, text=True, timeout=200)

    def test_json(self):
        done = self.measure("--threads", "2", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        one, three = json.loads(done.stdout)["rows"]
        self.assertEqual((one["streams"], three["streams"]), (1, 3))
        self.assertEqual((one["threads"], three["threads"]), (2, 2))
        for row in one, three:
            self.assertGreater(row["frames_per_second"], 0)
            self.assertGreater(row["cpu_ms"], 0)
            self.assertTrue(0 < row["slowest"] <= 1 <= row["fastest"] <= row["streams"], row)
        self.assertIsNone(one["further_bytes"])
        self.assertAlmostEqual(three["further_bytes"], (three["resident_bytes"] - one["resident_bytes"]) / 2)
        self.assertEqual(max(one["of_best"], three["of_best"]), 1)

    def test_table(self):
        done = self.measure("--set", "inference-size=32x32")
        self.assertEqual(done.returncode, 0, done.stderr)
        heading, _, one, three = done.stdout.splitlines()
        self.assertEqual(heading.count("|"), one.count("|"))
        self.assertEqual([line.split()[1] for line in (one, three)], ["1", "3"])
        self.assertEqual(three.split()[3], str(max(1, len(os.sched_getaffinity(0)) // 3)))

    def test_mistakes(self):
        for arguments, message in (
            (("--streams", "0"), "expected numbers from 1 to 256"),
            (("--streams", "1,,2"), "expected numbers from 1 to 256"),
            (("--seconds", "nan"), "expected a number from 0 to 3600"),
            (("--size", "64"), "expected WxH"),
            (("--set", "threads"), "expected PROPERTY=VALUE"),
            (("--set", "threads=x"), 'could not set property "threads"'),
            (("--element", "nothing"), 'no element "nothing"'),
            (("--model", "/none"), "/none"),
            (("--build", "/none"), "there is no plugin in /none/gst"),
        ):
            done = self.measure(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertEqual(done.stdout, "")
            self.assertIn(message, done.stderr)
            self.assertIn("error: ", done.stderr.splitlines()[-1])
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
