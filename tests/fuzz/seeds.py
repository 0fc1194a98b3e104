#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the seeds of the fuzz targets: small inputs that reach much code, one folder per target."""

import argparse
import json
import os
import struct

METADATA = {
    "format": "dicenet",
    "format_version": "1",
    "scale": "0.1",
    "size": "64x64",
    "kernel_size": "224x224",
    "mean": "[0.485,0.456,0.406]",
    "std": "[0.229,0.224,0.225]",
}


def model_file(metadata, shape=(2, 3), dtype="F32", end=24):
    tensor = {"dtype": dtype, "shape": list(shape), "data_offsets": [0, end]}
    header = json.dumps({"__metadata__": metadata, "a": tensor}).encode()
    return b"F" + struct.pack("<Q", len(header)) + header + bytes(end)


def model_change(base, metadata=None, *changes):
    text = json.dumps(metadata).encode() if metadata else b""
    return b"%d" % base + text + b"\0" + b"".join(struct.pack("<HBI", *change) for change in changes)


def models():
    classify = {**METADATA, "task": "classify", "classes": "21", "multi_label": "true", "threshold": "0.25"}
    detect = {**METADATA, "task": "detect", "classes": "5", "pyramid": "false", "labels": json.dumps(list("abcde"))}
    detect["prior_sizes"] = "[6,16,26,36,46,56,66]"
    detect["thresholds"] = "[0,0.25,0.5,0.75,1]"
    ranges = {"int8_ranges": json.dumps([[-1, 2.5]] * 23)}  # as many as this segmenter has convolutions in int8
    segment = {**METADATA, "task": "segment", "classes": "21", "background": "0", "decoder_width": "16"}
    yield from (model_file(metadata) for metadata in (classify, detect, segment))
    yield model_file(classify, (6,), "F16", 12)
    yield from (model_change(base) for base in range(8))
    yield model_change(0, classify)
    yield model_change(2, segment)
    yield model_change(3, detect)
    yield model_change(5, {**METADATA, "scale": "0.3", "task": "classify", "classes": "3", "backbone": "mobilenet"})
    yield model_change(6, {**METADATA, "scale": "0.16", "task": "classify", "classes": "3", "backbone": "resnet"})
    cells = {"head": "anchor-free", "head_width": "16", "context_width": "24"}
    yield model_file({**METADATA, "task": "detect", "classes": "5", **cells})
    yield model_change(7, {**METADATA, "scale": "0.1", "task": "detect", "classes": "5", **cells})
    yield model_file({**segment, **ranges})
    yield model_change(2, {**segment, **ranges})
    yield model_change(0, {**classify, "int8_ranges": "[[0,1],[-1e30,0],[0]]"})
    yield model_change(2, {**segment, "int8_means": "[[0.5,0,-1],[1e30],[]]"})
    infinity, nan = 0x7F800000, 0x7FC00000
    yield from (model_change(base, None, (7, 6, number)) for base in (0, 2, 3, 7) for number in (infinity, nan))
    yield from (model_change(0, None, (1, what, 64)) for what in range(6))


def labels():
    classes = [f"class {i}" for i in range(21)]
    objects = ["background", "person", "car", "dog", "cat"]
    hard = ['"quoted"', "a\\b", "<b>", "\u05e9\u05dc\u05d5\u05dd", "\U0001f600"]
    for flags, names in ((0, classes), (2, classes), (1, objects), (3, objects), (3, objects[1:]), (3, hard)):
        yield bytes([flags]) + "\n".join(names).encode()
    yield b"\3" + "\r\n".join(objects).encode() + b"\r\n\r\n"
    yield b"\1" + b"\xef\xbb\xbf" + "\n".join(objects).encode()


def jsons():
    box = struct.pack("<B5f", 1, 0.5, 4.0, 5.0, 20.5, 1e9)
    results = {
        "detect": b"\1label\0model\0" + 3 * box + b"\3\0",
        "classify": b"\0a \"quoted\" one\0m\0\2\1" + struct.pack("<f", 0.25) + b"\3" + struct.pack("<f", 1e-9) + b"\0",
        "segment": b"\2label\0model\0\1\0",
    }
    tags = ('{"camera": "north", "n": [1, -2.5e3, true, null]}', '"text"', "12", "[[], {}]", "")
    for text in tags:
        for result in results.values():
            yield text.encode() + b"\0source\0" + b"\x41" + struct.pack("<Q", 10**9) + result
    yield b'{"a": 1}\0\0\x42' + struct.pack("<4I", 8, 8, 32, 32) + results["detect"]
    yield b'{"unclosed": \0\0\x40' + results["detect"]


def properties():
    texts = {
        0: ("person=0.6,car=0.4", "Dog = 1e-3 ,", "nobody=0.5", "person=2", "=0.5"),
        1: ("person, car", "CAT", "nobody", " , "),
        2: ("auto", "model", "native", "48x64", "31x32", "64x", "x"),
        3: ("/nowhere", "", "/proc/self/fd"),
        6: ("", "nothing", "/nowhere.safetensors", "../x"),
    }
    for choice, values in texts.items():
        for value in values:
            yield bytes([choice]) + value.encode() + b"\0"
            yield bytes([choice | 128]) + value.encode() + b"\0"
    yield b"\0person=0.6\0\1person\0\4" + b"64x32\0"


def shapes():
    texts = (
        "door:0.1,0.5,0.9,0.5; a:person, car:0,0,1,1",
        "till:0.1,0.1,0.4,0.1,0.4,0.6,0.1,0.6,0.1,0.1;b:0,0,1,0,1,1",
        "door",
        "x:0,0,1,1;x:1,1,0,0",
        "till:0,0,1,1,1,0,0,1",
        ":1e-3,.5,nan,-1",
    )
    for text in texts:
        yield from (kind + text.encode() for kind in (b"\0", b"\1"))
    def box(x, y, flags):
        return struct.pack("<BB4H", flags, 3, *(int(655.36 * at) | 1 for at in (x, y, 10, 20)))

    for text in (b"\0door:0.1,0.5,0.9,0.5\0", b"\1till:0,0.5,1,0.5,1,1,0,1\0"):
        yield text + b"".join(box(45, at, 0x34) for at in (*range(10, 60, 3), *range(60, 10, -3)))
        yield text + b"".join(box(45, at, flags) for at in range(0, 90, 2) for flags in (0x20, 0x41))
        yield text + b"".join(box(45, at, 0x30) + bytes([0, 255]) * 5 for at in (10, 11, 70, 71, 10, 11))
    line = '{"name": "d\\u00f6\\ud83d\\ude00r", "points": [[0.1, 0.5], [0.9, 5e-1]], "classes": ["person"]}'
    zone = '{"name": "till", "points": [[0, 0], [1, 0], [1, 1], [0, 0]]}'
    for text in (f'{{"lines": [{line}], "zones": [{zone}]}}', f'{{"zones": [{zone},\n{zone}]}}', "{}", "[]", '{"lines": {}}'):
        yield b"\2" + text.encode()


def caps(kind, width, height, more=0, fractions=b""):
    """Bytes from which fuzz-elements.c makes caps; sizes are up to 256."""
    return bytes([more, 0, width - 1, height - 1, kind]) + fractions


def elements():
    segment = bytes([1, 1, 0, 0, 0, 0, 0, 0])
    frame = bytes([0, 0, 7, 128])
    for element in range(13):  # as many as fuzz-elements.c has
        for kind in (0, 6, 10, 12, 14, 16):
            yield bytes([element]) + caps(kind, 64, 48) + segment + 3 * frame
        yield bytes([element]) + caps(12, 33, 31, 3, bytes([6, 5, 8, 0])) + segment + frame + bytes([120]) + caps(
            0, 20, 60
        ) + frame
        yield bytes([element]) + caps(3, 64, 48) + segment + frame + bytes([150, 10]) + segment + frame + bytes([150, 4])
        no_boxes = bytes([1, 1, 0])
        boxes = bytes([1, 1, 3]) + bytes([1, 128 + 8] + 4 * [0, 160, 1]) * 3
        mask = bytes([2, 1, 20, 20]) + bytes(range(64))
        classes = bytes([0, 1, 3, 1, 136, 2, 136, 3, 136])
        for result in (no_boxes, boxes, mask, classes):
            yield bytes([element]) + caps(0, 128, 96) + segment + bytes([0, 64, 7, 128]) + result + frame
        for state in range(4):
            yield bytes([element]) + caps(1, 40, 40) + segment + frame + bytes([230, state, 1, 120]) + caps(
                1, 40, 40
            ) + frame
        yield bytes([element]) + caps(12, 48, 48) + segment + b"".join(bytes([200, i, 1, 0, 0, 0]) for i in range(8)) + frame
        yield bytes([element]) + caps(12, 48, 48) + segment + bytes([0, 0, 4, 0, 1, 2, 3, 4, 5, 6]) + frame
        yield bytes([element]) + caps(12, 48, 48) + segment + bytes([0, 16, 7, 128, 0, 8, 8, 16, 16]) + frame


def write(folder, inputs):
    os.makedirs(folder, exist_ok=True)
    for i, data in enumerate(inputs):
        with open(os.path.join(folder, f"{i:03}"), "wb") as file:
            file.write(data)


def main(folder):
    targets = {"elements": elements, "json": jsons, "labels": labels, "model": models, "properties": properties}
    targets |= {"shapes": shapes}
    for target, inputs in targets.items():
        write(os.path.join(folder, target), inputs())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="where they are written")
    main(parser.parse_args().folder)
