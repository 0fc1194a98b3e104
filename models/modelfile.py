# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads and writes model files: safetensors with the network's description (see docs/model-format.md)."""

import json
import os
import struct

import numpy as np

import outfile
from errors import ModelError
from readfile import regular

ALIGNMENT = 64
DTYPES = {"float32": "F32", "float16": "F16"}
NUMPY = {"F32": "<f4", "F16": "<f2"}

# The same limits as the library's.
MAX_HEADER_BYTES = 4 << 20
MAX_FILE_BYTES = 1 << 30


def read(path):
    """Returns tensors (name -> float32 or float16 array) and metadata (name -> text). Raises ModelError if the file is
    not a model file."""
    try:
        with open(path, "rb", opener=regular) as file:
            header, data = _read_parts(file)
        metadata = header.pop("__metadata__", {})
        arrays = {}
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            arrays[name] = np.frombuffer(data[start:stop], NUMPY[entry["dtype"]]).reshape(entry["shape"])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: is no model file, or damaged ({error}); `dicenet info` says more") from None
    return arrays, metadata


def _read_parts(file):
    """Returns the parsed header and the data after it."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"expected at most {MAX_FILE_BYTES} bytes, found {size}")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(MAX_HEADER_BYTES, size - 8):
        raise ValueError(f"expected a header of at most {min(MAX_HEADER_BYTES, size - 8)} bytes, found {length}")
    return json.loads(file.read(length)), memoryview(file.read(size - 8 - length))


def write(path, tensors, metadata):
    """Writes `tensors` (name -> float32 or float16 array) and `metadata` (name -> text) to `path` atomically."""
    # Wider elements first, so that each tensor is aligned to its element size.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].itemsize)
    header = {"__metadata__": metadata}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise ModelError(
            f"{path}: labels and other metadata take {len(text)} bytes, and may take {MAX_HEADER_BYTES} in all"
        )
    with outfile.open_whole(path) as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for _, array in ordered:
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
