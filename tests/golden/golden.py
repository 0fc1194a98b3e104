#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests one golden file: converts its checkpoint, runs the network on its inputs, compares the outputs.

    golden.py DICENET PROJECT_ROOT GOLDEN [PRECISION]

DICENET is the program, or "numpy" for the reference; PRECISION that of the program. GOLDEN is a path below golden/ in
the folder of test material: $DICENET_SHARED, else ../shared beside the project. The test is skipped if that, or the
precision, is not available.
"""

import glob
import os
import subprocess
import sys
import tempfile

from engines import SKIPPED, engine

import numpy as np

import compare
import reference
import tensorfile
import tolerances


def main(program, root, name, precision="float32"):
    shared = os.environ.get("DICENET_SHARED") or os.path.join(root, "..", "shared")
    golden = os.path.join(shared, "golden", name)
    if not os.path.exists(golden):
        print(f"SKIP: {golden} does not exist; set DICENET_SHARED to the folder of test material")
        return SKIPPED
    tensors, metadata = tensorfile.read(golden)
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.safetensors")
        convert(root, find_checkpoint(shared, metadata["checkpoint"]), model)
        {"segment": segment, "classify": classify, "detect": detect}[name.split("/")[0]](
            engine(program, precision), model, tensors, metadata
        )
    return 0


def find_checkpoint(shared, name):
    found = glob.glob(os.path.join(shared, "models", "**", name), recursive=True)
    assert len(found) == 1, f"expected one {name} below {shared}/models, found {len(found)}"
    return found[0]


def convert(root, checkpoint, model):
    script = os.path.join(root, "models", "convert.py")
    subprocess.run([sys.executable, script, checkpoint, model], check=True)


def tolerance(runner, ordinary):
    return {"float64": tolerances.REFERENCE, "float32": ordinary, "bfloat16": tolerances.BFLOAT16, "int8": tolerances.INT8, "float16": tolerances.FLOAT16,
            "tf32": tolerances.FLOAT16}[runner.precision]


def classify(runner, model, golden, metadata):
    for k in cases(golden, "input_"):
        logits = runner.run(model, {"input": golden[f"input_{k}"]})["logits"]
        compare.close(f"logits_{k}", logits, golden[f"logits_{k}"], tolerance(runner, tolerances.LOGITS))


def segment(runner, model, golden, metadata):
    logits = runner.run(model, {"pixels": golden["pixels"]})["logits"]
    height, width = golden["argmax"].shape
    limit = tolerance(runner, tolerances.LOGITS)
    if "logits_half" in golden:
        compare.close("logits", logits, reference.up(golden["logits_half"].astype(np.float64), height, width), limit)
    elif "logits" in golden:
        compare.close("logits", logits, golden["logits"], limit)
    else:
        compare.close("largest logit", np.abs(logits).max(), np.array(float(metadata["max_abs_logit"])), limit)
    shares = {"bfloat16": tolerances.BFLOAT16_ARGMAX, "int8": tolerances.INT8_ARGMAX}
    share = shares.get(runner.precision, tolerances.ARGMAX)
    compare.same_classes("classes", logits[0].argmax(axis=0), golden["argmax"], share)


def detect(runner, model, golden, metadata):
    suppression = {"threshold": float(metadata["score_threshold"])}
    limit = tolerance(runner, tolerances.DETECTOR)
    for k in cases(golden, "pixels_"):
        outputs = runner.run(model, {"pixels": golden[f"pixels_{k}"]}, suppression)
        raw = {part: golden[f"{part}_{k}"] for part in ("confidences", "locations", "priors")}
        for part, expected in raw.items():
            compare.close(f"{part}_{k}", outputs[part], expected, tolerances.REFERENCE if part == "priors" else limit)
        found = tuple(outputs[part] for part in ("boxes", "box_labels", "box_scores"))
        expected = tuple(golden[f"nms_{part}_{k}"] for part in ("boxes", "labels", "scores"))
        check_boxes(f"boxes_{k}", found, expected, first_picture(outputs), first_picture(raw), suppression)


def check_boxes(what, found, expected, own_raw, golden_raw, suppression):
    compare.suppressed(f"{what} from own raw outputs", found, own_raw, tolerances.NMS_SAME_INPUT, **suppression)
    compare.suppressed(f"{what} from golden raw outputs", found, golden_raw, tolerances.NMS_OTHER_INPUT, **suppression)
    compare.found_again(what, found, expected, tolerances.NMS_OTHER_INPUT)


def first_picture(outputs):
    return (*(outputs[part][0].astype(np.float64) for part in ("confidences", "locations")), outputs["priors"])


def cases(golden, prefix):
    return sorted(int(name[len(prefix) :]) for name in golden if name.startswith(prefix))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
