#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the program with the numpy reference on random models of one kind.

    parity.py DICENET KIND [CASE]

DICENET is the program, or "numpy" to try the test itself. KIND is a task, a backbone other than DiCENet's, or a detector's
head other than SSD's. The cases are unusual sizes, channels and options; a CASE, by number, runs alone.
"""

import os
import sys
import tempfile

from engines import Reference, engine

import numpy as np

import compare
import reference
import random_model
import tensorfile
import tolerances
from network import BACKBONES, HEADS

# Arguments of random_model.make(), and "runs": a list of inputs as (width, height[, batch]), with "pixels" instead of
# the batch for bytes, and "suppression": arguments of reference.detections(). DiCE units do not resize an input of
# "kernel_size", by default 224x224.
CASES = {
    "classify": [
        # Smaller than, equal to and larger than the kernels; odd; batches.
        dict(
            scale=0.1,
            classes=10,
            runs=[(32, 32), (33, 47, 3), (224, 224), (256, 290), (224, 64), (64, 230, 2)],
        ),
        dict(
            scale=0.1,
            classes=5,
            kernel_size=(96, 64),
            runs=[(96, 64), (64, 96), (130, 70), (95, 63, 2), (40, 40, "pixels")],
        ),
        dict(scale=0.2, classes=2, multi_label=True, runs=[(61, 35), (48, 64, 5)]),
        dict(scale=0.5, classes=1500, dtype="f16", runs=[(95, 63)]),
        # Branches with an odd number of channels.
        dict(scale=0.75, classes=7, runs=[(65, 64, 2), (113, 97, "pixels")]),
        dict(scale=1.0, classes=3, kernel_size=(160, 160), runs=[(160, 161)]),
        dict(scale=1.25, classes=17, runs=[(63, 33)]),
        dict(scale=1.5, classes=16, dtype="f16", runs=[(47, 47)]),
        dict(scale=1.75, classes=20, runs=[(96, 40)]),
        dict(scale=2.0, classes=101, runs=[(36, 100)]),
        dict(scale=2.4, classes=1000, runs=[(64, 64), (99, 51, 2)]),
    ],
    # Maps of one cell, sums of maps of equal and of other sizes, few and many channels and classes.
    "anchor-free": [
        dict(
            scale=0.1,
            classes=21,
            size=(96, 96),
            objects=40,
            runs=[(32, 32), (96, 96, 2), (33, 47, 3), (65, 129), (128, 70), (250, 290), (320, 32), (90, 90, "pixels")],
        ),
        dict(scale=0.1, classes=2, head_width=1, context_width=1, size=(64, 64), runs=[(64, 64), (63, 1030)]),
        dict(scale=0.2, classes=5, head_width=7, context_width=40, size=(300, 160), objects=200, runs=[(300, 160)]),
        dict(
            scale=0.5,
            classes=81,
            head_width=48,
            context_width=96,
            kernel_size=(300, 300),
            dtype="f16",
            objects=0,
            runs=[(113, 131), (64, 64, "pixels")],
        ),
        dict(
            scale=1.0,
            classes=9,
            head_width=33,
            context_width=65,
            kernel_size=(96, 64),
            runs=[(64, 64), (97, 65, 2)],
            suppression=dict(threshold=0.05, iou_threshold=0.2, max_per_class=3),
        ),
        dict(
            scale=1.75,
            classes=21,
            head_width=72,
            context_width=256,
            objects=60,
            runs=[(97, 95), (160, 160)],
            suppression=dict(threshold=0.2, iou_threshold=0.7, max_per_class=1),
        ),
    ],
    # DiCE units in other networks.
    "mobilenet": [
        dict(scale=0.3, classes=10, kernel_size=(96, 64), runs=[(96, 64), (64, 96, 2), (33, 47), (130, 70, "pixels")]),
        dict(scale=0.3, classes=1000, multi_label=True, dtype="f16", runs=[(224, 224), (32, 32), (256, 290)]),
        dict(scale=1.75, classes=5, kernel_size=(65, 47), runs=[(65, 47), (99, 51)]),
    ],
    "resnet": [
        dict(scale=0.16, classes=10, kernel_size=(96, 64), runs=[(96, 64), (64, 96, 2), (33, 47), (130, 70, "pixels")]),
        dict(scale=0.16, classes=1000, multi_label=True, dtype="f16", runs=[(224, 224), (32, 32), (256, 290)]),
        # A quarter of the channels is an odd number.
        dict(scale=0.48, classes=5, kernel_size=(65, 47), runs=[(65, 47), (99, 51)]),
    ],
    "segment": [
        dict(
            scale=0.1,
            classes=21,
            runs=[(32, 32), (33, 47, 2), (64, 64, 3), (95, 63), (224, 224), (272, 250), (80, 48, "pixels")],
        ),
        # Level 1 is 70 x 140 here: 70 * 0.1 is 7, but 70 * 0.1f, converted to double, is above it and would be rounded
        # up to 8.
        dict(scale=0.1, classes=4, runs=[(140, 280), (280, 139)]),
        # One plane in the decoder's pyramids.
        dict(scale=0.1, classes=2, runs=[(49, 33)]),
        dict(scale=0.1, classes=3, kernel_size=(64, 96), runs=[(64, 96), (97, 65, 2)]),
        dict(scale=0.2, classes=150, runs=[(65, 47)]),
        dict(scale=0.5, classes=20, decoder_width=32, runs=[(64, 48), (37, 90, 2)]),
        dict(scale=0.75, classes=80, decoder_width=32, dtype="f16", runs=[(71, 59)]),
        dict(scale=1.0, classes=21, dtype="f16", runs=[(63, 95, "pixels")]),
        dict(scale=1.75, classes=21, decoder_width=32, runs=[(48, 80)]),
        dict(scale=2.4, classes=12, runs=[(50, 34)]),
    ],
    "detect": [
        dict(
            scale=0.1,
            classes=21,
            size=(96, 96),
            objects=80,
            runs=[(32, 32), (96, 96, 2), (33, 47, 3), (128, 70), (250, 290), (90, 90, "pixels")],
        ),
        dict(
            scale=0.1,
            classes=21,
            size=(96, 96),
            pyramid=True,
            runs=[(32, 32), (96, 96, 2), (33, 47, 3), (128, 70), (250, 290)],
        ),
        # Priors follow from the shorter side of the model's size.
        dict(scale=0.2, classes=2, size=(300, 160), objects=200, runs=[(300, 160)]),
        dict(scale=0.5, classes=81, size=(128, 128), pyramid=True, dtype="f16", runs=[(113, 131)]),
        dict(
            scale=0.5,
            classes=9,
            size=(64, 64),
            kernel_size=(300, 300),
            objects=0,
            runs=[(64, 64, "pixels"), (79, 65)],
        ),
        dict(
            scale=0.75,
            classes=21,
            size=(64, 64),
            kernel_size=(96, 64),
            pyramid=True,
            runs=[(64, 64), (97, 65, 2)],
            suppression=dict(threshold=0.05, iou_threshold=0.2, max_per_class=3),
        ),
        dict(scale=1.0, classes=4, size=(96, 96), pyramid=True, runs=[(96, 96)]),
        dict(
            scale=1.75,
            classes=5,
            size=(64, 64),
            objects=60,
            runs=[(65, 64)],
            suppression=dict(threshold=0.2, iou_threshold=0.7, max_per_class=1),
        ),
        dict(scale=2.4, classes=21, size=(64, 64), pyramid=True, runs=[(64, 64)]),
    ],
}


def main(program, kind, only=None):
    cases = CASES[kind]
    task = {"segment": "segment", "detect": "detect", "anchor-free": "detect"}.get(kind, "classify")
    for number in range(len(cases)) if only is None else [int(only)]:
        options = dict(cases[number])
        if kind in BACKBONES:
            options["backbone"] = kind
        if kind in HEADS:
            options["head"] = kind
        print(f"case {number}:", ", ".join(f"{key} {value}" for key, value in options.items()))
        runs, suppression = options.pop("runs"), options.pop("suppression", {"threshold": 0.3})
        head = options.get("head", "ssd")
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "model.safetensors")
            tensorfile.write(model, *random_model.make(task, **options))
            for run in runs:
                check(engine(program), model, task, make_input(*run), suppression, head)
    return 0


def make_input(width, height, batch=1):
    """Smooth shapes and noise."""
    random = np.random.default_rng(width * height)
    pictures = 1 if batch == "pixels" else batch
    x = reference.up(random.normal(size=(pictures, 3, 5, 4)), height, width)
    x += 0.3 * random.normal(size=x.shape)
    if batch == "pixels":
        return {"pixels": np.clip(x[0].transpose(1, 2, 0) * 60 + 128, 0, 255).astype(np.uint8)}
    return {"input": x.astype(np.float32)}


def check(runner, model, task, inputs, suppression, head):
    outputs = runner.run(model, inputs, suppression if task == "detect" else None)
    expected = Reference().run(model, inputs)
    for name, value in expected.items():
        compare.close(name, outputs[name], value, limit(task, name))
    if task == "detect":
        found = tuple(outputs[name] for name in ("boxes", "box_labels", "box_scores"))
        raw = (outputs["confidences"][0], outputs["locations"][0], outputs["priors"])
        compare.suppressed("boxes", found, raw, tolerances.NMS_SAME_INPUT, head=head, **suppression)


def limit(task, name):
    if name == "priors":
        return tolerances.REFERENCE
    return tolerances.DETECTOR if task == "detect" else tolerances.LOGITS


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
