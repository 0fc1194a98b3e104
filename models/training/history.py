# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of a run: a progress line, a CSV with a row per epoch, and a plot of it."""

import csv
import sys
import time
from html import escape

import outfile

WIDTH, HEIGHT, MARGIN = 640, 220, 50
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


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


def write_csv(path, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with outfile.open_whole(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def write_plot(path, rows, metrics):
    """Writes an SVG with losses (top) and `metrics` (bottom) over epochs."""
    losses = [key for key in dict.fromkeys(k for row in rows for k in row) if key.startswith("loss")]
    panels = [panel(rows, losses, 0, None), panel(rows, metrics, HEIGHT, 1.0)]
    with outfile.open_whole(path, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n'
        )


def panel(rows, keys, top, most):
    """Curves of `keys` below `top`, from 0 to `most` or the largest value."""
    points = {key: [(row["epoch"], row[key]) for row in rows if key in row] for key in keys}
    values = [y for curve in points.values() for _, y in curve if y == y]
    most = most or max(values, default=1.0) or 1.0
    last = max((row["epoch"] for row in rows), default=1)
    left, bottom = MARGIN, top + HEIGHT - MARGIN / 2
    across, up = WIDTH - 2 * MARGIN, HEIGHT - MARGIN
    parts = [f'<path d="M{left} {bottom - up}V{bottom}H{left + across}" fill="none" stroke="black"/>']
    parts.append(f'<text x="{left + across}" y="{bottom + 14}" text-anchor="end">epoch {last}</text>')
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * up
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{share * most:.3g}</text>')
    legend = left + 10
    for i, (key, curve) in enumerate(points.items()):
        colour = COLOURS[i % len(COLOURS)]
        line = " ".join(
            f"{left + across * x / max(last, 1):.1f},{bottom - up * min(y / most, 1):.1f}" for x, y in curve if y == y
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{legend}" y="{top + 15}" fill="{colour}">{escape(key)}</text>')
        legend += 12 + 6 * len(key)
    return "".join(parts)
