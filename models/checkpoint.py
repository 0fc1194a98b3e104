# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a PyTorch state_dict from files that torch.save() wrote, without PyTorch.

There are two containers: the legacy one (five pickles, followed by the storages) and the zip archive that PyTorch has
written since 1.6. statepickle.py interprets the pickles, without executing anything.
"""

import io
import os
import struct
import zipfile

import numpy as np

from errors import ModelError
from readfile import regular
from statepickle import STORAGES, Machine, Tensor, shown, type_name

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

# Far above any DiCENet checkpoint (21 MB at scale 2.4, three times that with optimizer state). Larger files are
# rejected before they fill the memory.
MAX_FILE_BYTES = 1 << 29


class Checkpoint:
    """The tensors of a checkpoint by name, and the bytes that they are views of."""

    def __init__(self, tensors, storage_bytes):
        self.tensors = tensors
        self._storage_bytes = storage_bytes

    def array(self, name):
        """Returns the floating-point tensor `name` as a contiguous float32 or float64 array (float16 is converted to
        float32)."""
        tensor = self.tensors[name]
        storage = tensor.storage
        try:
            data = self._storage_bytes(storage)
            _check_bounds(tensor)
        except ModelError as error:
            raise ModelError(f"tensor {name}: {error}") from None
        numbers = np.frombuffer(data, STORAGES[storage.kind], storage.count)
        item = numbers.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[tensor.offset :], tensor.shape, [stride * item for stride in tensor.strides], writeable=False
        )
        if storage.kind == "BFloat16Storage":
            return (view.astype("<u4") << 16).view("<f4")
        return np.ascontiguousarray(view, "<f8" if storage.kind == "DoubleStorage" else "<f4").reshape(tensor.shape)


def read(path):
    """Reads the checkpoint in the file `path`. Raises ModelError, with the file's name, if it is not one."""
    try:
        return _read_bytes(_file_bytes(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _file_bytes(path):
    with open(path, "rb", opener=regular) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(
                f"{size} bytes are too many: a checkpoint of this network has less than "
                f"{MAX_FILE_BYTES} bytes; give a file that torch.save(model.state_dict(), ...) wrote"
            )
        return file.read(size)


def _read_bytes(data):
    if not data:
        raise ModelError("the file is empty; download or save it again")
    if data.startswith(b"PK"):
        root, storage_bytes = _read_zip(data)
    else:
        root, storage_bytes = _read_legacy(data)
    return Checkpoint(_state_dict(root), storage_bytes)


def _state_dict(root):
    """Finds the state_dict in the unpickled object, and removes the prefixes that wrappers such as DataParallel add."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(root, dict) and isinstance(root.get(key), dict):
            root = root[key]
            break
    if not isinstance(root, dict):
        raise ModelError(f"expected a state_dict, found a {type_name(root)}; save model.state_dict()")
    for name, value in root.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"expected a state_dict of named tensors, found a {type_name(value)} under {shown(name)}; "
                "save model.state_dict()"
            )
    tensors = {name: value for name, value in root.items() if not name.endswith("num_batches_tracked")}
    if not tensors:
        raise ModelError("the state_dict has no tensors; save model.state_dict() of the trained network")
    start = 0  # slice each name only once: a malicious name may be long and consist of prefixes only
    while True:
        prefixes = ("module.", "model.", "_orig_mod.")
        prefix = next((p for p in prefixes if all(name.startswith(p, start) for name in tensors)), None)
        if prefix is None:
            return {name[start:]: value for name, value in tensors.items()}
        start += len(prefix)


# Containers


def _read_legacy(data):
    stream = io.BytesIO(data)
    _check_legacy_magic(stream)
    protocol = Machine(stream).run("protocol number")
    if protocol != LEGACY_PROTOCOL:
        raise ModelError(
            f"expected protocol {LEGACY_PROTOCOL} of PyTorch's legacy format, found {shown(protocol)}; "
            "save the state_dict again with a current PyTorch"
        )
    system = Machine(stream).run("system description")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ModelError("was not written by a little-endian machine; load and save it again on one")
    machine = Machine(stream)
    root = machine.run("state_dict")
    keys = Machine(stream).run("list of storages")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ModelError(
            f"is damaged: expected the list of storages, found a {type_name(keys)}; download or save it again"
        )
    places = _legacy_places(data, stream.tell(), keys, machine.storages)

    def storage_bytes(storage):
        if storage.key not in places:
            raise ModelError(f"its storage {shown(storage.key)} is not in the file; download or save it again")
        start, length = places[storage.key]
        return memoryview(data)[start : start + length]

    return root, storage_bytes


def _check_legacy_magic(stream):
    try:
        magic = Machine(stream).run("magic number")
    except ModelError:
        if stream.getvalue()[:1] == b"\x80":
            raise
        magic = None
    if magic != LEGACY_MAGIC:
        raise ModelError(
            f"is not a PyTorch checkpoint: expected a zip archive or PyTorch's legacy pickle, found a file "
            f"that starts with {stream.getvalue()[:8]!r}; give a file that torch.save(model.state_dict(), "
            "...) wrote"
        )


def _legacy_places(data, position, keys, storages):
    """Positions of the storages: each is a 64-bit count followed by as many numbers, in the order of `keys`."""
    places = {}
    for key in keys:
        if key not in storages or key in places:
            raise ModelError(f"is damaged: storage {shown(key)} belongs to no tensor; download or save it again")
        if position + 8 > len(data):
            raise ModelError(
                f"is cut short: storage {shown(key)} should start at byte {position}, but the file ends "
                f"at {len(data)}; download or save it again"
            )
        storage = storages[key]
        (count,) = struct.unpack_from("<q", data, position)
        if count != storage.count:
            raise ModelError(
                f"is damaged: storage {shown(key)} should have {storage.count} numbers, found {count}; "
                "download or save it again"
            )
        start, length = position + 8, count * STORAGES[storage.kind].itemsize
        if start + length > len(data):
            raise ModelError(
                f"is cut short: storage {shown(key)} should end at byte {start + length}, but the file "
                f"ends at {len(data)}; download or save it again"
            )
        places[key] = (start, length)
        position = start + length
    return places


def _read_zip(data):
    archive = _Archive(data)
    machine = Machine(io.BytesIO(archive.read("data.pkl")))
    root = machine.run("state_dict")
    if archive.has("byteorder") and archive.read("byteorder").strip() != b"little":
        raise ModelError("was not written by a little-endian machine; load and save it again on one")

    def storage_bytes(storage):
        expected = storage.count * STORAGES[storage.kind].itemsize
        found = archive.read("data/" + storage.key)
        if len(found) != expected:
            raise ModelError(
                f"its storage {shown(storage.key)} should have {expected} bytes, found {len(found)}; "
                "download or save it again"
            )
        return found

    return root, storage_bytes


class _Archive:
    """PyTorch's zip archive: NAME/data.pkl, NAME/data/0, NAME/data/1, ... all uncompressed."""

    def __init__(self, data):
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        except Exception as error:  # a damaged directory can make zipfile raise any exception
            raise ModelError(f"is a damaged or truncated zip archive ({error}); download or save it again") from None
        pickles = [name for name in self._entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ModelError(
                f"is a zip archive, but not a PyTorch checkpoint: expected one NAME/data.pkl in it, found "
                f"{len(pickles)}; give a file that torch.save(model.state_dict(), ...) wrote"
            )
        self._folder = pickles[0][: -len("data.pkl")]
        if self._folder + "constants.pkl" in self._entries:
            raise ModelError("is a TorchScript program; save model.state_dict() instead")

    def has(self, name):
        return self._folder + name in self._entries

    def read(self, name):
        if not self.has(name):
            raise ModelError(f"{shown(self._folder + name)} is not in the archive; download or save it again")
        entry = self._entries[self._folder + name]
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ModelError(
                f"{shown(entry.filename)} is compressed, which PyTorch does not do; save the state_dict "
                "again with PyTorch"
            )
        try:
            return self._zip.read(entry)
        except Exception as error:
            raise ModelError(f"{shown(entry.filename)} is damaged ({error}); download or save it again") from None


def _check_bounds(tensor):
    """Raises ModelError unless all elements of the tensor are within its storage."""
    count = 1
    last = tensor.offset
    if len(tensor.shape) != len(tensor.strides):
        raise ModelError(
            f"{len(tensor.shape)} dimensions, but {len(tensor.strides)} strides; download or save it again"
        )
    for size, stride in zip(tensor.shape, tensor.strides, strict=True):
        count *= size
        last += (size - 1) * stride
    if count == 0:
        raise ModelError("has no elements")
    if last >= tensor.storage.count or count > tensor.storage.count:
        raise ModelError(f"reaches to element {last} of a storage of {tensor.storage.count}; download or save it again")
