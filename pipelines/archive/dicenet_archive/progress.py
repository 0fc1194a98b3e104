# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a run is, on a terminal or in a log."""

import sys
import time

BAR = 20
TERMINAL_SECONDS, LOG_SECONDS = 0.5, 60


class Progress:
    """A line that is overwritten on a terminal; elsewhere a line a minute."""

    def __init__(self, recordings, size, out=sys.stderr):
        self.recordings, self.size, self.out = recordings, max(1, size), out
        self.terminal = out.isatty()
        self.begin = self.last = time.monotonic()
        self.done = self.failed = self.frames = 0

    def show(self, size, frames):
        """`size` bytes of all are done, and `frames` frames."""
        now = time.monotonic()
        if now - self.last < (TERMINAL_SECONDS if self.terminal else LOG_SECONDS):
            return
        self.last = now
        part, seconds = min(1.0, size / self.size), now - self.begin
        text = (f"{self.done + self.failed} of {self.recordings} recordings, "
                + (f"{self.failed} failed, " if self.failed else "")
                + f"{frames:,} frames, {frames / max(seconds, 1e-3):.1f} fps, {left(part, seconds)}")  # fmt: skip
        if self.terminal:
            filled = int(BAR * part)
            text = f"\r\x1b[K[{'#' * filled}{'.' * (BAR - filled)}] {100 * part:3.0f} %  {text}"
        self._write(text, end="" if self.terminal else "\n")

    def line(self, text):
        self._write(("\r\x1b[K" if self.terminal else "") + text)

    def _write(self, text, end="\n"):
        try:
            print(text, end=end, file=self.out, flush=True)
        except OSError:  # the terminal has gone, the work has not
            pass

    def close(self):
        if self.terminal:
            self._write("\r\x1b[K", end="")


def left(part, seconds):
    if part < 0.001 or seconds < 3:
        return "remaining time not known yet"
    return span(seconds * (1 - part) / part) + " left"


def span(seconds):
    seconds = int(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds // 60 % 60:02} min"
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"
