#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An application that embeds dicenet: prints, for each frame of a video, what the model found in it.

    read-results.py ELEMENT MODEL VIDEO
    read-results.py dicenetsegment models/dicenet_s_1.0_pascal_384x384.safetensors clip.mp4

Needs: python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0, a model, GStreamer's base, good and libav plugins,
and the plugin; if that is not installed, run this in its build tree: meson devenv -C build $PWD/pipelines/read-results.py
Shows: the same as read-results.c in Python: a probe on a pad sees every frame and reads the results from its metadata.
"""

import os
import re
import signal
import sys
import time

try:
    import gi

    for namespace in ("Gst", "GstVideo", "GstDicenetMeta"):
        gi.require_version(namespace, "1.0")
    from gi.repository import GLib, Gst, GstDicenetMeta
except (ImportError, ValueError) as error:
    sys.exit(
        f"error: {error}: install python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0, and install dicenet or "
        "run this with: meson devenv -C build"
    )


def classes(result):
    for i in range(result.get_n_classes()):
        found = result.get_class(i)
        yield f"{result.get_label(found.label_id)} {found.confidence:.2f}"


def detections(meta):
    for i in range(meta.get_n_detections()):
        found = meta.get_detection(i)
        label = meta.result.get_label(found.label_id)
        yield f"{label} {found.confidence:.2f} at {found.x:.0f},{found.y:.0f} {found.w:.0f}x{found.h:.0f}"


def shares(meta):
    mask = bytes(meta.get_mask(0, 0).get_data())  # one label_id per pixel of the frame; numpy.frombuffer() takes it too
    for label_id in sorted(set(mask)):
        yield f"{meta.result.get_label(label_id)} {100 * mask.count(label_id) / len(mask):.1f} %"


DECODERS = "on Debian, gstreamer1.0-libav and gstreamer1.0-plugins-bad have most"
last_frame = time.monotonic()
any_frame = False


def print_results(_pad, info):
    global last_frame, any_frame
    last_frame = time.monotonic()
    any_frame = True
    frame = info.get_buffer()
    texts = []
    for meta in GstDicenetMeta.buffer_get_dicenet_metas(frame):
        if meta.result.task == GstDicenetMeta.DicenetTask.CLASSIFY:
            texts += classes(meta.result)
        elif meta.result.task == GstDicenetMeta.DicenetTask.DETECT:
            texts += detections(meta)
        else:
            texts += shares(meta)
    print(f"{frame.pts / Gst.SECOND:.3f}", *texts, sep="  ", flush=True)
    return Gst.PadProbeReturn.OK


def check_video(decoder, video):
    """A file with sound only, or with video that nothing here decodes, brings no frame and no end."""
    if not video.get_static_pad("sink").is_linked():
        text = "there is no video in it that can be decoded"
        error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.WRONG_TYPE)
        decoder.post_message(Gst.Message.new_error(decoder, error, ""))


def read_patience():
    """From the environment: how many seconds without a frame are too many."""
    text = os.environ.get("DICENET_PATIENCE", "60")
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        sys.exit(f"error: DICENET_PATIENCE must be a whole number of seconds from 1, not '{text}'")
    return int(text)


def wait_for_end(bus, video, patience):
    """The error that ended the pipeline, or None. Prints warnings, and which decoders are missing. Some files neither go on
    nor end: a GIF before GStreamer 1.24. To GStreamer, a damaged file without a frame has just ended."""
    types = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.WARNING | Gst.MessageType.ELEMENT
    while True:
        message = bus.timed_pop_filtered(Gst.SECOND, types)
        if message is None:
            if time.monotonic() - last_frame > patience:
                return f"no frame for {patience} seconds"
            continue
        if message.type == Gst.MessageType.ERROR:
            return message.parse_error()[0].message
        if message.type == Gst.MessageType.EOS:
            return None if any_frame else "not one frame came from it: it may be damaged"
        if message.type == Gst.MessageType.WARNING:
            print("warning:", message.parse_warning()[0].message, file=sys.stderr)
        elif message.get_structure().has_name("missing-plugin"):
            name = message.get_structure().get_string("name")
            print(f"missing: {name}: install it ({DECODERS})", file=sys.stderr)


def main():
    Gst.init(None)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # its reader may have seen enough, as any program's
    if len(sys.argv) != 4:
        sys.exit("usage: read-results.py dicenetclassify|dicenetdetect|dicenetsegment MODEL VIDEO")
    element, model, video = sys.argv[1:]
    patience = read_patience()
    try:
        video.encode()
    except UnicodeEncodeError:
        sys.exit("error: the video's name is not UTF-8, as GStreamer takes it from Python: rename it, or link to it")
    pipeline = Gst.parse_launch(
        "filesrc name=file ! decodebin name=decoder ! queue name=video ! videoconvert ! "
        f"{element} name=network ! fakesink name=end"
    )
    pipeline.get_by_name("file").set_property("location", video)
    pipeline.get_by_name("network").set_property("model", model)
    pipeline.get_by_name("end").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, print_results)
    pipeline.get_by_name("decoder").connect("no-more-pads", check_video, pipeline.get_by_name("video"))
    pipeline.set_state(Gst.State.PLAYING)
    error = wait_for_end(pipeline.get_bus(), video, patience)
    pipeline.set_state(Gst.State.NULL)
    if error:
        sys.exit(f"error: {video}: {error}")


if __name__ == "__main__":
    main()
