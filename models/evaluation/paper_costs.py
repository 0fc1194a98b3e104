#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares multiply-adds of these networks with those in the DiCENet paper (arXiv 1906.03516).

    paper_costs.py [--json]
    meson devenv -C build -w . models/evaluation/paper_costs.py

For each row of the paper's Tables I, IV and VI and each point of its Figure 9 that is a network with DiCE units, asks
`dicenet info` for the cost, in millions of multiply-adds per picture.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import namedtuple

try:
    import numpy  # noqa: F401  modelfile.py needs it
except ImportError:
    sys.exit("error: numpy is missing: apt install python3-numpy, or use a Python that has it")

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import modelfile  # noqa: E402
import network  # noqa: E402

# `paper`: millions of multiply-adds; `what`: the paper's name of the row; the rest: our network and the input's side.
Row = namedtuple("Row", "table what paper task scale classes side backbone note", defaults=("dicenet", ""))


def table_i():
    """ImageNet at 224 x 224: architectures whose separable convolutions were replaced. The paper does not state the
    widths."""
    for backbone, name, points in (
        ("mobilenet", "MobileNet", (("0.3", 29), ("1.75", 167), ("2.8", 277))),
        ("resnet", "ResNet", (("0.16", 52), ("0.28", 122), ("0.48", 300))),
    ):
        for scale, paper in points:
            yield Row("I", f"{name}, DiCE unit", paper, "classify", scale, 1000, 224, backbone)
    for scale, paper, note in (
        ("0.75", 46, ""),
        ("1.5", 122, "nearest of the paper's widths; it has none for this row"),
        ("2.4", 298, ""),
    ):
        yield Row("I", "ShuffleNetv2, DiCE unit", paper, "classify", scale, 1000, 224, note=note)


def table_iv():
    """ImageNet at 224 x 224: DiCENet by cost."""
    for scale, paper in (
        ("0.1", 6.5),
        ("0.2", 14),
        ("0.75", 46),
        ("1.0", 70),
        ("1.25", 98),
        ("1.5", 139),
        ("2.4", 298),
    ):
        yield Row("IV", f"DiCENet, s = {scale}", paper, "classify", scale, 1000, 224)


def table_vi():
    """SSD at s = 2.4, without the pyramid; the paper gives billions with one digit."""
    for side, voc, coco in ((512, 2000, 2600), (300, 700, 900)):
        for name, classes, paper in (("VOC", 21, voc), ("COCO", 81, coco)):
            yield Row("VI", f"SSD, {name}", paper, "detect", "2.4", classes, side)


def figure_9():
    """Segmentation of VOC's 21 classes. The figure's points have no numbers: these are those of the published
    checkpoints."""
    for scale, at_256, at_384 in (
        ("0.2", 60.98, 135.65),
        ("0.5", 82.33, 182.91),
        ("0.75", 127.23, 282.05),
        ("1.0", 141.54, 312.76),
        ("1.25", 155.39, 342.53),
        ("1.5", 191.30, 421.71),
        ("1.75", 289.97, 641.99),
        ("2.0", 313.76, 693.79),
        ("2.4", 416.04, 922.16),
    ):
        for side, paper in ((256, at_256), (384, at_384)):
            yield Row("Fig. 9", f"segmentation, s = {scale}", paper, "segment", scale, 21, side)


ROWS = [*table_i(), *table_iv(), *table_vi(), *figure_9()]


def network_of(row):
    """The Network for a row."""
    options = {"decoder_width": 16} if row.task == "segment" else {"backbone": row.backbone}
    return network.Network(row.task, row.scale, row.classes, kernel_width=224, kernel_height=224, **options)


def write_description(path, net, side):
    """A model file without weights: only shapes matter."""
    metadata = {
        "format": "dicenet",
        "format_version": "1",
        "task": net.task,
        "backbone": net.backbone,
        "scale": net.scale,
        "classes": str(net.classes),
        "size": f"{side}x{side}",
        "kernel_size": f"{net.kernel_width}x{net.kernel_height}",
    }
    modelfile.write(path, {}, metadata)


def multiply_adds(row):
    """The cost from `dicenet info`, in millions."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.safetensors")
        write_description(path, network_of(row), row.side)
        command = ["dicenet", "info", "--json", "--no-weights", "--size", f"{row.side}x{row.side}", path]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            sys.exit(f"error: dicenet: {error.strerror}: install it, or run this with: meson devenv -C build")
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)["multiply_adds"]["total"] / 1e6


def print_row(row, ours):
    where = f"{row.table:6}  {row.what:24}  {row.side:3} x {row.side:<3}  {row.classes:4}  {row.scale:>5}"
    difference = round(100 * (ours / row.paper - 1), 1) + 0.0  # avoids -0.0
    print(f"{where}  {row.paper:7g}  {ours:8.2f}  {difference:+6.1f} %  {row.note}".rstrip())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    if options.json:
        found = [{**row._asdict(), "ours": multiply_adds(row)} for row in ROWS]
        print(json.dumps(found, indent=1))
        return 0
    print(f"{'table':6}  {'network':24}  {'input':9}  {'cls.':>4}  {'width':>5}  {'paper':>7}  {'ours':>8}  difference")
    for row in ROWS:
        print_row(row, multiply_adds(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
