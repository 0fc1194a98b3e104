#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Malicious, damaged and invalid checkpoints: each is rejected, and nothing in it is executed."""

import os
import pickle
import random
import struct
import sys
import time
import unittest
import zipfile
from collections import OrderedDict

import common
import numpy as np
import torchfile

import checkpoint
import convert
import statepickle
from errors import ModelError


def _long(value):
    """LONG1. Multiples of 2**61 - 1 have equal hashes."""
    return b"\x8a\x0a" + value.to_bytes(10, "little")


class Evil:
    """Pickled as a function call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def stack_global(module, name):
    """The instructions that push module.name in pickle protocol 4."""
    text = b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name))
    return b"\x80\x04" + text + b"\x93"


class Hostile(common.TestCase):
    """A checkpoint that contains more than a state_dict is rejected with the name of the function, and executes
    nothing."""

    def refused(self, program, pattern):
        target = self.path("out.safetensors")
        for wrap in (torchfile.legacy_of, torchfile.zipped_of):
            with self.assertRaisesRegex(ModelError, r"model.pth: .*" + pattern):
                convert.convert(self.file("model.pth", wrap(program)), target)
        self.assertFalse(os.path.exists(self.path("executed")))
        self.assertFalse(os.path.exists(target))

    def test_payloads(self):
        touch = f"touch {self.path('executed')}"
        code = f'open({self.path("executed")!r}, "w")'
        payloads = (
            (Evil(os.system, touch), r"posix\.system"),
            # In protocol 2, builtins is __builtin__.
            (Evil(eval, code), r"_*builtins?_*\.eval"),
            (Evil(exec, code), r"_*builtins?_*\.exec"),
            (Evil(getattr, "text", "upper"), r"_*builtins?_*\.getattr"),
            (Evil(__import__, "os"), r"_*builtins?_*\.__import__"),
            (Evil(open, self.path("executed"), "w"), r"_*(builtins?|io)_*\.open"),
            # Deep inside of allowed objects.
            (OrderedDict([("state_dict", OrderedDict([("a", [1, (2, Evil(os.system, touch))])]))]), r"posix\.system"),
            (Evil(OrderedDict, [("a", Evil(os.system, touch))]), r"posix\.system"),
            ({"a": Evil(os.system, touch)}, r"posix\.system"),
        )
        for payload, name in payloads:
            for protocol in (2, 4):
                with self.subTest(name, protocol=protocol):
                    self.refused(pickle.dumps(payload, protocol), f"asks for {name}, .*nothing was executed")
        # Check that the payloads work: Python's unpickler executes this one.
        pickle.loads(pickle.dumps(payloads[0][0]))
        self.assertTrue(os.path.exists(self.path("executed")))

    def test_instructions(self):
        """Names by instructions other than GLOBAL, attribute chains from allowed modules, and objects with methods."""
        touch = f"touch {self.path('executed')}".encode()
        argument = b"X" + struct.pack("<I", len(touch)) + touch
        cases = (
            (b"\x80\x02cos\nsystem\n" + argument + b"\x85R.", r"asks for os\.system"),
            (b"\x80\x02(" + argument + b"ios\nsystem\n.", r"asks for os\.system"),
            (b"\x80\x02(cos\nsystem\n" + argument + b"o.", r"asks for os\.system"),
            (b"(S'touch'\nios\nsystem\n.", r"asks for"),
            (stack_global("torch._utils", "os.system") + argument + b"\x85R.", r"asks for torch\._utils\.os\.system"),
            (stack_global("torch.serialization", "os.system") + b".", r"torch\.serialization\.os\.system"),
            (stack_global("collections", "OrderedDict.fromkeys") + b".", r"collections\.OrderedDict\.fromkeys"),
            (b"\x80\x02ctorch.storage\n_load_from_bytes\n.", r"torch\.storage\._load_from_bytes"),
            (b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81.", r"torch\.nn\.modules\.linear\.Linear"),
            (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "instruction NEWOBJ"),
            (b"\x80\x02\x82\x01.", "instruction EXT1"),
            (b"\x80\x02ccopyreg\n_reconstructor\n.", r"copyreg\._reconstructor"),
            (b"\x80\x02ctorch\nFloatStorage\n)R.", "damaged"),
            (b"\x80\x02ccollections\nOrderedDict\nccollections\nOrderedDict\n\x85R.", "damaged"),
            (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "damaged"),
            (b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.", "damaged"),
            (b"\x80\x02X\x01\x00\x00\x00aQ.", "damaged"),
        )
        for program, pattern in cases:
            with self.subTest(program):
                self.refused(program, pattern)

    def test_nothing_is_imported(self):
        events = []
        programs = [torchfile.legacy_of(pickle.dumps(Evil(os.system, "true"), protocol)) for protocol in (2, 4)]
        programs.append(torchfile.legacy_of(b"\x80\x02cantigravity\nfly\n."))
        paths = [self.file(f"{i}.pth", program) for i, program in enumerate(programs)]
        sys.addaudithook(lambda event, _: events.append(event))
        for path in paths:
            with self.assertRaises(ModelError):
                checkpoint.read(path)
        seen = set(events)
        self.assertFalse(
            seen & {"import", "exec", "compile", "os.system", "pickle.find_class", "subprocess.Popen"}, seen
        )
        self.assertNotIn("antigravity", sys.modules)

    def test_bombs(self):
        """Small pickles that would use all memory or run endlessly."""
        doubled = b"\x80\x02)" + b"".join(b"q\x00h\x00\x86" for _ in range(200))
        cases = (
            (b"\x80\x02}" + doubled[2:] + b"K\x01s.", "a tuple as a key"),
            (b"\x80\x02}(" + b"".join(_long(i * (2**61 - 1)) + b"N" for i in range(1, 4)) + b"u.", "a key that is neither"),
            (doubled + b".", "found a tuple"),
            (b"\x80\x02}X\x01\x00\x00\x00a" + doubled[2:] + b"s.", "found a tuple under a"),
            (b"\x80\x02Nr\xff\xff\xff\x7f.", "found a NoneType"),
            (b"\x80\x02\x8b\xff\xff\xff\x7f", "damaged"),
            (b"\x80\x02\x8b\x00\x10\x00\x00" + b"\x7f" * 4096 + b".", "absurd"),
            (b"\x80\x04\x8d" + b"\xff" * 8 + b".", "damaged"),
            (b"\x80\x04\x95" + b"\xff" * 8 + b".", "damaged|found"),
            (b"\x80\x02" + b"N0" * 600_000 + b"N.", "instructions"),
        )
        for program, pattern in cases:
            with self.subTest(program[:20]):
                self.refused(program, pattern)

    def test_endless_prefix(self):
        """A name that consists of prefixes only takes linear time."""
        value = statepickle.Tensor(statepickle.Storage("FloatStorage", "0", 1), 0, (1,), (1,))
        start = time.process_time()
        tensors = checkpoint._state_dict({"module." * 200_000 + "a": value})
        self.assertEqual(list(tensors), ["a"])
        self.assertLess(time.process_time() - start, 2)

    def test_command_line(self):
        source = self.file(
            "model.pth", torchfile.legacy_of(pickle.dumps(Evil(os.system, f"touch {self.path('executed')}")))
        )
        process = common.run_script("convert.py", source, self.path("out.safetensors"))
        self.assert_failed(process, "model.pth", "posix.system", "nothing was executed")
        self.assertEqual(os.listdir(self.folder), ["model.pth"])


class Damaged(common.TestCase):
    """Truncated and corrupted files: an error that names the file."""

    SMALL = {
        "a.weight": np.arange(24, dtype="<f4").reshape(2, 3, 4),
        "a.bias": np.arange(5, dtype="<f4"),
        "a.num_batches_tracked": np.array(3, "<i8"),
    }

    def read(self, content):
        found = checkpoint.read(self.file("model.pth", content))
        return {name: found.array(name) for name in found.tensors if found.tensors[name].is_floating}

    def test_truncated_everywhere(self):
        for write in (torchfile.legacy, torchfile.zipped):
            content = write(torchfile.state_dict(self.SMALL))
            self.assertEqual(set(self.read(content)), {"a.weight", "a.bias"})
            for length in range(len(content)):
                with self.subTest(write.__name__, length=length), self.assertRaisesRegex(ModelError, "model.pth: "):
                    self.read(content[:length])

    def test_garbled(self):
        """A changed byte results in tensors or in a ModelError."""
        source = random.Random(5)
        for write in (torchfile.legacy, torchfile.zipped):
            content = write(torchfile.state_dict(self.SMALL))
            for _ in range(1500):
                garbled = bytearray(content)
                for _ in range(source.randint(1, 3)):
                    garbled[source.randrange(len(garbled))] = source.randrange(256)
                try:
                    self.read(bytes(garbled))
                except ModelError:
                    pass

    def test_foreign_files(self):
        for content, pattern in (
            (b"", "is empty"),
            (b"<!DOCTYPE html>", r"is not a PyTorch checkpoint.*starts with b'<!DOCTYP'"),
            (bytes(1000), "is not a PyTorch checkpoint"),
            (pickle.dumps({"a": 1}, 2), "is not a PyTorch checkpoint"),
            (b"PK\x03\x04" + bytes(100), "damaged or truncated zip"),
            (self.zip_of("x.txt"), "zip archive, but not a PyTorch checkpoint"),
            (self.zip_of("a/data.pkl", "a/constants.pkl"), "TorchScript"),
        ):
            with self.subTest(content[:20]), self.assertRaisesRegex(ModelError, "model.pth: .*" + pattern):
                self.read(content)

    def zip_of(self, *names):
        with zipfile.ZipFile(self.path("x.zip"), "w") as archive:
            for name in names:
                archive.writestr(name, b"N.")
        with open(self.path("x.zip"), "rb") as file:
            return file.read()

    def test_other_containers(self):
        state = torchfile.state_dict(self.SMALL)
        big = dict(torchfile.SYSTEM, little_endian=False)
        with self.assertRaisesRegex(ModelError, "little-endian"):
            self.read(torchfile.legacy(state, system=big))
        with self.assertRaisesRegex(ModelError, "little-endian"):
            self.read(torchfile.zipped(state, byteorder=b"big"))
        with self.assertRaisesRegex(ModelError, "is compressed"):
            self.read(torchfile.zipped(state, compression=zipfile.ZIP_DEFLATED))

    def test_oversized(self):
        path = self.path("model.pth")
        with open(path, "wb") as file:
            file.truncate(checkpoint.MAX_FILE_BYTES + 1)
        with self.assertRaisesRegex(ModelError, "model.pth: .*too many"):
            checkpoint.read(path)

    def test_unreadable(self):
        for path in (self.path("none.pth"), self.folder):
            with self.assertRaisesRegex(ModelError, "cannot be read"):
                checkpoint.read(path)


if __name__ == "__main__":
    unittest.main()
