# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels frames of clips with other detectors, the teachers, and keeps the labels in files.

A file of labels has a line of JSON for each labelled frame, after one that says of what and by whom; the last line says
how many frames the clip has. A file without it was interrupted, and is continued. docs/evaluation.md says what a folder
of teachers needs.
"""

import contextlib
import fcntl
import glob
import hashlib
import importlib.util
import json
import os
import sys

import numpy as np

from errors import ModelError
from metrics import Found, Objects
from readfile import regular

SCRIPT = "run_teacher.py"
# By name, the class of each in the script.
TEACHERS = {"yolox": "Yolox", "nanodet": "Nanodet", "picodet": "Picodet"}
FUSED = "fused"
# Fused scores from which on something is an object, or is unsure. On photos with human boxes, nine in ten of the former
# are right, but they are half of what is there; with all of the latter three quarters of it, and half of them are right.
OBJECT, UNSURE = 0.5, 0.15
# The least score that is kept of a single teacher.
KEPT = 0.1
PACKAGES = {"cv2": "opencv-python-headless"}


class Teachers:
    """The teachers in a folder. They are loaded when a frame is to be labelled: labels that are there need neither them
    nor their packages."""

    def __init__(self, folder):
        self.script = os.path.join(folder, SCRIPT)
        self.labels = None
        networks = sorted(glob.glob(os.path.join(glob.escape(folder), "**", "*.onnx"), recursive=True))
        if not os.path.exists(self.script):
            raise ModelError(
                f"{folder}: expected the teachers that label frames, found no {SCRIPT}: name their folder with "
                "--teachers (docs/evaluation.md says what is in it)"
            )
        self.digest = digest(self.script, *networks)

    def load(self):
        if self.labels is not None:
            return
        spec = importlib.util.spec_from_file_location("run_teacher", self.script)
        self.module = importlib.util.module_from_spec(spec)
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing is left in a folder that is only read
        try:
            spec.loader.exec_module(self.module)
            self.all = {name: getattr(self.module, kind)() for name, kind in TEACHERS.items()}
            self.labels = list(self.module.VOC)
        except ImportError as error:
            raise ModelError(
                f"{self.script}: needs {PACKAGES.get(error.name, error.name)}: python3 -m venv --system-site-packages "
                "VENV && VENV/bin/pip install onnxruntime opencv-python-headless, then run this program with "
                "VENV/bin/python"
            ) from None
        except Exception as error:  # onnxruntime has a dozen of its own
            raise ModelError(f"{self.script}: the teachers cannot be loaded: {error}") from None
        finally:
            sys.dont_write_bytecode = writes

    def look(self, bgr):
        """What each teacher, and all of them FUSED, find in a frame (height x width x 3): rows of class, score, x0, y0,
        x1, y1."""
        self.load()
        each = {name: self.module.nms(*teacher(bgr)) for name, teacher in self.all.items()}
        found = {name: rows_of(self.module.fuse([one]), KEPT) for name, one in each.items()}
        return {FUSED: rows_of(self.module.fuse(list(each.values())), UNSURE), **found}


def rows_of(found, least):
    return [
        [int(label), round(float(score), 4), *(round(float(x), 1) for x in box)]
        for box, label, score in zip(*found)
        if score >= least
    ]


def digest(*paths):
    """SHA-256 of the content of files."""
    sha = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb", opener=regular) as file:
                while block := file.read(1 << 20):
                    sha.update(block)
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    return sha.hexdigest()


# Files of labels


class Labels:
    """The labels of every `every`-th frame of a clip, in a file in `folder`.

    `labels` are the names of the classes, `frames` is the number of frames of the clip, `count` that of the labelled
    ones. Labels that are missing are made first: `frames_of(clip)` iterates over the frames, as functions that return
    their pixels. Only one process makes a file at a time; others wait.
    """

    def __init__(self, clip, every, teachers, folder, frames_of):
        self.head = {"clip": digest(clip), "every": every, "teachers": teachers.digest}
        key = hashlib.sha256(json.dumps(self.head).encode()).hexdigest()[:16]
        name = os.path.splitext(os.path.basename(clip))[0]
        self.path = os.path.join(folder, f"{name}-{key}.jsonl")
        self.every = every
        if not self._read_ends():
            try:
                os.makedirs(folder, exist_ok=True)
                with open(self.path, "ab") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    if not self._read_ends():
                        self._make(file, teachers, frames_of(clip))
            except OSError as error:
                raise ModelError(
                    f"{error.filename or self.path}: labels cannot be written: {error.strerror}; name another folder "
                    "with --labels"
                ) from None
            self._read_ends()

    def __iter__(self):
        """The number of each labelled frame, and Found by teacher. FUSED are those from UNSURE on."""
        for line in self._lines():
            if "frame" in line:
                yield line["frame"], {name: self._found(line[name]) for name in (FUSED, *TEACHERS)}

    @staticmethod
    def _found(rows):
        rows = np.array(rows, np.float64).reshape(-1, 6)
        return Found(rows[:, 2:], rows[:, 0].astype(np.int64), rows[:, 1])

    def _read_ends(self):
        """Whether the file is there and complete."""
        self.labels, self.frames, self.count, self.end = None, None, 0, 0
        for line in self._lines():
            self.labels = line.get("labels", self.labels)
            self.frames = line.get("frames")
            self.count += "frame" in line
        return self.frames is not None

    def _lines(self):
        """The whole lines of the file. `end` is the place after the last one that was read."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb", opener=regular) as file:
            try:
                for i, text in enumerate(file):
                    if not text.endswith(b"\n"):  # an interrupted run's
                        return
                    line = json.loads(text)
                    if i == 0 and {key: line[key] for key in self.head} != self.head:
                        raise ValueError("made for something else")
                    self.end += len(text)
                    yield line
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(f"{self.path}: expected a file of labels: {error}; delete it") from None

    def _make(self, file, teachers, frames):
        """Continues after the last whole line."""
        file.truncate(self.end)
        teachers.load()
        if self.end == 0:
            write_line(file, {**self.head, "labels": teachers.labels})
        n = 0
        for pixels in frames:
            if n % self.every == 0 and n // self.every >= self.count:
                write_line(file, {"frame": n, **teachers.look(pixels())})
            n += 1
        write_line(file, {"frames": n})


def write_line(file, content):
    file.write(json.dumps(content, separators=(",", ":")).encode() + b"\n")
    file.flush()


def objects_of(found, known):
    """The truth about a frame from what the teachers found, FUSED: objects, and as ignored what they are not sure of."""
    judged = np.isin(found.labels, list(known))
    found = Found(*(part[judged] for part in found))
    sure = found.scores >= OBJECT
    return Objects(found.boxes[sure], found.labels[sure], found.boxes[~sure], found.labels[~sure], known)
