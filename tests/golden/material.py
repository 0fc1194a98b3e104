# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden files and their models: those of this folder's data/, and those among the test material."""

import glob
import hashlib
import lzma
import os
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "reference"))

import tensorfile  # noqa: E402

DATA = os.path.join(ROOT, "tests", "golden", "data")
SHARED = os.environ.get("DICENET_SHARED") or os.path.join(ROOT, "..", "shared")
ENDING = ".safetensors.xz"


def included():
    """Names of the golden files in data/."""
    names = sorted(os.path.basename(path).removesuffix(ENDING) for path in glob.glob(os.path.join(DATA, "*" + ENDING)))
    assert names, f"no golden files in {DATA}"
    return names


def find(name):
    """The path of a golden file in data/, or else of the test material, where it may be missing."""
    path = os.path.join(DATA, name + ENDING)
    return path if os.path.exists(path) else os.path.join(SHARED, "golden", name + ".safetensors")


def read(path, folder):
    """Tensors and metadata of a golden file; unpacks in `folder`."""
    return tensorfile.read(unpacked(path, folder) if path.endswith(".xz") else path)


def unpacked(path, folder):
    name = os.path.basename(path).removesuffix(".xz").removesuffix(".safetensors")
    target = os.path.join(folder, name + ".safetensors")
    with lzma.open(path) as packed, open(target, "wb") as file:
        file.write(packed.read())
    return target


def task_of(name, metadata):
    return metadata.get("task") or name.split("/")[0]


def model_of(metadata, folder):
    """The path of a golden file's model, which is unpacked or converted in `folder` if need be."""
    if "checkpoint" in metadata:
        return converted(metadata["checkpoint"], folder)
    path = os.path.join(ROOT, metadata["model"])
    if path.endswith(".xz"):
        path = unpacked(path, folder)
    assert (
        digest(path) == metadata["sha256"]
    ), f"{metadata['model']} is another one than when its golden file was made: tests/golden/make.py makes it again"
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def converted(checkpoint, folder):
    found = glob.glob(os.path.join(SHARED, "models", "**", checkpoint), recursive=True)
    assert len(found) == 1, f"expected one {checkpoint} below {SHARED}/models, found {len(found)}"
    model = os.path.join(folder, checkpoint + ".safetensors")
    script = os.path.join(ROOT, "models", "convert.py")
    if os.path.exists(model):
        return model
    subprocess.run([sys.executable, script, found[0], model], check=True, stdout=subprocess.DEVNULL)
    return model
