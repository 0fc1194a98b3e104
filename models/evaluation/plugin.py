# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a model on pictures in a GStreamer pipeline, like an application: appsrc ! dicenetdetect ! appsink."""

import json
import os
import sys

import numpy as np

try:
    import gi

    for namespace in ("Dicenet", "Gst", "GstApp", "GstVideo", "GstDicenetMeta"):
        gi.require_version(namespace, "1.0")
    from gi.repository import Dicenet, GLib, Gst, GstApp, GstDicenetMeta, GstVideo  # noqa: F401  GstApp: appsrc
except (ImportError, ValueError) as error:
    sys.exit(
        f"error: {error}: install python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0, and install dicenet or "
        "run this with: meson devenv -C build"
    )

from errors import ModelError
from metrics import Found

TASKS = {
    Dicenet.Task.CLASSIFY: ("classify", "top-k=0 threshold=0"),
    # COCO counts at most this number; the threshold is low enough for the curve of precision, and so low that a second
    # class of an object is no mistake.
    Dicenet.Task.DETECT: ("detect", "threshold=0.01 cross-class-iou-threshold=1 max-detections=100"),
    Dicenet.Task.SEGMENT: ("segment", ""),
}
KINDS = {
    "classify": GstDicenetMeta.DicenetTask.CLASSIFY,
    "detect": GstDicenetMeta.DicenetTask.DETECT,
    "segment": GstDicenetMeta.DicenetTask.SEGMENT,
}
PATIENCE = 300 * Gst.SECOND

# Names are also looked up in the folder of these scripts, as in `meson devenv`.
_MODELS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ["DICENET_MODEL_PATH"] = os.pathsep.join(filter(None, (os.environ.get("DICENET_MODEL_PATH"), _MODELS)))


def load(model):
    """Loads a model by file or name; ModelError if there is none."""
    try:
        return Dicenet.Model.load(model)
    except GLib.Error as error:
        raise ModelError(error.message) from None


def task_of(model):
    """classify, detect or segment."""
    return TASKS[model.get_task()][0]


class Plugin:
    """The element for a model (a file or a name) in a pipeline that takes one picture at a time. Call close() after
    use.

    `path` is the model's file; `task`, `labels`, `size` (width, height), `multi_label` and `thresholds` (a number for each
    class) are the model's; `properties` are additional properties of the element, as pairs of strings. Results are not
    limited to what reaches the thresholds. Raises ModelError if the model or a picture is rejected.
    """

    name = "plugin"

    def __init__(self, path_or_name, threads=0, properties=()):
        Gst.init(None)
        model = load(path_or_name)
        self.path = os.path.abspath(model.get_path())
        self.task, fixed = TASKS[model.get_task()]
        self.labels = list(model.get_labels())
        self.size = tuple(model.get_size())
        self.multi_label = model.get_multi_label()
        own = model.get_thresholds() or model.get_threshold()
        self.thresholds = np.broadcast_to(np.array(own, np.float64), len(self.labels))
        if Gst.ElementFactory.find("dicenet" + self.task) is None:
            raise ModelError("GStreamer finds no dicenet plugin: install it, or run this with: meson devenv -C build")
        chosen = " ".join(f"{name}={json.dumps(value)}" for name, value in properties)
        try:
            self.pipeline = Gst.parse_launch(
                f"appsrc name=source format=time max-buffers=1 ! dicenet{self.task} name=network {fixed} {chosen} ! "
                "appsink name=sink sync=false"
            )
        except GLib.Error as error:
            raise ModelError(f"dicenet{self.task}: {error.message}") from None
        self.source, self.network, self.sink = map(self.pipeline.get_by_name, ("source", "network", "sink"))
        self.network.props.model = self.path
        self.network.props.threads = threads
        self.inference_size = None

    def run(self, picture, size):
        """Result for a picture (PIL, RGB) inferred at `size`: confidences by class; Found, in pixels of the picture; or
        a mask of the picture's size."""
        self._infer_at(size)
        caps = Gst.Caps.from_string(
            f"video/x-raw,format=RGBx,width={picture.width},height={picture.height},framerate=0/1"
        )
        buffer = Gst.Buffer.new_wrapped(picture.convert("RGBX").tobytes())
        buffer.pts = 0
        self.source.push_sample(Gst.Sample.new(buffer, caps, None, None))
        sample = self.sink.try_pull_sample(PATIENCE)
        if sample is None:
            raise ModelError(self._reason())
        return result_of(sample, self.task, len(self.labels))

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)

    def _infer_at(self, size):
        """The inference size can only change in state READY."""
        if size != self.inference_size:
            self.pipeline.set_state(Gst.State.READY)
            self.network.props.inference_size = "{}x{}".format(*size)
            if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
                raise ModelError(self._reason())
            self.inference_size = size

    def _reason(self):
        message = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        return message.parse_error()[0].message if message else "the pipeline gave no result and no reason"


# Results of a frame


def result_of(sample, task, n_classes):
    """What a model made for `task` says of a frame: confidences by class, 0 for those that are not reported; Found, in
    pixels of the frame; or a mask of the frame's size."""
    buffer = sample.get_buffer()  # keep a reference: the meta is valid as long as the buffer
    meta = GstDicenetMeta.buffer_get_dicenet_meta(buffer, KINDS[task])
    return {"classify": _classified, "detect": _detected, "segment": _segmented}[task](meta, n_classes)


def _classified(meta, n_classes):
    scores = np.zeros(n_classes)
    for i in range(meta.result.get_n_classes()):
        found = meta.result.get_class(i)
        scores[found.label_id] = found.confidence
    return scores


def _detected(meta, _n_classes):
    found = [meta.get_detection(i) for i in range(meta.get_n_detections())]
    boxes = np.array([(d.x, d.y, d.x + d.w, d.y + d.h) for d in found], np.float64).reshape(-1, 4)
    labels = np.array([d.label_id for d in found], np.int64)
    return Found(boxes, labels, np.array([d.confidence for d in found], np.float64))


def _segmented(meta, _n_classes):
    mask = np.frombuffer(meta.get_mask(0, 0).get_data(), np.uint8)
    return mask.reshape(meta.frame_height, meta.frame_width)
