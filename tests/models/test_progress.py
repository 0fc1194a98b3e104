#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/progress.py, with a clock that the test moves."""

import io
import unittest
from unittest import mock

import common  # noqa: F401  finds models/

from progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Case(unittest.TestCase):
    def start(self, out, *given):
        self.now, self.out = 100.0, out
        return Progress(*given, out=out, clock=lambda: self.now)

    def told(self):
        return self.out.getvalue().replace("\r\x1b[K", "|").splitlines()


class OnTerminal(Case):
    def test_a_line_that_changes(self):
        with self.start(Terminal(), "clip.mp4", "frames") as progress:
            for i in range(6):
                progress.show(i / 10, count=24 * i)
                self.now += 0.25
            progress.show(1, count=240)  # the end is shown in any case
        rates = "  0.0 %  clip.mp4: 0 frames", " 20.0 %  clip.mp4: 48 frames, 96.0 fps, 0:02 left"
        rates += (
            " 40.0 %  clip.mp4: 96 frames, 96.0 fps, 0:01 left",
            "100.0 %  clip.mp4: 240 frames, 160.0 fps, 0:00 left",
        )
        bars = (0, 4, 9, 24)
        expected = [f"[{'#' * n}{'.' * (24 - n)}] {rate}" for n, rate in zip(bars, rates, strict=True)]
        self.assertEqual(self.told(), ["|" + "|".join(expected) + "|"])

    def test_lines_that_stay(self):
        progress = self.start(Terminal())
        progress.show(0.5, "epoch 1")
        progress.line("epoch 1  loss 2")
        progress.line("epoch 2  loss 1")
        self.assertEqual(
            self.told(), ["|[############............]  50.0 %  epoch 1|epoch 1  loss 2", "epoch 2  loss 1"]
        )

    def test_it_fits_the_line(self):
        for columns in 10, 40, 79, 200:
            progress = self.start(Terminal(), "a" * 100, "photos")
            with mock.patch("shutil.get_terminal_size", return_value=mock.Mock(columns=columns)):
                progress.show(0.5, count=3)
            self.assertLess(len(self.told()[0].strip("|")), columns)


class InALog(Case):
    def test_lines_now_and_then(self):
        with self.start(io.StringIO(), "labelling", "photos") as progress:
            for i in range(1, 100):
                progress.show(i / 100, count=i)
                self.now += 1
        expected = (
            " 31.0 %  labelling: 31 photos, 1.0 per s, 1:09 left",
            " 61.0 %  labelling: 61 photos, 1.0 per s, 0:39 left",
        )
        expected += (" 91.0 %  labelling: 91 photos, 1.0 per s, 0:09 left",)
        self.assertEqual([line[line.index("] ") + 2 :] for line in self.told()], list(expected))

    def test_nothing_of_what_is_short(self):
        with self.start(io.StringIO()) as progress:
            for i in range(29):
                progress.show(i / 28)
                self.now += 1
        self.assertEqual(self.told(), [])

    def test_resumed(self):
        """Rates are those of this run."""
        progress = self.start(io.StringIO())
        progress.show(0.5, count=1000)
        self.now += 7200
        progress.show(0.6, count=1720)
        self.assertTrue(self.told()[0].endswith(" 60.0 %  1720, 0.1 per s, 8:00:00 left"), self.told())

    def test_unknown_whole(self):
        progress = self.start(io.StringIO(), "model.pth")
        progress.show(None, "0.0 MB")
        self.now += 30
        progress.show(None, "1.5 MB")
        self.assertEqual(self.told(), ["model.pth: 1.5 MB"])


if __name__ == "__main__":
    unittest.main()
