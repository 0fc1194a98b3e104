#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the golden files in data/: inputs of small networks, and their outputs by the reference in double precision.

    make.py [NAME...]

A network of random weights goes beside them; its convolutions have weights of 15 values only, which pack well. The
network `segment-voc` is the included models/dicenet-segment.safetensors, on pieces of this project's pictures. Files
are packed with xz. Make them again only if a network's definition changes: their use is that they stay when both the
reference and the program change. PyTorch, where it is there, must agree with them (tests/models/test_torch.py).
"""

import lzma
import os
import sys
import tempfile

from material import DATA, ENDING, ROOT, digest, unpacked

import numpy as np
from PIL import Image

import random_model
import reference
import tensorfile
from parity import make_input

STEPS = 7  # of a weight's magnitude
THRESHOLD = 0.2
SPARSE = 16  # pixels between those whose logits are kept, of large pictures
LARGE = 128

# Arguments of random_model.make(), and the sizes to run at: equal to the kernels' (96x64), smaller, larger, both; odd.
KERNELS = (96, 64)
CALIBRATED = ((224, 224), KERNELS)
SIZES = [(96, 64), (64, 96), (47, 33), (131, 70)]
NETWORKS = {
    "classify": (dict(task="classify", classes=10, kernel_size=KERNELS), [*SIZES, (230, 97)]),
    "classify-mobilenet": (
        dict(task="classify", classes=5, backbone="mobilenet", scale=0.3, kernel_size=KERNELS),
        SIZES,
    ),
    "classify-resnet": (dict(task="classify", classes=5, backbone="resnet", scale=0.16, kernel_size=KERNELS), SIZES),
    "segment": (dict(task="segment", classes=5, decoder_width=32, kernel_size=KERNELS), SIZES),
    "detect": (dict(task="detect", classes=4, size=KERNELS, kernel_size=KERNELS, objects=150), SIZES),
    "detect-pyramid": (
        dict(task="detect", classes=4, size=KERNELS, kernel_size=KERNELS, pyramid=True, objects=60),
        SIZES,
    ),
    "detect-anchor-free": (
        dict(task="detect", classes=6, size=KERNELS, kernel_size=KERNELS, head="anchor-free", objects=60),
        SIZES,
    ),
}
SHIPPED = "models/dicenet-segment.safetensors"
# Pictures, the corners of the piece, and its size: smaller and larger than the kernels (224x224).
PIECES = [
    ("docs/results.jpg", (0, 0, 360, 270), (64, 48)),
    ("docs/cameras.jpg", (384, 180, 624, 340), (95, 63)),
    ("docs/results.jpg", (140, 0, 430, 270), (241, 227)),
]


def main(names):
    unknown = set(names) - set(NETWORKS) - {"segment-voc"}
    if unknown:
        sys.exit(f"error: {', '.join(unknown)}: expected {', '.join(NETWORKS)} or segment-voc")
    for name, (options, sizes) in NETWORKS.items():
        if not names or name in names:
            make(name, pack_model(name, options), [make_input(*size, "pixels")["pixels"] for size in sizes])
    if not names or "segment-voc" in names:
        make("segment-voc", SHIPPED, [piece(*which) for which in PIECES])


def pack_model(name, options):
    """Writes a network of random weights; its path below the project."""
    tensors, metadata = random_model.make(**options, dtype="f16")
    few = {key: coarse(tensor) for key, tensor in tensors.items()}
    ranges = random_model.calibrate(np.random.default_rng(1), few, metadata, options.get("objects", 0), CALIBRATED)
    path = os.path.join("tests", "golden", "data", f"{name}.model.xz")
    pack(os.path.join(ROOT, path), {key: random_model.store(tensor, "f16") for key, tensor in ranges.items()}, metadata)
    return path


def coarse(tensor):
    if tensor.ndim < 4:
        return tensor
    step = np.abs(tensor).max().astype(np.float32) / STEPS
    return (np.round(tensor.astype(np.float32) / step) * step).astype(tensor.dtype)


def pack(path, tensors, metadata):
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.safetensors")
        tensorfile.write(plain, tensors, metadata)
        with open(plain, "rb") as file, lzma.open(path, "wb", preset=9 | lzma.PRESET_EXTREME) as packed:
            packed.write(file.read())


def piece(picture, corners, size):
    with Image.open(os.path.join(ROOT, picture)) as image:
        return np.asarray(image.convert("RGB").crop(corners).resize(size, Image.Resampling.BILINEAR))


def make(name, model, pictures):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(ROOT, model)
        path = unpacked(path, folder) if path.endswith(".xz") else path
        network, about = tensorfile.read(path)
        metadata = {"task": about["task"], "model": model, "sha256": digest(path), "score_threshold": str(THRESHOLD)}
    tensors = {}
    for k, pixels in enumerate(pictures):
        tensors[f"pixels_{k}"] = pixels
        for part, value in outputs(network, about, reference.normalise(pixels, about)).items():
            tensors[f"{part}_{k}"] = value if value.dtype.kind == "u" else value.astype(np.float32)
    target = os.path.join(DATA, name + ENDING)
    pack(target, tensors, metadata)
    print(
        f"{name}: {os.path.getsize(target)} bytes; boxes: {[len(t) for part, t in tensors.items() if part.startswith('nms_boxes')]}"
    )


def outputs(network, about, x):
    found = reference.run(network, about, x)
    if about["task"] == "segment":
        logits = found["logits"]
        classes = {"argmax": logits[0].argmax(axis=0).astype(np.uint8)}
        if logits.shape[2] > LARGE:
            return {"logits_sparse": logits[..., ::SPARSE, ::SPARSE], **classes}
        return {"logits_half": reference.segment_half(reference.Blocks(network), x), **classes}
    if about["task"] == "detect":
        raw = (found["confidences"][0], found["locations"][0], found["priors"])
        boxes, labels, scores = reference.detections(*raw, threshold=THRESHOLD, head=about.get("head", "ssd"))
        found.update(nms_boxes=boxes, nms_labels=labels.astype(np.uint8), nms_scores=scores)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
