# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of a run: a CSV with a row per epoch, and a plot of it."""

import csv
from html import escape

import outfile

WIDTH, HEIGHT, MARGIN = 640, 220, 50
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


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
