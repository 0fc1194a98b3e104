# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes checkpoints like torch.save(), without PyTorch, for tests of convert.py.

Uses Python's pickler, with stand-ins that claim to be in PyTorch's modules.
"""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from unittest import mock

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
KINDS = {
    "<f4": "FloatStorage",
    "<f8": "DoubleStorage",
    "<f2": "HalfStorage",
    "<u2": "BFloat16Storage",
    "<i8": "LongStorage",
}


def _stand_in(module, name):
    def function():
        """Only its name matters."""

    function.__module__, function.__qualname__, function.__name__ = module, name, name
    return function


FUNCTIONS = {
    name: _stand_in("torch._utils", name) for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
}
STORAGE_TYPES = {name: _stand_in("torch", name) for name in KINDS.values()}


class Storage:
    """Numbers in the file, under a key."""

    def __init__(self, key, numbers, count=None, location="cpu"):
        self.key = key
        self.numbers = numbers
        self.kind = KINDS[numbers.dtype.str]
        self.count = numbers.size if count is None else count
        self.location = location


class Tensor:
    """A view of a storage; written as given, even if invalid."""

    def __init__(self, storage, offset, shape, strides, function="_rebuild_tensor_v2"):
        self.arguments = (storage, offset, tuple(shape), tuple(strides))
        self.function = function

    def __reduce__(self):
        extra = (False, OrderedDict()) if self.function == "_rebuild_tensor_v2" else ()
        return FUNCTIONS[self.function], self.arguments + extra


class Parameter:
    """A tensor as torch.nn.Parameter pickles it."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return FUNCTIONS["_rebuild_parameter"], (self.tensor, True, OrderedDict())


def tensor(key, array, **storage):
    """A contiguous tensor on a storage of its own."""
    strides = [stride // array.itemsize for stride in np.ascontiguousarray(array).strides][: array.ndim]
    return Tensor(Storage(key, array.reshape(-1), **storage), 0, array.shape, strides)


def state_dict(arrays):
    """The value of model.state_dict(): tensors by name, in order, with PyTorch's attribute _metadata."""
    result = OrderedDict((name, tensor(str(key), array)) for key, (name, array) in enumerate(arrays.items()))
    result._metadata = OrderedDict([("", {"version": 1})])
    return result


class _Pickler(pickle.Pickler):
    def __init__(self, file, legacy, protocol):
        super().__init__(file, protocol)
        self.legacy = legacy
        self.storages = {}

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.storages[value.key] = value
        identity = ("storage", STORAGE_TYPES[value.kind], value.key, value.location, value.count)
        return identity + (None,) if self.legacy else identity


def _pickle(value, legacy, protocol):
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.__dict__.update(STORAGE_TYPES, _utils=utils)
    utils.__dict__.update(FUNCTIONS)
    stream = io.BytesIO()
    pickler = _Pickler(stream, legacy, protocol)
    with mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}):
        pickler.dump(value)
    return stream.getvalue(), pickler.storages


def legacy(value, protocol=2, system=SYSTEM):
    """The bytes of torch.save(value) before PyTorch 1.6."""
    program, storages = _pickle(value, True, protocol)
    return legacy_of(program, storages, system)


def legacy_of(program, storages=None, system=SYSTEM):
    """Likewise, for an existing pickle."""
    storages = storages or {}
    parts = [pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, system)] + [program, pickle.dumps(list(storages), 2)]
    for storage in storages.values():
        parts += [struct.pack("<q", storage.numbers.size), storage.numbers.tobytes()]
    return b"".join(parts)


def zipped(value, protocol=2, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    """The bytes of torch.save(value) since PyTorch 1.6."""
    program, storages = _pickle(value, False, protocol)
    return zipped_of(program, storages, compression, byteorder)


def zipped_of(program, storages=None, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    """Likewise, for an existing pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", byteorder)
        for key, storage in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", storage.numbers.tobytes())
        archive.writestr("archive/version", b"3\n")
    return stream.getvalue()
