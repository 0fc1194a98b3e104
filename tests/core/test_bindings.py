#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library in Python: the introspected functions work, and the mask of a photo is the same as after scaling with
Pillow.

test_bindings.py MODELS_FOLDER PROJECT_ROOT VERSION
"""

import gc
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

from photos import find_photos  # noqa: E402

SKIPPED = 77
# The allowed difference between masks of photos and those after scaling with Pillow. Scaling is bit-exact, so there
# should be none.
MASK_PIXELS_THAT_MAY_DIFFER = 0.01

try:
    import gi

    gi.require_version("Dicenet", "1.0")
    from gi.repository import Dicenet, GLib
except (ImportError, ValueError) as error:
    print(f"SKIP: {error}")
    sys.exit(SKIPPED)
try:
    from PIL import Image
except ImportError:
    Image = None


def session_of(path):
    options = Dicenet.Options()
    options.set_backend(Dicenet.Backend.CPU)
    options.set_threads(2)
    return Dicenet.Session.new(Dicenet.Model.load(path), options)


def request_of(width, height):
    request = Dicenet.Request()
    request.set_size(width, height)
    return request


def noise(n):
    return bytes((i * 7919 >> 3) & 255 for i in range(n))


def check_error(code, words, call, *arguments):
    try:
        call(*arguments)
    except GLib.Error as error:
        assert error.matches(Dicenet.error_quark(), code), error
        assert words in error.message, error.message
    else:
        raise AssertionError(f"expected an error that says {words!r}")


def check_classify(folder):
    session = session_of(f"{folder}/core-classify.safetensors")
    model = session.get_model()
    assert model.get_task() == Dicenet.Task.CLASSIFY and model.get_size() == (64, 64)
    assert model.fit_size(2.0) == (128, 64)
    request = request_of(64, 64)
    request.set_outputs(True)
    request.set_threshold(0)
    result = session.run_bytes(GLib.Bytes(noise(50 * 40 * 3)), Dicenet.PixelFormat.RGB, 50, 40, request)
    logits = result.get_output("logits", 0)
    classes = result.get_classes(0)
    assert len(logits) == len(model.get_labels()) == 21
    assert len(classes) == 5 and classes[0].label_id == max(range(21), key=lambda i: logits[i])
    other = session.run_tensor([0.0] * (3 * 64 * 64), 1, request)
    assert other.get_output("logits", 0) != logits == result.get_output("logits", 0)
    too_few = GLib.Bytes(noise(10))
    check_error(Dicenet.Error.ARGUMENT, "found 10", session.run_bytes, too_few, Dicenet.PixelFormat.RGB, 50, 40, None)
    check_error(Dicenet.Error.NOT_FOUND, "/nonexistent", Dicenet.Model.load, "/nonexistent")


def check_detect(folder):
    session = session_of(f"{folder}/core-detect.safetensors")
    request = Dicenet.Request()
    request.set_threshold(0.2)
    request.set_max_detections(3)
    request.set_outputs(True)
    pixels = GLib.Bytes(noise(64 * 64 * 4))
    submissions = [session.submit_bytes(pixels, Dicenet.PixelFormat.BGRX, 64, 64, request) for _ in range(3)]
    del session  # submissions hold a reference
    result = submissions[1].wait()
    check_error(Dicenet.Error.ARGUMENT, "told already", submissions[1].wait)
    assert result.get_model().get_task() == Dicenet.Task.DETECT and result.get_size() == (64, 64)
    assert result.get_model().get_thresholds() == []
    boxes = result.get_boxes(0)
    assert 0 < len(boxes) <= 3, len(boxes)
    assert len(result.get_priors()) == len(result.get_output("locations", 0))
    del result  # boxes are copies
    gc.collect()
    assert [[b.x0, b.label_id] for b in boxes] == [[b.x0, b.label_id] for b in submissions[0].wait().get_boxes(0)]
    assert boxes[0].confidence >= boxes[-1].confidence >= 0.2 and boxes[0].label_id in range(1, 5)
    assert boxes[0].x0 < boxes[0].x1 and boxes[0].y0 < boxes[0].y1


def check_one_class(folder):
    """Boxes of different classes that overlap too far: those of higher confidence stay."""
    session = session_of(f"{folder}/core-detect.safetensors")
    request = request_of(64, 64)
    request.set_threshold(0)
    request.set_max_detections(0)
    pixels = GLib.Bytes(noise(64 * 64 * 4))

    def found(limit):
        request.set_cross_class_iou_threshold(limit)
        result = session.run_bytes(pixels, Dicenet.PixelFormat.BGRX, 64, 64, request)
        return [(*(min(max(x, 0), 1) for x in (b.x0, b.y0, b.x1, b.y1)), b.label_id) for b in result.get_boxes(0)]

    every, expected = found(1), []
    for box in every:
        if not any(box[4] != other[4] and iou(box, other) > 0.6 for other in expected):
            expected.append(box)
    assert found(0.6) == expected and 0 < len(expected) < len(every), (len(expected), len(every))


def iou(a, b):
    w, h = (min(a[2 + i], b[2 + i]) - max(a[i], b[i]) for i in range(2))
    common = max(w, 0) * max(h, 0)
    return common and common / (sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - common)


def check_thresholds(folder):
    session = session_of(f"{folder}/core-tags.safetensors")
    thresholds = session.get_model().get_thresholds()
    assert [round(threshold, 3) for threshold in thresholds] == [0, 1, 0.02, 0.98]
    request = request_of(64, 64)
    request.set_class_thresholds([0, 0, -1, 2])
    classes = session.run_tensor([0.0] * (3 * 64 * 64), 1, request).get_classes(0)
    assert {0, 1} <= {found.label_id for found in classes} <= {0, 1, 2}


def check_heads(folder):
    """What raw outputs are depends on the head."""
    request = request_of(64, 64)
    request.set_outputs(True)
    for name, head, values in (("detect", Dicenet.Head.SSD, 5), ("anchor-free", Dicenet.Head.ANCHOR_FREE, 4)):
        session = session_of(f"{folder}/core-{name}.safetensors")
        result = session.run_bytes(GLib.Bytes(noise(64 * 64 * 4)), Dicenet.PixelFormat.BGRX, 64, 64, request)
        assert result.get_model().get_head() == head
        priors = len(result.get_priors()) // 4
        assert len(result.get_output("confidences", 0)) == values * priors
        assert len(result.get_output("locations", 0)) == 4 * priors


def check_rectangle(folder):
    session = session_of(f"{folder}/core-segment.safetensors")
    request = request_of(64, 48)
    pixels = noise(50 * 40)
    part = b"".join(pixels[50 * row + 7 : 50 * row + 7 + 30] for row in range(3, 3 + 20))
    expected = session.run_bytes(GLib.Bytes(part), Dicenet.PixelFormat.GRAY8, 30, 20, request)
    request.set_rectangle(7, 3, 30, 20)
    found = session.run_bytes(GLib.Bytes(pixels), Dicenet.PixelFormat.GRAY8, 50, 40, request)
    assert found.get_mask(0).equal(expected.get_mask(0))


def mask_of(session, image, width, height):
    pixels = GLib.Bytes(image.tobytes())
    result = session.run_bytes(pixels, Dicenet.PixelFormat.RGB, *image.size, request_of(width, height))
    return result.get_mask(0).get_data()


def check_photos(root):
    photos = find_photos()[:4]
    session = session_of(os.path.join(root, "models", "dicenet-segment.safetensors"))
    something_seen = 0
    for path in photos:
        photo = Image.open(path).convert("RGB")
        width, height = session.get_model().fit_size(photo.width / photo.height)
        ours = mask_of(session, photo, width, height)
        theirs = mask_of(session, photo.resize((width, height), Image.Resampling.BILINEAR), width, height)
        share = sum(a != b for a, b in zip(ours, theirs)) / (width * height)
        print(f"{os.path.basename(path)}: {photo.width}x{photo.height} -> {width}x{height}: {share:.4%} of the mask differ")
        something_seen += len(set(ours)) > 1
        assert share <= MASK_PIXELS_THAT_MAY_DIFFER
    assert something_seen > len(photos) / 2, "masks of background only prove nothing"


def check_bare():
    """Objects that only Python made are refused, each with a critical warning; memory is not for Python to free."""
    assert Dicenet.Session().get_device() is None
    assert not Dicenet.Session().prepare(64, 64, 1)
    assert Dicenet.Model().get_n_parameters() == 0
    assert Dicenet.Model().get_thresholds() == []
    for kind in Dicenet.Options, Dicenet.Request, Dicenet.Result, Dicenet.Submission:
        assert not {"free", "copy", "ref", "unref"} & set(vars(kind)), kind


def check_refused(folder):
    session = session_of(f"{folder}/core-detect.safetensors")
    model = session.get_model()
    for aspect in 1e-300, 1e300, float("inf"):
        assert min(model.fit_size(aspect)) >= 32 and max(model.fit_size(aspect)) <= 4096
    request = request_of(64, 64)
    for setter in request.set_threshold, request.set_iou_threshold, request.set_cross_class_iou_threshold:
        setter(float("nan"))
        assert_refused(session, 12, Dicenet.PixelFormat.RGB, request, "NaN")
        setter(0.5)
    assert_refused(session, 12, Dicenet.PixelFormat.NV12, request, "format of one plane")
    assert_refused(session, 11, Dicenet.PixelFormat.RGB, request, "expected the 12 bytes")


def assert_refused(session, n, pixel_format, request, words):
    try:
        session.run_bytes(GLib.Bytes(bytes(n)), pixel_format, 2, 2, request)
    except GLib.Error as error:
        assert words in error.message, error.message
    else:
        raise AssertionError(f"not refused: {words}")


def main(folder, root, version):
    assert Dicenet.get_version() == version
    check_classify(folder)
    check_detect(folder)
    check_one_class(folder)
    check_thresholds(folder)
    check_heads(folder)
    check_rectangle(folder)
    check_bare()
    check_refused(folder)
    if Image is None:
        print("SKIP: no Pillow; the rest passed")
        return SKIPPED
    check_photos(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
