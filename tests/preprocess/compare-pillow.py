#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the scaling of the preprocessing with Pillow's BILINEAR, bit for bit.

compare-pillow.py PREPROCESS-DUMP [--photos]

Without --photos: gradients and noise. With it: those of tests/reference/photos.py.
Exit status: 0 all equal, 1 something differs, 77 Pillow or numpy is missing.
"""
import argparse
import os
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error} (Debian: python3-pil python3-numpy)")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

from photos import find_photos  # noqa: E402

# Positions of R, G and B in a pixel of each format, and bytes per pixel.
FORMATS = {
    "RGB": ((0, 1, 2), 3), "BGR": ((2, 1, 0), 3),
    "RGBx": ((0, 1, 2), 4), "BGRx": ((2, 1, 0), 4), "xRGB": ((1, 2, 3), 4), "xBGR": ((3, 2, 1), 4),
    "RGBA": ((0, 1, 2), 4), "BGRA": ((2, 1, 0), 4), "ARGB": ((1, 2, 3), 4), "ABGR": ((3, 2, 1), 4),
}


def dump(program, fmt, rgb, size):
    """The picture (height x width x 3, RGB) after preprocessing at size (width, height)."""
    places, step = FORMATS[fmt]
    height, width, _ = rgb.shape
    frame = np.full((height, width, step), 77, np.uint8)
    frame[:, :, places] = rgb
    command = [program, fmt, "bt601", "limited", *map(str, (width, height, *size))]
    out = subprocess.run(command, input=frame.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out, np.uint8).reshape(3, size[1], size[0]).transpose(1, 2, 0)


def resize(rgb, size):
    """First horizontally, then vertically, as Pillow did when the networks were trained. Since 13.0, it scales
    vertically first if the height shrinks much more than the width: rounding to 8 bits in between then changes some
    bytes by 1."""
    across = Image.fromarray(rgb).resize((size[0], rgb.shape[0]), Image.BILINEAR)
    return np.asarray(across.resize(size, Image.BILINEAR))


def compare(program, name, fmt, rgb, size):
    """Whether all bytes are equal; prints the result."""
    expected = resize(rgb, size)
    difference = np.abs(dump(program, fmt, rgb, size).astype(int) - expected)
    wrong = np.count_nonzero(difference)
    print(f"{name} {fmt} {rgb.shape[1]}x{rgb.shape[0]} -> {size[0]}x{size[1]}: "
          + (f"{wrong} bytes differ, by up to {difference.max()}" if wrong else "equal"))
    return wrong == 0


def patterns():
    """Names and generated pictures."""
    random = np.random.default_rng(1)
    yield "noise", random.integers(0, 256, (135, 241, 3), np.uint8)
    yield "extremes", random.integers(0, 2, (90, 160, 3), np.uint8) * 255
    x, y = np.meshgrid(np.arange(640), np.arange(360))
    yield "gradient", np.stack([x * 255 // 639, y * 255 // 359, (x + y) * 255 // 998], 2).astype(np.uint8)


def compare_patterns(program):
    """All formats at one size, one format at many."""
    sizes = [(683, 384), (224, 224), (33, 32), (32, 301), (641, 361), (640, 32), (32, 360)]
    results = []
    for name, rgb in patterns():
        results += [compare(program, name, fmt, rgb, (97, 61)) for fmt in FORMATS]
        results += [compare(program, name, "RGB", rgb, size) for size in sizes]
    return results


def compare_photos(program, files):
    """All photos at the networks' sizes, also upscaled, and one of them as from a large camera."""
    results = []
    for i, file in enumerate(files):
        photo = Image.open(file).convert("RGB")
        if i == 0:
            photo = photo.resize((2848, 2848 * photo.height // photo.width), Image.BICUBIC)
        rgb = np.asarray(photo)
        short = min(photo.size)
        fit = tuple(round(384 * side / short) for side in photo.size)
        larger = tuple(side * 5 // 3 for side in photo.size) if i > 0 else (1000, 2000)
        results += [compare(program, os.path.basename(file), "BGRx", rgb, size) for size in ((224, 224), fit, larger)]
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--photos", action="store_true")
    args = parser.parse_args()
    if args.photos:
        results = compare_photos(args.program, find_photos())
    else:
        results = compare_patterns(args.program)
    print(f"{sum(results)} of {len(results)} equal to Pillow's")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
