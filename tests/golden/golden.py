#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests golden files: runs the network of each on its inputs, compares the outputs.

    golden.py DICENET GOLDEN [PRECISION]

DICENET is the program, or "numpy" for the reference; PRECISION that of the program. GOLDEN is a file in data/, by its
name, or "included" for all of them, or a path below golden/ in the folder of test material: $DICENET_SHARED, else
../shared beside the project. The test is skipped if that, or the precision, is not available.
"""

import os
import sys
import tempfile

from engines import SKIPPED, engine

import numpy as np

import compare
import material
import reference
import tensorfile
import tolerances


def main(program, name, precision="float32"):
    runner = engine(program, precision)
    if name == "included":
        for each in material.included():
            check(runner, each)
        return 0
    if not os.path.exists(material.find(name)):
        print(f"SKIP: {material.find(name)} does not exist; set DICENET_SHARED to the folder of test material")
        return SKIPPED
    check(runner, name)
    return 0


def check(runner, name):
    print(name)
    with tempfile.TemporaryDirectory() as folder:
        tensors, metadata = material.read(material.find(name), folder)
        task = material.task_of(name, metadata)
        if task == "detect" and runner.precision not in ("float64", "float32"):
            print("  not compared: random detectors amplify rounding a hundredfold (tolerances.py)")
            return
        model = material.model_of(metadata, folder)
        {"segment": segment, "classify": classify, "detect": detect}[task](runner, model, tensors, metadata)


def tolerance(runner, ordinary):
    return {"float64": tolerances.REFERENCE, "float32": ordinary, "bfloat16": tolerances.BFLOAT16,
            "int8": tolerances.INT8, "float16": tolerances.FLOAT16, "tf32": tolerances.FLOAT16}[runner.precision]  # fmt: skip


def classify(runner, model, golden, metadata):
    for inputs, k in cases(golden, "input", "pixels"):
        logits = runner.run(model, inputs)["logits"]
        compare.close(f"logits{k}", logits, golden[f"logits{k}"], tolerance(runner, tolerances.LOGITS))


def segment(runner, model, golden, metadata):
    limit = tolerance(runner, tolerances.LOGITS)
    shares = {
        "bfloat16": tolerances.BFLOAT16_ARGMAX,
        "int8": tolerances.INT8_ARGMAX,
        "float16": tolerances.FLOAT16_ARGMAX,
        "tf32": tolerances.FLOAT16_ARGMAX,
    }
    share = shares.get(runner.precision, tolerances.ARGMAX)
    for inputs, k in cases(golden, "pixels"):
        logits = runner.run(model, inputs)["logits"]
        classes = golden[f"argmax{k}"]
        compare_logits(f"logits{k}", logits, golden, k, classes.shape, metadata, limit)
        if not is_random(metadata) or runner.precision in ("float64", "float32"):
            compare.same_classes(f"classes{k}", logits[0].argmax(axis=0), classes, share)


def is_random(metadata):
    """Such segmenters hardly distinguish classes: less precision changes many."""
    return "checkpoint" not in metadata and metadata["model"].endswith(".xz")


def compare_logits(what, logits, golden, k, size, metadata, limit):
    """With what the file has of them."""
    if f"logits_half{k}" in golden:
        compare.close(what, logits, reference.up(golden[f"logits_half{k}"].astype(np.float64), *size), limit)
    elif f"logits_sparse{k}" in golden:
        expected = golden[f"logits_sparse{k}"]
        step = -(-size[0] // expected.shape[2])
        compare.close(what, logits[..., ::step, ::step], expected, limit)
    elif "logits" + k in golden:
        compare.close(what, logits, golden["logits" + k], limit)
    else:
        compare.close("largest logit", np.abs(logits).max(), np.array(float(metadata["max_abs_logit"])), limit)


def detect(runner, model, golden, metadata):
    suppression = {"threshold": float(metadata["score_threshold"])}
    head = tensorfile.read(model)[1].get("head", "ssd")
    limit = tolerance(runner, tolerances.DETECTOR)
    for inputs, k in cases(golden, "pixels"):
        outputs = runner.run(model, inputs, suppression)
        raw = {part: golden[part + k] for part in ("confidences", "locations", "priors")}
        for part, expected in raw.items():
            compare.close(part + k, outputs[part], expected, tolerances.REFERENCE if part == "priors" else limit)
        found = tuple(outputs[part] for part in ("boxes", "box_labels", "box_scores"))
        expected = tuple(golden[f"nms_{part}{k}"] for part in ("boxes", "labels", "scores"))
        check_boxes(
            f"boxes{k}", found, expected, first_picture(outputs), first_picture(raw), {**suppression, "head": head}
        )


def check_boxes(what, found, expected, own_raw, golden_raw, suppression):
    compare.suppressed(f"{what} from own raw outputs", found, own_raw, tolerances.NMS_SAME_INPUT, **suppression)
    compare.suppressed(f"{what} from golden raw outputs", found, golden_raw, tolerances.NMS_OTHER_INPUT, **suppression)
    compare.found_again(what, found, expected, tolerances.NMS_OTHER_INPUT)


def first_picture(outputs):
    return (*(outputs[part][0].astype(np.float64) for part in ("confidences", "locations")), outputs["priors"])


def cases(golden, *kinds):
    """The inputs of each case and the end of its tensors' names: "_0", or "" for the only one."""
    found = [(kind, name.removeprefix(kind)) for name in golden for kind in kinds if name.startswith(kind)]
    assert found, f"no inputs among {', '.join(golden)}"
    return [({kind: golden[kind + k]}, k) for kind, k in found]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
