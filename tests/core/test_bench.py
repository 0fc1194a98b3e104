#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`dicenet bench --streams`: what it accepts, and what it prints; speed is not tested.

test_bench.py PROGRAM MODEL SANITIZER
"""

import json
import os
import resource
import subprocess
import sys
import unittest

SANITIZER = sys.argv.pop()
MODEL = sys.argv.pop()
PROGRAM = sys.argv.pop()
FIGURES = "streams threads frames_per_second of_best slowest fastest cpu_ms resident_bytes further_bytes".split()
MEBIBYTE = 1 << 20


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (1024 * MEBIBYTE,) * 2)


class Bench(unittest.TestCase):
    def bench(self, *arguments, **options):
        command = [PROGRAM, "bench", MODEL, "--backend", "cpu", "--seconds", "0.05", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, **options)

    def measure(self, *arguments):
        done = self.bench(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def refuse(self, message, *arguments, **options):
        done = self.bench(*arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (1, ""), arguments)
        self.assertTrue(done.stderr.startswith("dicenet bench: "), done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_json(self):
        found = self.measure("--streams", "1,3,2")
        rows = found.pop("rows")
        processors = found.pop("processors")
        known = {"backend": "cpu", "precision": "float32", "batch": 1, "width": 64, "height": 64}
        self.assertEqual(found, known)
        self.assertEqual([row["streams"] for row in rows], [1, 3, 2])
        for row in rows:
            self.assertEqual(list(row), FIGURES)
            self.assertEqual(row["threads"], max(1, processors // row["streams"]))
            self.assertGreater(row["cpu_ms"], 0)
            self.assertGreater(row["frames_per_second"], 0)
            self.assertTrue(0 < row["slowest"] <= 1 <= row["fastest"] <= row["streams"], row)
            self.assertGreater(row["resident_bytes"], MEBIBYTE)
        self.assertEqual(max(row["of_best"] for row in rows), 1)
        best = max(row["frames_per_second"] for row in rows)
        for row in rows:
            self.assertAlmostEqual(row["of_best"], row["frames_per_second"] / best)
        self.assertEqual((rows[0]["slowest"], rows[0]["fastest"], rows[0]["further_bytes"]), (1, 1, None))

    def test_memory(self):
        """A further stream needs its activations and a few pages of its thread; weights are there once."""
        if SANITIZER != "none":
            self.skipTest("sanitizers have memory of their own for each thread")
        command = [PROGRAM, "info", MODEL, "--size", "1024x1024", "--json"]
        activations = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["memory"][
            "activations"
        ]
        processors = str(self.measure("--streams", "1")["processors"])  # dicenet info is about as many threads
        options = ("--size", "1024x1024", "--threads", processors)
        (row,) = self.measure("--streams", "4", *options)["rows"]
        self.assertGreater(row["further_bytes"], 0.5 * activations)
        self.assertLess(row["further_bytes"], 1.5 * activations)
        (more,) = self.measure("--streams", "8", *options)["rows"]
        grown = more["resident_bytes"] - row["resident_bytes"]
        self.assertLess(abs(grown - 4 * more["further_bytes"]), 0.5 * grown)

    def test_table(self):
        done = self.bench("--streams", "2,1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        first, heading, *rows = done.stdout.splitlines()
        self.assertRegex(first, "^cpu, float32, batch 1, 64 x 64, [0-9]+ processors$")
        self.assertEqual(heading.split()[:3], ["streams", "threads", "frames/s"])
        self.assertEqual([line.split()[0] for line in rows[:2]], ["2", "1"])
        self.assertEqual([line.split()[-1] == "-" for line in rows[:2]], [False, True])
        self.assertIn("100.0 %", rows[1])

    def test_threads_and_batch(self):
        found = self.measure("--streams", "2,3", "--threads", "2", "--batch", "4", "--size", "32x64")
        self.assertEqual((found["batch"], found["width"], found["height"]), (4, 32, 64))
        self.assertEqual([row["threads"] for row in found["rows"]], [2, 2])

    def test_mistakes(self):
        for text in ("", "0", "-1", "257", "1,,2", "2,", "2x", "1 2", "many", "9" * 40, ",".join(["1"] * 17)):
            self.refuse("--streams: expected up to 16 numbers from 1 to 256", f"--streams={text}")
        self.refuse("leave out --streams", "--streams", "2", "--steps")
        self.refuse("expected --batch from 1 to 4096", "--streams", "2", "--threads", "-1")
        self.refuse("--backend: expected", "--streams", "2", "--backend", "none")

    def test_limits(self):
        """What doesn't fit into memory is an error."""
        if SANITIZER != "none":
            self.skipTest("sanitizers need more address space than the limit")
        large = ("--size", "4096x4096", "--batch", "16")
        for arguments in large, (*large, "--streams", "2"):
            self.refuse("no memory for frames", *arguments, preexec_fn=limit_memory)
        self.refuse("can't be started", "--streams", "256", preexec_fn=limit_memory)

    def test_help(self):
        done = subprocess.run([PROGRAM, "bench", "--help"], capture_output=True, text=True, check=True)
        self.assertIn("--streams=N[,N...]", done.stdout)


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    unittest.main()
