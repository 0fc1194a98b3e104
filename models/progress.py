# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a program is."""

import shutil
import sys
import time


class Progress:
    """Percent, how many of a unit, how many per second, and the time that is left: a line that changes on a terminal,
    elsewhere a line now and then.

        with Progress("clip.mp4", "frames") as progress:
            progress.show(0.5, count=120)

    prints "[############............]  50.0 %  clip.mp4: 120 frames, 24.0 fps, 0:05 left". At its end, the line is
    erased from a terminal.
    """

    BAR = 24
    INTERVAL = 30  # seconds between lines where there is no terminal
    REDRAW = 0.5  # and on one

    def __init__(self, title="", unit="", out=None, clock=time.monotonic):
        self.title, self.unit, self.clock = title, unit, clock
        self.out = out or sys.stderr
        self.terminal = self.out.isatty()
        self.drawn = False
        self.began = None  # time, fraction and count of the first call
        self.last = None

    def show(self, fraction, text="", count=None):
        """Call this often. `fraction`: of the whole, or None where that is unknown; rates are those since the first
        call, before which nothing was done but to load a model."""
        now = self.clock()
        if self.began is None:
            self.began = now, fraction, count
            self.last = now - self.REDRAW if self.terminal else now
        if fraction != 1 or not self.terminal:
            if now - self.last < (self.REDRAW if self.terminal else self.INTERVAL):
                return
        self.last = now
        self._print(self._describe(now, fraction, text, count))

    def _describe(self, now, fraction, text, count):
        began, first, first_count = self.began
        elapsed = now - began
        told = [text] if text else []
        if count is not None:
            told.append(f"{count} {self.unit}".strip())
            if count > first_count and elapsed > 0:
                told.append(f"{(count - first_count) / elapsed:.1f} {'fps' if self.unit == 'frames' else 'per s'}")
        if fraction is not None and fraction > first:
            told.append(f"{_clock_of(elapsed * (1 - fraction) / (fraction - first))} left")
        told = ", ".join(told)
        return self._bar(fraction) + ": ".join(part for part in (self.title, told) if part)

    def _bar(self, fraction):
        if fraction is None:
            return ""
        done = int(self.BAR * min(fraction, 1))
        return f"[{'#' * done}{'.' * (self.BAR - done)}] {100 * min(fraction, 1):5.1f} %  "

    def _print(self, text):
        if self.terminal:
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:columns]}", end="", file=self.out, flush=True)
            self.drawn = True
        else:
            print(text, file=self.out, flush=True)

    def line(self, text):
        """A line that stays."""
        self.end()
        print(text, file=self.out, flush=True)

    def end(self):
        if self.drawn:
            print("\r\x1b[K", end="", file=self.out, flush=True)
            self.drawn = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def _clock_of(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
