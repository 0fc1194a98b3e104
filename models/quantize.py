#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a copy of a model file with what makes precision=int8 more accurate, taken from photos.

    quantize.py MODEL PHOTOS... -o OUT.safetensors

The program `dicenet` runs the model in float32 on each photo, as the elements would, and counts what goes into the
convolutions that int8 computes. Of each, the range is chosen in which rounding to 256 values has the least squared
error; what lies beyond is limited to it. The means of its channels correct what rounding the weights shifts
(docs/numerics.md). The photos should be like those that the model will see; a hundred are enough. The weights stay as
they are, and other precisions ignore what is added.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image, UnidentifiedImageError
except ImportError as error:
    package = {"PIL": "pillow"}.get(error.name, error.name)
    sys.exit(f"error: {error.name} is missing: install python3-numpy and python3-pil (apt), or pip install {package}")

import modelfile
import outfile
from errors import ModelError
from progress import Progress
from readfile import regular

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
MAX_SIDE = 32767  # pixels, as for frames
# Shares of the least and of the greatest value that are tried as bounds.
SHARES = np.linspace(0.05, 1, 96)
STEPS = 255
KEYS = ("int8_ranges", "int8_means")
LEAST, MOST = 1e-30, 1e30  # smaller values are 0 to the library; larger bounds it refuses


# Photos


def photos_of(paths, limit=None):
    """Files, and the photos in folders; at most `limit` of them, evenly spread."""
    found = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = [name for name in sorted(os.listdir(path)) if name.lower().endswith(PHOTO_ENDINGS)]
        if not inside:
            raise ModelError(f"{path}: there are no photos in it ({', '.join(PHOTO_ENDINGS)})")
        found += [os.path.join(path, name) for name in inside]
    n = min(limit or len(found), len(found))
    return [found[i * len(found) // n] for i in range(n)]


def as_ppm(path):
    """The photo as `dicenet inputs` reads it."""
    try:
        with open(path, "rb", opener=regular) as file, Image.open(file) as image:
            photo = image.convert("RGB")
    except UnidentifiedImageError:
        raise ModelError(f"{path}: cannot be read as a picture: Pillow knows no such format") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's, for damaged files
        raise ModelError(f"{path}: cannot be read as a picture: {error}") from None
    if max(photo.size) > MAX_SIDE:
        raise ModelError(f"{path}: expected at most {MAX_SIDE} pixels a side, found {photo.width}x{photo.height}")
    return b"P6 %d %d 255\n" % photo.size + photo.tobytes()


# The program


def program():
    found = os.environ.get("DICENET") or shutil.which("dicenet")
    if not found:
        raise ModelError("dicenet: not found: install it, or run this with: meson devenv -C build")
    return found


def path_of(model):
    """The model's file, which the program has checked."""
    done = subprocess.run([program(), "info", model, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise ModelError(done.stderr.strip().removeprefix("dicenet info: "))
    return json.loads(done.stdout)["model"]


@contextlib.contextmanager
def plain(model):
    """A file with the model but without what this program adds, which the program need not be able to read."""
    arrays, metadata = modelfile.read(model)
    if not set(KEYS) & set(metadata):
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="dicenet-") as folder:
        path = os.path.join(folder, os.path.basename(model))
        modelfile.write(path, arrays, {key: text for key, text in metadata.items() if key not in KEYS})
        yield path


def histograms(model, photos):
    """What goes into each convolution that int8 computes, as printed by `dicenet inputs`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([program(), "inputs", model], stdin=subprocess.PIPE, stdout=out, stderr=errors)
        try:
            with contextlib.suppress(BrokenPipeError):  # the program says why
                feed(process.stdin, photos)
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
        for file in out, errors:
            file.seek(0)
        if status != 0:
            reason = errors.read().decode(errors="replace").strip()
            raise ModelError(f"{model}: {reason or f'dicenet inputs ended with status {status}'}")
        return json.load(out)["convolutions"]


def feed(pipe, photos):
    progress = Progress(unit="photos")
    for i, path in enumerate(photos, 1):
        pipe.write(as_ppm(path))
        progress.show(i / len(photos), count=i)
    progress.line(f"{len(photos)} photos")


# Ranges


def values_of(histogram):
    """Values in the middle of the bins, which are a float's leading bits, and how many there are of each."""
    first = np.array(histogram["bins"], np.uint32) << (32 - histogram["bits"])
    last = first + np.uint32((1 << (32 - histogram["bits"])) - 1)
    with np.errstate(invalid="ignore"):  # not a number
        values = (first.view(np.float32).astype(float) + last.view(np.float32)) / 2
    return np.where(np.abs(values) < LEAST, 0, values), np.array(histogram["counts"], float)


def best_range(histogram):
    """The range with the least squared error: that of rounding within, where errors are uniform, and of the distance
    beyond."""
    low, high = histogram["low"], histogram["high"]
    values, counts = values_of(histogram)
    if not (np.abs(values) <= MOST).all() or None in (low, high, *histogram["means"]):  # JSON has no infinity
        raise ModelError(f"{histogram['name']}: its input has values beyond {MOST:g}: this model can't do with int8")
    lows, highs = low * SHARES, high * SHARES
    below = np.array([counts @ np.maximum(bound - values, 0) ** 2 for bound in lows])
    above = np.array([counts @ np.maximum(values - bound, 0) ** 2 for bound in highs])
    rounding = ((highs[None] - lows[:, None]) / STEPS) ** 2 / 12 * counts[values != 0].sum()
    i, k = np.unravel_index(np.argmin(rounding + below[:, None] + above[None]), rounding.shape)
    return float(f"{lows[i]:.6g}") or 0.0, float(f"{highs[k]:.6g}")


def write(source, target, found):
    arrays, metadata = modelfile.read(source)
    ranges = [best_range(histogram) for histogram in found]
    means = [[float(f"{mean:.4g}") for mean in histogram["means"]] for histogram in found]
    modelfile.write(target, arrays, {**metadata, **dict(zip(KEYS, map(json.dumps, (ranges, means))))})


# Command line


def count(text):
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="See docs/numerics.md.")
    parser.add_argument("model", metavar="MODEL", help=".safetensors, or the name of one")
    parser.add_argument("photos", nargs="+", metavar="PHOTOS", help="files, or folders of them")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.safetensors", help="model file to write")
    parser.add_argument("--limit", type=count, metavar="N", help="N of the photos, evenly spread (all)")
    parser.add_argument("--force", action="store_true", help="overwrite OUT.safetensors if it is there")
    arguments = parser.parse_args(argv)
    if not arguments.output.endswith(".safetensors"):
        parser.error(f"{arguments.output}: expected a name that ends in .safetensors for the model file to write")
    return arguments


def main(argv=None):
    arguments = parse(argv)
    try:
        is_path = os.sep in arguments.model or arguments.model.endswith(".safetensors")  # as the program has it
        model = arguments.model if is_path else path_of(arguments.model)
        with plain(model) as checked:
            path_of(checked)
            photos = photos_of(arguments.photos, arguments.limit)
            outfile.check(arguments.output, (model, *photos), arguments.force)
            found = histograms(checked, photos)
        write(model, arguments.output, found)
    except (ModelError, OSError) as error:
        return f"error: {error}"
    print(f"{arguments.output}: ranges of {len(found)} convolutions from {len(photos)} photos")
    return 0


if __name__ == "__main__":
    outfile.run(main)
