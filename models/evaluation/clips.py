# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of clips, one after the other, from a GStreamer pipeline: decodebin ! videoconvert ! dicenetdetect."""

import json

import numpy as np
from plugin import PATIENCE, GLib, Gst, GstVideo

from errors import ModelError
from readfile import regular

SHORT = Gst.SECOND // 2  # after which a signal is noticed
BGR = "video/x-raw,format=BGRx"


def frames(path, element="identity", model=None, properties=()):
    """Yields a Gst.Sample for each frame of a clip, decoded, with the results of `element` and its `model`, and how
    much of the clip is behind it, from 0 to 1. `properties` of the element are pairs of strings. Raises ModelError."""
    check(path)
    pipeline = build(element, model, properties)
    pipeline.get_by_name("file").props.location = path
    sink = pipeline.get_by_name("sink")
    try:
        pipeline.set_state(Gst.State.PLAYING)
        n = 0
        while sample := pull(pipeline, sink, path):
            yield sample, share_of(pipeline, sample)
            n += 1
        if n == 0:
            raise ModelError(f"{path}: has no frames")
    finally:
        pipeline.set_state(Gst.State.NULL)


def check(path):
    """Raises ModelError if it is no file that can be read."""
    try:
        with open(path, "rb", opener=regular):
            pass
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def build(element, model, properties):
    Gst.init(None)
    chosen = " ".join(f"{name}={json.dumps(value)}" for name, value in properties)
    try:
        pipeline = Gst.parse_launch(
            f"filesrc name=file ! decodebin ! videoconvert ! {element} name=network {chosen} ! "
            "appsink name=sink sync=false max-buffers=2 caps=video/x-raw"
        )
    except GLib.Error as error:
        raise ModelError(f"{element}: {error.message}") from None
    if model:
        pipeline.get_by_name("network").props.model = model
    return pipeline


def pull(pipeline, sink, path):
    """The next frame; None after the last one."""
    for _ in range(PATIENCE // SHORT):
        sample = sink.try_pull_sample(SHORT)
        if sample:
            return sample
        ended = sink.is_eos()  # before the messages, because an error is posted first
        raise_errors(pipeline, path)
        if ended:
            return None
    raise ModelError(f"{path}: no frame in {PATIENCE // Gst.SECOND} seconds, and no reason why")


def raise_errors(pipeline, path):
    missing = ""
    kinds = Gst.MessageType.ERROR | Gst.MessageType.WARNING | Gst.MessageType.ELEMENT
    while message := pipeline.get_bus().pop_filtered(kinds):
        if message.type == Gst.MessageType.ERROR:
            raise ModelError(f"{path}: {message.parse_error()[0].message}{missing}")
        if message.type == Gst.MessageType.WARNING:
            if message.parse_warning()[0].matches(Gst.ParseError.quark(), Gst.ParseError.DELAYED_LINK):
                raise ModelError(f"{path}: expected a clip, found no video in it")
        elif message.get_structure().get_name() == "missing-plugin":
            missing = f" It needs: {message.get_structure().get_string('name')}"


def share_of(pipeline, sample):
    known, duration = pipeline.query_duration(Gst.Format.TIME)
    pts = sample.get_buffer().pts
    return min(pts / duration, 1) if known and duration > 0 and pts != Gst.CLOCK_TIME_NONE else 0


def pixels(sample):
    """A frame as height x width x 3 bytes: blue, green, red."""
    try:
        sample = GstVideo.video_convert_sample(sample, Gst.Caps.from_string(BGR), PATIENCE)
    except GLib.Error as error:
        raise ModelError(f"a frame cannot be converted: {error.message}") from None
    caps = sample.get_caps().get_structure(0)
    buffer = sample.get_buffer()
    bytes_ = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    shape = caps.get_int("height").value, caps.get_int("width").value, 4
    return np.ascontiguousarray(bytes_.reshape(shape)[:, :, :3])
