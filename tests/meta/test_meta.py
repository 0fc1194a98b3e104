#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads and writes the metadata from Python, through GObject introspection."""

import sys

try:
    import gi
    gi.require_version('Gst', '1.0')
    gi.require_version('GstVideo', '1.0')
    from gi.repository import GLib, Gst, GstVideo
except (ImportError, ValueError) as error:
    print('skipped:', error, '(Debian: python3-gi, gir1.2-gst-plugins-base-1.0)')
    sys.exit(77)

gi.require_version('GstDicenetMeta', '1.0')
from gi.repository import GstDicenetMeta  # noqa: E402

LABELS = ['background', 'person', 'car']
TASK = GstDicenetMeta.DicenetTask


def detection(label_id, confidence, x, y, w, h):
    d = GstDicenetMeta.DicenetDetection()
    d.label_id, d.confidence, d.x, d.y, d.w, d.h = label_id, confidence, x, y, w, h
    return d


def make_buffer():
    buffer = Gst.Buffer.new()
    found = GstDicenetMeta.DicenetResult.new(TASK.DETECT, 'det', LABELS, 0)
    meta = GstDicenetMeta.buffer_add_dicenet_meta(
        buffer, found, 320, 240, [detection(1, 0.9, 10, 20, 30, 40), detection(2, 0.5, 100, 120, 50, 60)], 2)
    assert (meta.age_time, meta.source_pts) == (Gst.CLOCK_TIME_NONE, Gst.CLOCK_TIME_NONE)
    meta.age_time, meta.source_pts = 2**40, 0
    classes = GstDicenetMeta.DicenetResult.new(TASK.CLASSIFY, 'cls', LABELS, -1)
    classes.add_class(2, 0.75)
    classes.add_class(1, 0.25)
    GstDicenetMeta.buffer_add_dicenet_meta(buffer, classes, 320, 240, [], 0)
    mask = GstDicenetMeta.DicenetResult.new(TASK.SEGMENT, 'seg', LABELS, 0)
    mask.set_mask(GLib.Bytes.new(bytes([0, 1, 2, 1])), 2, 2)
    GstDicenetMeta.buffer_add_dicenet_meta(buffer, mask, 320, 240, [], 0)
    return buffer


def check_detections(buffer):
    meta = GstDicenetMeta.buffer_get_dicenet_meta(buffer, TASK.DETECT)
    assert (meta.frame_width, meta.frame_height, meta.age) == (320, 240, 2)
    assert (meta.age_time, meta.source_pts) == (2**40, 0)
    boxes = [meta.get_detection(i) for i in range(meta.get_n_detections())]
    assert [(d.x, d.y, d.w, d.h) for d in boxes] == [(10, 20, 30, 40), (100, 120, 50, 60)]
    assert [meta.result.get_label(d.label_id) for d in boxes] == ['person', 'car']
    assert [d.confidence for d in boxes] == [0.9, 0.5]
    region = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, boxes[1].id)
    assert GLib.quark_to_string(region.roi_type) == 'car' and (region.x, region.w) == (100, 50)
    param = region.get_param('detection')
    assert param.get_string('label') == 'car' and param.get_double('confidence') == (True, 0.5)


def check_classes(buffer):
    result = GstDicenetMeta.buffer_get_dicenet_meta(buffer, TASK.CLASSIFY).result
    assert result.model == 'cls' and result.labels == LABELS and result.background == -1
    classes = [result.get_class(i) for i in range(result.get_n_classes())]
    assert [(c.label_id, c.confidence) for c in classes] == [(2, 0.75), (1, 0.25)]


def check_mask(buffer):
    meta = GstDicenetMeta.buffer_get_dicenet_meta(buffer, TASK.SEGMENT)
    assert meta.get_mask(4, 2).get_data() == bytes([0, 0, 1, 1, 2, 2, 1, 1])
    assert len(meta.get_mask(0, 0).get_data()) == 320 * 240
    assert list(meta.get_shares()[:4]) == [0.25, 0.5, 0.25, 0]
    assert meta.result.mask.get_data() == bytes([0, 1, 2, 1])


def check_all(buffer):
    """All results are accessible, including two of one task, and no value is misread."""
    again = GstDicenetMeta.DicenetResult.new(TASK.DETECT, 'other', LABELS, 0)
    GstDicenetMeta.buffer_add_dicenet_meta(buffer, again, 320, 240, [detection(2, 0.25, 1, 2, 3, 4)], 0)
    metas = GstDicenetMeta.buffer_get_dicenet_metas(buffer)
    assert [meta.result.model for meta in metas] == ['det', 'cls', 'seg', 'other']
    assert metas[3].get_detection(0).confidence == 0.25
    assert GstDicenetMeta.buffer_get_dicenet_metas(Gst.Buffer.new()) == []


def type_of(field):
    # PyGObject renamed it after 3.50 (Debian 13), when it moved to girepository-2.0.
    return field.get_type_info() if hasattr(field, 'get_type_info') else field.get_type()


def check_fields():
    """Fields in Python are values, not addresses."""
    for name in 'DicenetMeta', 'DicenetResult', 'DicenetDetection', 'DicenetClass', 'DicenetObject':
        fields = {field.get_name(): type_of(field) for field in getattr(GstDicenetMeta, name).__info__.get_fields()}
        assert len(fields) > 2, fields
        for field, kind in fields.items():
            assert field.startswith('_') or kind.get_tag_as_string() != 'void', f'{name}.{field} reads as an address'


def check_second_stage(buffer):
    """A tracker's id and the classes of a second stage; an earlier copy lacks them."""
    before = buffer.copy_deep()
    meta = GstDicenetMeta.buffer_get_dicenet_meta(buffer, TASK.DETECT)
    meta.set_track_id(1, 2**40)
    colour = GstDicenetMeta.DicenetResult.new(TASK.CLASSIFY, 'colour', ['red', 'blue'], -1)
    colour.add_class(1, 0.5)
    meta.add_detection_result(1, colour)
    del colour
    found = meta.get_detection(1)
    assert (found.track_id, found.get_n_results(), meta.get_detection(0).track_id) == (2**40, 1, 0)
    own = found.get_result(0)
    assert [own.model, own.get_label(own.get_class(0).label_id)] == ['colour', 'blue']
    old = GstDicenetMeta.buffer_get_dicenet_meta(before, TASK.DETECT).get_detection(1)
    assert (old.track_id, old.get_n_results(), old.label_id) == (0, 0, 2)


def check_objects(buffer):
    """Detections and another element's region: all can be read, tracked and moved."""
    other = GstVideo.buffer_add_video_region_of_interest_meta(buffer, 'dog', 10, 20, 30, 40)
    other.id = 77
    objects = GstDicenetMeta.buffer_get_dicenet_objects(buffer)
    assert [(o.label, o.region_id) for o in objects] == [('person', 1), ('car', 2), ('dog', 77)]
    for i, o in enumerate(objects):
        GstDicenetMeta.buffer_set_dicenet_track_id(buffer, o, 11 + i)
        assert GstDicenetMeta.buffer_move_dicenet_object(buffer, o, 5 + i, 6, 7.5, 8)
        assert not GstDicenetMeta.buffer_move_dicenet_object(buffer, o, -5, 6, 5, 8)
    colour = GstDicenetMeta.DicenetResult.new(TASK.CLASSIFY, 'colour', ['red', 'blue'], -1)
    colour.add_class(1, 0.5)
    GstDicenetMeta.buffer_add_dicenet_object_result(buffer, objects[2], colour)
    objects = GstDicenetMeta.buffer_get_dicenet_objects(buffer)
    assert [(o.track_id, o.x, o.w) for o in objects] == [(11, 5, 7.5), (12, 6, 7.5), (13, 7, 8)], objects
    assert other.get_param('classification').get_string('label') == 'blue'
    assert other.get_param('object_id').get_int('id') == (True, 13)
    assert objects[2].confidence == 1 and objects[0].age == 2
    found = GstDicenetMeta.buffer_get_dicenet_object_results(buffer, objects[2])
    assert [r.get_label(r.get_class(0).label_id) for r in found] == ['blue']
    assert GstDicenetMeta.buffer_get_dicenet_object_results(buffer, objects[0]) == []
    assert GstDicenetMeta.buffer_get_dicenet_objects(Gst.Buffer.new()) == []


def check_bare():
    """Structures that only Python made are refused, each with a critical warning."""
    bare = GstDicenetMeta.DicenetResult()
    bare.model = "mine"
    bare.add_class(1, 0.5)
    assert bare.get_n_classes() == 0 and bare.get_label(0) is None
    assert GstDicenetMeta.buffer_add_dicenet_meta(Gst.Buffer.new(), bare, 8, 8, [], 0) is None
    # Boxes that are none are left out.
    result = GstDicenetMeta.DicenetResult.new(TASK.DETECT, "m", ["a", "b"], 0)
    boxes = [GstDicenetMeta.DicenetDetection() for _ in range(3)]
    for box, x in zip(boxes, [float("nan"), 1, -float("inf")]):
        box.label_id, box.x, box.y, box.w, box.h = 1, x, 1, 4, 4
    buffer = Gst.Buffer.new()
    meta = GstDicenetMeta.buffer_add_dicenet_meta(buffer, result, 8, 8, boxes, 0)
    assert [meta.get_detection(i).x for i in range(meta.get_n_detections())] == [1]
    assert GstDicenetMeta.DicenetMeta().get_mask(0, 0) is None
    assert not hasattr(GstDicenetMeta.DicenetResult, "unref")


def main():
    Gst.init(None)
    buffer = make_buffer()
    # A copy, after the original was freed: objects in Python must not depend on it.
    copy = buffer.copy_deep()
    del buffer
    check_detections(copy)
    check_classes(copy)
    check_mask(copy)
    check_second_stage(copy)
    check_objects(make_buffer())
    check_all(copy)
    check_fields()
    check_bare()
    assert GstDicenetMeta.buffer_get_dicenet_meta(Gst.Buffer.new(), TASK.DETECT) is None


main()
