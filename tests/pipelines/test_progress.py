#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scripts say of their progress, on a terminal and elsewhere."""

import os
import pty
import re
import shutil
import subprocess
import unittest

import common

LINE = re.compile(r"(\d+) frames(?:, (\d+) %)?(?:, (\d+\.\d) fps)?(?:, (\d+:\d\d) left)?")


def describe(now, frames, times, seconds="", whole=0, first=(0, 0)):
    """What is said at `now`, in seconds after the first report, of frames and times in the streams."""
    words = f"""
        source {common.PIPELINES}/common.sh
        seconds={seconds} launcher=(timeout) whole={whole} launched=0 began=0 first_count={first[0]} first_time={first[1]}
        counts=({" ".join(map(str, frames))}) times=({" ".join(map(str, times))})
        describe_progress {int(now * 1000000)}"""
    return subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True, timeout=60).stdout


class Describe(unittest.TestCase):
    def test_file(self):
        """A minute of 25 frames per second, at half the speed."""
        self.assertEqual(describe(16, [200], [8], whole=60_000_000_000), "200 frames, 13 %, 12.5 fps, 1:44 left")

    def test_several(self):
        """Frames, times and durations of all files together."""
        text = describe(10, {0: 100, 2: 50}.values(), [10, 0, 5], whole=30_000_000_000)
        self.assertEqual(text, "150 frames, 50 %, 15.0 fps, 0:10 left")

    def test_since_the_first_report(self):
        """The model took a while to load: that does not count."""
        text = describe(10, [110], [20], whole=7_300_000_000_000, first=(10, 10))
        self.assertEqual(text, "110 frames, 0 %, 10.0 fps, 2:01:20 left")

    def test_unknown_duration(self):
        self.assertEqual(describe(4, [100], [4]), "100 frames, 25.0 fps")

    def test_nothing_happens(self):
        self.assertEqual(describe(0, [1], [0], whole=60_000_000_000, first=(1, 0)), "1 frames, 0 %")

    def test_longer_than_stated(self):
        self.assertEqual(describe(10, [100], [99], whole=50_000_000_000), "100 frames, 100 %, 10.0 fps, 0:00 left")

    def test_seconds(self):
        """A camera that is recorded for a while."""
        self.assertEqual(describe(6, [90], [6], seconds=10), "90 frames, 60 %, 15.0 fps, 0:04 left")


# Frames that take a while, whatever the machine.
SLOW = """#!/bin/bash
words=()
for word; do
  [ "$word" != progressreport ] || words+=(identity sleep-time=75000 '!') # there are two
  words+=("$word")
done
exec {} "${{words[@]}}"
"""


class Runs(common.TestCase):
    def setUp(self):
        super().setUp()
        self.input = self.clip(frames=20, sound=False)
        self.options = ["--model", common.model("segment")]
        os.mkdir(self.path("bin"))
        with open(self.path("bin", "gst-launch-1.0"), "w", encoding="utf-8") as file:
            file.write(SLOW.format(shutil.which("gst-launch-1.0")))
            os.fchmod(file.fileno(), 0o755)
        self.slow = {"PATH": self.path("bin") + os.pathsep + os.environ["PATH"]}

    def check(self, texts):
        found = [LINE.fullmatch(text) for text in texts]
        self.assertTrue(found and all(found), texts)
        frames = [int(match[1]) for match in found]
        self.assertEqual(frames, sorted(frames))
        self.assertTrue(0 < frames[-1] <= 20, texts)
        self.assertTrue(all(match[2] for match in found), texts)
        self.assertTrue(found[-1][3], texts)

    def run_on_terminal(self, name, *arguments):
        """What a script writes to a terminal, and its own lines of progress."""
        terminal, stderr = pty.openpty()
        command = [os.path.join(common.PIPELINES, name), *self.options, *arguments]
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr, env=common.environment(DICENET_OUTPUT=self.path("o"), **self.slow))  # fmt: skip
        os.close(stderr)
        text = b""
        with open(terminal, "rb", buffering=0) as file:
            try:
                while part := file.read(1 << 16):
                    text += part
            except OSError:
                pass  # the other side is closed
        self.assertEqual(process.wait(timeout=60), 0, text)
        *lines, rest = text.decode().replace("\r\n", "\n").split("\r\033[K")[1:]
        return lines, rest

    def test_terminal(self):
        for name, arguments, rest in (
            ("annotate.sh", (self.input, "out.mkv"), ""),
            ("json-lines.sh", (self.input,), ""),
            ("demo.sh", ("--as-is", self.input), "Done: 20 frames"),
        ):
            with self.subTest(name):
                lines, last = self.run_on_terminal(name, *arguments)
                self.check(lines)
                self.assertIn(rest, last)

    def test_lines(self):
        process = common.script(
            "annotate.sh", *self.options, self.input, self.path("out.mkv"), DICENET_PROGRESS="1", **self.slow
        )
        self.assert_done(process)
        self.check(process.stderr.splitlines())

    def test_no_time_for_it(self):
        process = common.script("annotate.sh", *self.options, self.input, self.path("out.mkv"))
        self.assert_done(process)
        self.assertEqual(process.stderr, "")

    def test_wrong_interval(self):
        process = common.script("annotate.sh", self.input, self.path("out.mkv"), DICENET_PROGRESS="0.5")
        self.assert_refused(process, "DICENET_PROGRESS", "0.5")


if __name__ == "__main__":
    common.main()
