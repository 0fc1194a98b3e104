#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads counts of lines and zones from Python, in a pipeline with dicenetcount."""

import gc
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    print("skipped:", error, "(Debian: python3-gi, gir1.2-gst-plugins-base-1.0)")
    sys.exit(77)

gi.require_version("GstDicenetMeta", "1.0")
from gi.repository import GstDicenetMeta  # noqa: E402

KIND = GstDicenetMeta.DicenetCountKind


def make_frame(index, y):
    frame = Gst.Buffer.new_allocate(None, 200 * 100, None)
    frame.pts, frame.duration = index * Gst.SECOND // 30, Gst.SECOND // 30
    result = GstDicenetMeta.DicenetResult.new(GstDicenetMeta.DicenetTask.DETECT, "det", ["background", "person"], 0)
    box = GstDicenetMeta.DicenetDetection()
    box.label_id, box.confidence, box.track_id = 1, 0.9, 7
    box.x, box.y, box.w, box.h = 95, y - 20, 10, 20
    GstDicenetMeta.buffer_add_dicenet_meta(frame, result, 200, 100, [box], 0)
    return frame


def run():
    """Moves an object over a line and into a zone; returns the counts of all frames."""
    pipeline = Gst.parse_launch(
        "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width=200,height=100,framerate=30/1 ! "
        'dicenetcount name=counter lines=door:0.1,0.5,0.9,0.5 zones="till:0,0.6,1,0.6,1,1,0,1" ! '
        "appsink name=out sync=false"
    )
    source, sink = pipeline.get_by_name("in"), pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    metas = []
    for index, y in enumerate(range(30, 80, 2)):
        source.emit("push-buffer", make_frame(index, y))
        buffer = sink.emit("pull-sample").get_buffer()
        (meta,) = GstDicenetMeta.buffer_get_dicenet_count_metas(buffer)
        parts = [meta.get_event(i) for i in range(meta.get_n_events())]
        visits = [meta.get_visit(i) for i in range(meta.get_n_visits())]
        metas.append((meta.find_shape("door"), meta.get_shape(1), parts, visits))
    counts = pipeline.get_by_name("counter").get_property("counts")
    pipeline.set_state(Gst.State.NULL)
    return metas, counts


def main():
    Gst.init(None)
    metas, counts = run()
    gc.collect()  # what is kept does not need its buffer
    door, till, _, visits = metas[-1]
    assert (door.name, door.is_zone, door.n_points) == ("door", False, 2) and till.is_zone
    assert door.get_point(1) == (0.9, 0.5)
    assert (door.total.forward, door.total.backward) == (1, 0)
    assert (till.total.entered, till.total.inside, till.total.mean_dwell) == (1, 1, Gst.CLOCK_TIME_NONE)
    assert [door.get_class(i).label for i in range(door.n_classes)] == ["person"]
    events = [event for _, _, events, _ in metas for event in events]
    assert [(e.kind, e.shape, e.track_id, e.label) for e in events] == [
        (KIND.FORWARD, "door", 7, "person"),
        (KIND.ENTERED, "till", 7, "person"),
    ], [(e.kind, e.shape) for e in events]
    assert [(v.zone, v.track_id, v.label) for v in visits] == [("till", 7, "person")] and visits[0].dwell > 0
    assert counts.get_name() == "dicenet-counts"
    return 0


if __name__ == "__main__":
    sys.exit(main())
