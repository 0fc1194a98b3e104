# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a model on pictures in PyTorch, with nothing of the plugin: what its results are held against.

Scaling is Pillow's, the network that of models/training, decoding and suppression are stated here once more.
"""

import json
import os
import sys

import numpy as np

try:
    import torch
except ImportError:
    sys.exit("error: --against-pytorch needs PyTorch: apt install python3-torch, or pip install torch")
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "training"))
import dicenet  # noqa: E402
import modelfile  # noqa: E402
from metrics import Found, overlaps  # noqa: E402

DEFAULT_MEAN, DEFAULT_STD = "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"
THRESHOLD, OVERLAP, PER_CLASS, IN_ALL = 0.01, 0.45, 200, 100  # as in plugin.py


class PyTorch:
    """Has plugin.Plugin's run() and close()."""

    name = "PyTorch"

    def __init__(self, path, threads=0):
        if threads:
            torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.net = dicenet.load(path).to(self.device)
        metadata = modelfile.read(path)[1]
        self.task = metadata["task"]
        self.mean = np.array(json.loads(metadata.get("mean", DEFAULT_MEAN)), np.float32)
        self.std = np.array(json.loads(metadata.get("std", DEFAULT_STD)), np.float32)
        self.multi_label = metadata.get("multi_label") == "true"
        size = min(map(int, metadata["size"].split("x")))
        self.prior_sizes = json.loads(metadata.get("prior_sizes", "null")) or ssd_sizes(size)

    def run(self, picture, size):
        pixels = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), np.float32)
        x = ((pixels / np.float32(255) - self.mean) / self.std).transpose(2, 0, 1)[None]
        with torch.no_grad():
            outputs = self.net(torch.from_numpy(np.ascontiguousarray(x)).to(self.device))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return getattr(self, "_" + self.task)(picture.size, size, *(y[0].double().cpu().numpy() for y in outputs))

    def close(self):
        pass

    def _classify(self, _frame, _size, logits):
        return 1 / (1 + np.exp(-logits)) if self.multi_label else softmax(logits)

    @staticmethod
    def _segment(frame, size, logits):
        columns, rows = (((np.arange(n) + 0.5) / n * m).astype(int) for n, m in zip(frame, size))
        return logits.argmax(axis=0).astype(np.uint8)[rows[:, None], columns]

    def _detect(self, frame, size, confidences, locations):
        boxes = decode(locations, priors(size, self.prior_sizes))
        scores = softmax(confidences)
        kept = [(label, i) for label in range(1, scores.shape[1]) for i in suppress(boxes, scores[:, label])]
        kept.sort(key=lambda pair: -scores[pair[1], pair[0]])
        labels, chosen = np.array(kept[:IN_ALL], np.int64).reshape(-1, 2).T
        w, h = frame
        return Found(np.clip(boxes[chosen] * (w, h, w, h), 0, (w, h, w, h)), labels, scores[chosen, labels])


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def ssd_sizes(trained_size):
    return [int(n) for n in np.linspace(np.ceil(0.1 * trained_size), np.ceil(1.05 * trained_size), 7)]


def priors(size, edges):
    """Centre x, centre y, width, height as fractions of the input, map by map, row, column, box."""
    found = []
    for k in range(6):
        columns, rows = (-(-n // 2 ** (3 + k)) if k < 5 else 1 for n in size)
        steps = [2 ** (3 + k) / n if k < 4 else 1 / cells for n, cells in zip(size, (columns, rows))]
        x, y = np.meshgrid((np.arange(columns) + 0.5) * steps[0], (np.arange(rows) + 0.5) * steps[1])
        least, mean = edges[k], np.sqrt(edges[k] * edges[k + 1])
        shapes = [(least, least), (mean, mean)]
        for ratio in (np.sqrt(2), np.sqrt(3)):
            shapes += [(least * ratio, least / ratio), (least / ratio, least * ratio)]
        sides = np.broadcast_to(np.array(shapes) / size, (rows, columns, len(shapes), 2))
        centres = np.broadcast_to(np.stack((x, y), -1)[:, :, None], sides.shape)
        found.append(np.concatenate((centres, sides), -1).reshape(-1, 4))
    return np.clip(np.concatenate(found), 0, 1)


def decode(locations, at):
    """Boxes as x0, y0, x1, y1, fractions of the picture."""
    centre = at[:, :2] + 0.1 * locations[:, :2] * at[:, 2:]
    size = at[:, 2:] * np.exp(0.2 * locations[:, 2:])
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1)


def suppress(boxes, scores):
    """What is left of one class, strongest first."""
    left = np.flatnonzero(scores >= THRESHOLD)
    left = left[np.argsort(-scores[left], kind="stable")]
    kept = []
    while len(left) and len(kept) < PER_CLASS:
        kept.append(left[0])
        left = left[1:][overlaps(boxes[left[:1]], boxes[left[1:]])[0] <= OVERLAP]
    return kept
