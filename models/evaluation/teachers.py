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
import itertools
import json
import os
import sys

import numpy as np

from errors import ModelError
from metrics import Found, Objects
from readfile import regular

# Beside the project's folder.
FOLDER = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/teachers"))
SCRIPT = "run_teacher.py"
# By name, the class of each in the script.
TEACHERS = {"yolox": "Yolox", "nanodet": "Nanodet", "picodet": "Picodet"}
FUSED = "fused"
# Fused scores from which on something is an object, or is unsure. On photos with human boxes, nine in ten are right of
# those from 0.5 on, but only half of what is there is among them; from 0.2 on, half are right, and three quarters of
# what is there are among them.
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
        try:
            each = {name: self.module.nms(*teacher(bgr)) for name, teacher in self.all.items()}
            found = {name: rows_of(self.module.fuse([one]), KEPT) for name, one in each.items()}
            return {FUSED: rows_of(self.module.fuse(list(each.values())), UNSURE), **found}
        except Exception as error:
            raise ModelError(f"{self.script}: a frame cannot be labelled: {error}") from None


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
    ones. Labels that are missing are made first: `frames_of(clip)` generates the frames, as functions that return their
    pixels. Only one process makes a file at a time; others wait.
    """

    def __init__(self, clip, every, teachers, folder, frames_of):
        self.head = {"clip": digest(clip), "every": every, "teachers": teachers.digest}
        key = hashlib.sha256(json.dumps(self.head).encode()).hexdigest()[:16]
        name = os.path.splitext(os.path.basename(clip))[0]
        self.path = os.path.join(folder, f"{name}-{key}.jsonl")
        self.every = every
        try:
            if not self._complete():
                teachers.load()
                with contextlib.closing(frames_of(clip)) as frames:
                    first = next(frames)  # what cannot be decoded leaves no file
                    os.makedirs(folder, exist_ok=True)
                    self._make(teachers, itertools.chain([first], frames))
        except OSError as error:
            raise ModelError(
                f"{error.filename or self.path}: labels cannot be read or written: {error.strerror or error}; name "
                "another folder with --labels"
            ) from None

    def __iter__(self):
        """The number of each labelled frame, and Found by teacher. FUSED are those from UNSURE on."""
        with open(self.path, "rb", opener=regular) as file:
            try:
                for i, text in enumerate(file):
                    if not text.endswith(b"\n"):  # an interrupted run's
                        return
                    line = json.loads(text)
                    if i == 0:
                        self._take_head(line)
                    elif "frames" in line:
                        self.frames = int(line["frames"])
                    else:
                        yield line["frame"], {name: self._found(line[name]) for name in (FUSED, *TEACHERS)}
                    self._end += len(text)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(f"{self.path}: expected a file of labels, found {error!r}; delete it") from None

    def _take_head(self, line):
        if {key: line[key] for key in self.head} != self.head:
            raise ValueError("other labels")
        self.labels = line["labels"]

    def _found(self, rows):
        rows = np.array(rows, np.float64).reshape(-1, 6)
        found = Found(rows[:, 2:], rows[:, 0].astype(np.int64), rows[:, 1])
        if not (np.isfinite(rows).all() and np.isin(rows[:, 0], range(len(self.labels))).all()):
            raise ValueError(rows.tolist())
        return found

    def _complete(self):
        """Whether the file is there and complete; reads what the attributes say."""
        self.labels, self.frames, self.count, self._end = None, None, 0, 0
        with contextlib.suppress(FileNotFoundError):
            self.count = sum(1 for _ in self)
        return self.frames is not None

    def _make(self, teachers, frames):
        with open(self.path, "ab") as file:
            lock(file)
            if self._complete():  # by now
                return
            file.truncate(self._end)  # after the last whole line
            if self._end == 0:
                write_line(file, {**self.head, "labels": teachers.labels})
            n = 0
            for pixels in frames:
                if n % self.every == 0 and n // self.every >= self.count:
                    write_line(file, {"frame": n, **teachers.look(pixels())})
                n += 1
            write_line(file, {"frames": n})
        self._complete()


def lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{file.name}: another process makes these labels: waiting for it", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)


def write_line(file, content):
    file.write(json.dumps(content, separators=(",", ":")).encode() + b"\n")
    file.flush()


def objects_of(found, known):
    """The truth about a frame from what the teachers found, FUSED: objects, and ignored what they are not sure of."""
    judged = np.isin(found.labels, list(known))
    found = Found(*(part[judged] for part in found))
    sure = found.scores >= OBJECT
    return Objects(found.boxes[sure], found.labels[sure], found.boxes[~sure], found.labels[~sure], known)
