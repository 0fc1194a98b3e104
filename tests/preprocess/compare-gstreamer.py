#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the colours of the preprocessing with those of GStreamer's videoconvert.

compare-gstreamer.py PREPROCESS-DUMP [PHOTO]

Converts a picture (PHOTO, or a pattern) to a frame of each Y'CbCr format and colorimetry; then both convert it back to
RGB of the same size. videoconvert rounds more coarsely, and repeats chroma in I420 and YV12 instead of interpolating
it, so they may differ slightly; a wrong matrix, range or order of planes causes a larger difference than allowed here.
Exit status: 0 close, 1 not, 77 something is missing.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error} (Debian: python3-pil python3-numpy)")
    sys.exit(77)

FORMATS = ["NV12", "NV21", "I420", "YV12", "YUY2", "UYVY", "GRAY8"]
# range:matrix:transfer:primaries, in GStreamer's numbers
COLORIMETRY = {("bt601", "limited"): "2:4:0:0", ("bt601", "full"): "1:4:0:0",
               ("bt709", "limited"): "2:3:0:0", ("bt709", "full"): "1:3:0:0"}
# videoconvert's 8-bit arithmetic rounds down at every step: limited white, 235, becomes 253 of 255, grey is too dark by
# 2 on average. A wrong matrix or range causes a difference of at least 4.
MEAN_TOLERANCE = 3.0


def pattern(width, height):
    """Waves of all colours; smooth, so that interpolated and repeated chroma differ little."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [127.5 + 120 * np.sin(x / (27 + 12 * c)) * np.cos(y / (39 - 9 * c) + c) for c in range(3)]
    return np.stack(waves, 2).round().astype(np.uint8)


def convert(folder, frame, from_caps, to_caps):
    """Converts a frame with videoconvert."""
    source, sink = os.path.join(folder, "in.raw"), os.path.join(folder, "out.raw")
    with open(source, "wb") as file:
        file.write(frame)
    subprocess.run(["gst-launch-1.0", "-q", "filesrc", f"location={source}", f"blocksize={len(frame)}", "!", from_caps,
                    "!", "videoconvert", "!", to_caps, "!", "filesink", f"location={sink}"], check=True)
    with open(sink, "rb") as file:
        return file.read()


def caps(fmt, rgb, colorimetry):
    height, width, _ = rgb.shape
    text = f"video/x-raw,format={fmt},width={width},height={height},framerate=1/1,colorimetry={colorimetry}"
    return text if fmt in ("RGB", "GRAY8") else text + ",chroma-site=mpeg2"


def compare(program, folder, fmt, colour, rgb):
    """Mean and maximum difference."""
    height, width, _ = rgb.shape
    rgb_caps, yuv_caps = caps("RGB", rgb, "1:1:0:0"), caps(fmt, rgb, COLORIMETRY[colour])
    frame = convert(folder, rgb.tobytes(), rgb_caps, yuv_caps)
    theirs = np.frombuffer(convert(folder, frame, yuv_caps, rgb_caps), np.uint8).reshape(rgb.shape)
    command = [program, fmt, *colour, *map(str, (width, height, width, height))]
    out = subprocess.run(command, input=frame, stdout=subprocess.PIPE, check=True).stdout
    ours = np.frombuffer(out, np.uint8).reshape(3, height, width).transpose(1, 2, 0)
    difference = np.abs(ours.astype(int) - theirs)
    return difference.mean(), difference.max()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("photo", nargs="?")
    args = parser.parse_args()
    if not shutil.which("gst-launch-1.0"):
        print("skipped: no gst-launch-1.0 (Debian: gstreamer1.0-tools)")
        return 77
    if subprocess.run(["gst-inspect-1.0", "--exists", "videoconvert"]).returncode != 0:
        print("skipped: no videoconvert (Debian: gstreamer1.0-plugins-base)")
        return 77
    if args.photo:
        rgb = np.asarray(Image.open(args.photo).convert("RGB"))
        rgb = rgb[:rgb.shape[0] // 8 * 8, :rgb.shape[1] // 8 * 8]  # so that GStreamer's frames have no padding
    else:
        rgb = pattern(160, 96)
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        for fmt in FORMATS:
            for colour in COLORIMETRY:
                mean, largest = compare(args.program, folder, fmt, colour, rgb)
                print(f"{fmt:5} {colour[0]} {colour[1]:7}: mean {mean:.3f}, largest {largest}")
                worst = max(worst, mean)
    return 0 if worst <= MEAN_TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
