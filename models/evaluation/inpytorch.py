# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a model on pictures in PyTorch without the plugin, as a reference for its results.

Scaling is done by Pillow; the network, decoding and NMS are those of models/training.
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
import boxes  # noqa: E402
import dicenet  # noqa: E402
import modelfile  # noqa: E402
import ssd  # noqa: E402
from metrics import Found  # noqa: E402

DEFAULT_MEAN, DEFAULT_STD = "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"
THRESHOLD, OVERLAP, MOST = 0.01, 0.45, 100  # as in plugin.py


class PyTorch:
    """Same interface as plugin.Plugin: run() and close()."""

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
        self.anchor_free = metadata.get("head") == "anchor-free"
        size = min(map(int, metadata["size"].split("x")))
        self.prior_sizes = json.loads(metadata.get("prior_sizes", "null")) or ssd.prior_sizes(size)

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
        confidences, locations = (torch.from_numpy(x)[None] for x in (confidences, locations))
        if self.anchor_free:
            find, priors = boxes.cell_detections, boxes.cells(size[1], size[0])
        else:
            find, priors = boxes.detections, boxes.priors(size[1], size[0], tuple(self.prior_sizes))
        ((edges, labels, scores),) = find(confidences, locations, priors, THRESHOLD, OVERLAP, MOST)
        w, h = frame
        return Found(np.clip(edges * (w, h, w, h), 0, (w, h, w, h)), labels + 1, scores)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
