#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark of the networks runs and produces the expected output; speed is not tested.

test_networks.py BUILD
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
BUILD = sys.argv.pop()


class Networks(unittest.TestCase):
    def run_script(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, os.path.join(FOLDER, "networks.py"), "--models", folder, *arguments]
            return subprocess.run(command, text=True, capture_output=True)

    def test_own_figures(self):
        with tempfile.NamedTemporaryFile() as file:
            options = ("--networks", "classify 0.2", "--rounds", "1", "--seconds", "0.01", "--json", file.name)
            done = self.run_script("--build", BUILD, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = json.load(file)
        self.assertEqual([(r["network"], r["threads"]) for r in rows], [("classify 0.2 @224", n) for n in (1, 2)])
        for row in rows:
            self.assertGreater(row["ms"], 0)
            self.assertEqual(round(row["multiply_adds"] / 1e6, 2), 14.90)
        table = [line for line in done.stdout.splitlines() if line.startswith("| classify 0.2 @224")]
        self.assertEqual(len(table), 3, done.stdout)  # two with times, one with lower bounds

    def test_mistakes(self):
        for arguments, message in (
            (("--threads", "0"), "expected numbers like 1,2"),
            (("--threads", "1,2", "--cpu-time"), "use it with --threads 1"),
            (("--networks", "nothing"), "expected part of one of classify 0.2"),
            (("--build", "/none"), "cannot be run"),
        ):
            done = self.run_script(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
