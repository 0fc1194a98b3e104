# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a program is."""

import sys
import time


class Progress:
    """A single line that is overwritten on a terminal; otherwise an occasional line."""

    BAR = 24

    def __init__(self, out=sys.stderr):
        self.out, self.terminal, self.last = out, out.isatty(), 0.0

    def show(self, fraction, text):
        now = time.monotonic()
        if now - self.last < (0.5 if self.terminal else 30):
            return
        self.last = now
        done = int(self.BAR * fraction)
        bar = f"[{'#' * done}{'.' * (self.BAR - done)}] {100 * fraction:5.1f} %  {text}"
        print(("\r\x1b[K" if self.terminal else "") + bar, end="" if self.terminal else "\n", file=self.out, flush=True)

    def line(self, text):
        print(("\r\x1b[K" if self.terminal else "") + text, file=self.out, flush=True)
