#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/convert.py on generated checkpoints, valid and invalid ones."""

import json
import os
import struct
import subprocess
import unittest

import common
import numpy as np
import torchfile
from common import network_of

import checkpoint
import convert
import fetch
import modelfile
import network
import ssd
from errors import ModelError


def small_classifier(classes=3, kernel_size=(224, 224)):
    return common.random_arrays("classify", 0.1, classes, "dicenet", kernel_size)


class ModelFile(common.TestCase):
    """models/modelfile.py has the same limits as the library."""

    def refused(self, length, header, message):
        path = self.file("model.safetensors", struct.pack("<Q", length) + header)
        with self.assertRaisesRegex(ModelError, "model.safetensors: is no model file.*" + message):
            modelfile.read(path)

    def test_headers(self):
        deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        self.refused(len(deep), deep, "recursion")
        self.refused(1 << 40, b"{}", "at most 2 bytes, found")
        self.refused((4 << 20) + 2, b"{}".ljust((4 << 20) + 2), "at most 4194304 bytes, found 4194306")
        self.refused(2, b"[]", "")
        with self.assertRaisesRegex(ModelError, "is no model file"):
            modelfile.read(self.file("short.safetensors", b"1234"))
        with self.assertRaisesRegex(ModelError, "at most 1073741824 bytes"):
            with open(self.path("large.safetensors"), "wb") as file:
                file.truncate((1 << 30) + 1)
            modelfile.read(self.path("large.safetensors"))

    def test_too_large_to_write(self):
        with self.assertRaisesRegex(ModelError, "may take 4194304"):
            modelfile.write(self.path("out.safetensors"), {}, {"description": "x" * (4 << 20)})
        self.assertEqual(os.listdir(self.folder), [])


class Tensors(common.TestCase):
    """models/network.py and the library define the same tensors for each network."""

    def info(self, net, size=(64, 64)):
        """Output of the program for a model file without weights."""
        of_task = {
            "classify": {"backbone": net.backbone},
            "segment": {"decoder_width": str(net.decoder_width)},
            "detect": {
                "head": net.head,
                "head_width": str(net.head_width),
                "context_width": str(net.context_width),
                "pyramid": str(net.pyramid).lower(),
            },
        }
        metadata = {
            "format": "dicenet",
            "format_version": "1",
            "task": net.task,
            "scale": net.scale,
            "classes": str(net.classes),
            "size": "{}x{}".format(*size),
            "kernel_size": f"{net.kernel_width}x{net.kernel_height}",
            **of_task[net.task],
        }
        path = self.path("bare.safetensors")
        modelfile.write(path, {}, metadata)
        command = [os.environ["DICENET"], "info", "--json", "--layers", "--no-weights", path]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def check(self, *description):
        net = network_of(*description)
        shapes = dict(network.tensors(net))
        self.assertEqual(network.detect_network(shapes), net)
        layers = self.info(net)["layers"]
        self.assertEqual({name: tuple(shape) for layer in layers for name, shape in layer["tensors"].items()}, shapes)

    def test_every_scale(self):
        for scale in network.SCALES:
            with self.subTest(scale):
                self.check("classify", scale, 1000)
                for classes, decoder_width in ((21, 16), (20, 16), (81, 32), (2, 16)):
                    self.check("segment", scale, classes, "dicenet", (224, 224), False, decoder_width)
                for pyramid in (False, True):
                    self.check("detect", scale, 21, "dicenet", (224, 224), pyramid)
                for classes, width, context in ((21, 72, 256), (2, 1, 1), (81, 96, 100)):
                    self.check(
                        "detect", scale, classes, "dicenet", (304, 200), False, 16, "anchor-free", width, context
                    )

    def test_other_backbones(self):
        for backbone in ("mobilenet", "resnet"):
            for scale in network.BACKBONES[backbone]:
                for size in ((224, 224), (304, 200)):
                    with self.subTest(backbone, scale=scale, size=size):
                        self.check("classify", scale, 9, backbone, size)

    def test_kernel_sizes(self):
        for size in ((224, 224), (256, 128), (304, 200), (40, 32), (520, 1032)):
            self.check("classify", "0.1", 5, "dicenet", size)

    def test_size_that_is_no_multiple_of_8_has_the_kernels_of_the_next(self):
        shapes = dict(network.tensors(network_of("classify", "0.1", 5, "dicenet", (333, 300))))
        self.assertEqual(network.detect_network(shapes), network_of("classify", "0.1", 5, "dicenet", (336, 304)))

    def test_sizes_of_priors(self):
        for size in (32, 33, 64, 96, 180, 300, 301, 448, 512, 777, 1023, 1024, 4096):
            found = self.info(network_of("detect", "0.1", 3), (4096, size))["prior_sizes"]
            self.assertEqual(found, ssd.prior_sizes(size))


class Convert(common.TestCase):
    """Complete conversions."""

    def convert(self, content, name="model.pth", **options):
        source = self.file(name, content)
        target = self.path("out.safetensors")
        convert.convert(source, target, **options)
        return common.read_model(target)

    def test_containers_give_the_same_file(self):
        arrays = small_classifier()
        state = torchfile.state_dict(arrays)
        contents = {
            "legacy": torchfile.legacy(state),
            "zip": torchfile.zipped(state),
            "pickle protocol 4": torchfile.zipped(state, protocol=4),
            "DataParallel": torchfile.legacy(torchfile.state_dict({"module." + n: a for n, a in arrays.items()})),
            "two prefixes": torchfile.zipped(torchfile.state_dict({"module.model." + n: a for n, a in arrays.items()})),
            "wrapped": torchfile.zipped({"epoch": 3, "best": 0.5, "done": True, "note": None, "state_dict": state}),
            "model": torchfile.zipped({"model": state, "optimizer": {"state": {0: {}}, "groups": [{"lr": 0.1}]}}),
            "parameters": torchfile.zipped({n: torchfile.Parameter(t) for n, t in state.items()}),
            "cuda": torchfile.legacy({n: torchfile.tensor(n, a, location="cuda:0") for n, a in arrays.items()}),
        }
        for what, content in contents.items():
            with self.subTest(what):
                found, metadata = self.convert(content)
                self.assertEqual(metadata["task"], "classify")
                self.assertEqual(set(found), set(arrays))
                for name, array in arrays.items():
                    np.testing.assert_array_equal(found[name], array, name)

    def test_backbones(self):
        for backbone, scale in (("mobilenet", 0.3), ("resnet", 0.16)):
            arrays = common.random_arrays("classify", scale, 4, backbone, (64, 48))
            found, metadata = self.convert(torchfile.zipped(torchfile.state_dict(arrays)))
            self.assertEqual(set(found), set(arrays))
            expected = {"task": "classify", "backbone": backbone, "scale": str(scale), "kernel_size": "64x48"}
            self.assertEqual({key: metadata[key] for key in expected}, expected)

    def test_batch_counters_are_left_out(self):
        arrays = small_classifier()
        arrays["level1.cbr.1.num_batches_tracked"] = np.array(7, "<i8")
        found, _ = self.convert(torchfile.zipped(torchfile.state_dict(arrays)))
        self.assertNotIn("level1.cbr.1.num_batches_tracked", found)
        self.assertEqual(len(found), len(arrays) - 1)

    def test_element_types(self):
        arrays = small_classifier()
        bits = arrays["classifier.2.weight"].view("<u4") >> 16
        stored = dict(arrays)
        stored["level1.cbr.0.weight"] = arrays["level1.cbr.0.weight"].astype("<f8")
        stored["level1.cbr.1.weight"] = arrays["level1.cbr.1.weight"].astype("<f2")
        stored["classifier.2.weight"] = bits.astype("<u2")
        found, _ = self.convert(torchfile.zipped(torchfile.state_dict(stored)))
        np.testing.assert_array_equal(found["level1.cbr.0.weight"], arrays["level1.cbr.0.weight"])
        np.testing.assert_array_equal(found["level1.cbr.1.weight"], stored["level1.cbr.1.weight"].astype("<f4"))
        np.testing.assert_array_equal(found["classifier.2.weight"], (bits << 16).view("<f4"))

    def test_views_of_one_storage(self):
        arrays = small_classifier()
        name = "classifier.2.weight"
        shape = arrays[name].shape
        numbers = np.arange(2 * shape[0] * shape[1] + 5, dtype="<f4")
        storage = torchfile.Storage("shared", numbers)
        state = torchfile.state_dict(arrays)
        state[name] = torchfile.Tensor(storage, 5, shape, (1, 2 * shape[0], 1, 1))
        state["classifier.2.bias"] = torchfile.Tensor(storage, 2, shape[:1], (1,))
        for content in (torchfile.legacy(state), torchfile.zipped(state)):
            found, _ = self.convert(content)
            expected = numbers[5 + np.arange(shape[0])[:, None] + 2 * shape[0] * np.arange(shape[1])]
            np.testing.assert_array_equal(found[name][:, :, 0, 0], expected)
            np.testing.assert_array_equal(found["classifier.2.bias"], numbers[2 : 2 + shape[0]])

    def test_description(self):
        segment = common.random_arrays("segment", 0.2, 21)
        detect = common.random_arrays("detect", 0.1, 3, "dicenet", (224, 224), True)
        voc = dict(task="segment", scale="0.2", classes="21", decoder_width="16", kernel_size="224x224")
        cases = (
            ("dicenet_pascal_256x128.pth", segment, {}, dict(voc, size="256x128", background="0")),
            ("mine.pth", segment, {}, dict(voc, size="384x384", background="-1", labels=None)),
            ("mine.pth", segment, dict(background=4), dict(voc, background="4")),
            ("mine_256x256.pth", segment, dict(size=(640, 360)), dict(voc, size="640x360")),
            (
                "ssd512_mine.pth",
                detect,
                {},
                dict(task="detect", classes="3", pyramid="true", size="512x512", background="0", decoder_width=None),
            ),
            ("mine.pth", detect, {}, dict(task="detect", size="300x300", prior_sizes=None)),
            (
                "mine.pth",
                detect,
                dict(prior_sizes=[9, 20, 30.5, 40, 50, 60, 70]),
                dict(prior_sizes="[9, 20, 30.5, 40, 50, 60, 70]"),
            ),
            (
                "mine_320x320.pth",
                common.random_arrays("detect", 0.1, 4, "dicenet", (224, 224), False, 16, "anchor-free", 9, 13),
                {},
                dict(
                    task="detect",
                    classes="4",
                    background="0",
                    head="anchor-free",
                    head_width="9",
                    context_width="13",
                    size="320x320",
                    pyramid=None,
                ),
            ),
            ("mine.pth", small_classifier(), dict(multi_label=True), dict(multi_label="true", size="224x224")),
            ("mine_9999x9.pth", small_classifier(), {}, dict(multi_label="false", background="-1", size="224x224")),
            (
                "mine.pth",
                small_classifier(),
                dict(mean=(0, 0.5, 1), extra={"license": "MIT", "description": "ä"}),
                dict(
                    mean="[0, 0.5, 1]", std="[0.229, 0.224, 0.225]", license="MIT", description="ä", source="mine.pth"
                ),
            ),
        )
        for name, arrays, options, expected in cases:
            with self.subTest(name, **options):
                _, metadata = self.convert(torchfile.zipped(torchfile.state_dict(arrays)), name, **options)
                self.assertEqual((metadata["format"], metadata["format_version"]), ("dicenet", "1"))
                self.assertEqual({key: metadata.get(key) for key in expected}, expected)
                self.assertTrue(all(isinstance(value, str) for value in metadata.values()))

    def test_labels(self):
        content = torchfile.zipped(torchfile.state_dict(small_classifier()))
        labels = self.file("labels.txt", "cat\nbird of prey\r\nöl\n\n".encode())
        _, metadata = self.convert(content, labels=labels)
        self.assertEqual(json.loads(metadata["labels"]), ["cat", "bird of prey", "öl"])
        detect = torchfile.zipped(torchfile.state_dict(common.random_arrays("detect", 0.1, 4)))
        _, metadata = self.convert(detect, labels=labels)
        self.assertEqual(json.loads(metadata["labels"]), ["background", "cat", "bird of prey", "öl"])

    def test_byte_order_mark(self):
        content = torchfile.zipped(torchfile.state_dict(small_classifier()))
        _, metadata = self.convert(content, labels=self.file("labels.txt", b"\xef\xbb\xbfcat\r\ndog\r\nfox\r\n"))
        self.assertEqual(json.loads(metadata["labels"]), ["cat", "dog", "fox"])

    def test_other_line_ends(self):
        """Only line feeds end labels, as in the library; Python's other line separators are part of them."""
        content = torchfile.zipped(torchfile.state_dict(small_classifier()))
        _, metadata = self.convert(content, labels=self.file("labels.txt", "a\u2028b\nc\x85d\ne\x1ef\n".encode()))
        self.assertEqual(json.loads(metadata["labels"]), ["a\u2028b", "c\x85d", "e\x1ef"])

    def test_what_is_no_file(self):
        """A FIFO does not block, and an endless file is not read."""
        content = torchfile.zipped(torchfile.state_dict(small_classifier()))
        huge = self.path("huge")
        with open(huge, "wb") as file:
            file.truncate(1 << 40)
        for path, message in (
            (self.fifo("fifo"), "not a regular file"),
            ("/dev/zero", "not a regular file"),
            (self.folder, "Is a directory"),
            (huge, "1099511627776"),
        ):
            for read in (
                modelfile.read,
                checkpoint.read,
                lambda path: self.convert(content, labels=path),
                fetch.Manifest,
            ):
                with self.subTest(path=path, read=read), self.assertRaisesRegex(ModelError, message):
                    read(path)

    def test_bad_labels(self):
        content = torchfile.zipped(torchfile.state_dict(small_classifier()))
        for text, message in (
            (b"a\nb\n", "expected 3 labels, one per line, found 2"),
            (b"a\n\nb\n", "line 2 is empty"),
            (b"\xff\xfe\n", "UTF-8"),
            (b"a\nb\0b\nc\n", r"line 2 has U\+0000"),
            (b"a\nb\n" + b"x" * 4097, "line 3 has 4097 bytes; expected a label of at most 4096 bytes"),
        ):
            with self.assertRaisesRegex(ModelError, message):
                self.convert(content, labels=self.file("labels.txt", text))
        with self.assertRaisesRegex(ModelError, "none.txt: cannot be read"):
            self.convert(content, labels=self.path("none.txt"))

    def test_known_labels_have_their_number_and_no_doubles(self):
        for _, classes, file in convert.KNOWN_LABELS:
            with open(os.path.join(convert.LABELS_FOLDER, file), encoding="utf-8") as stream:
                names = stream.read().splitlines()
            self.assertEqual((len(names), len(set(names)), "" in names), (classes, classes, False), file)

    def test_float16(self):
        arrays = small_classifier()
        arrays["level1.cbr.1.running_var"][:] = 6e-45
        found, _ = self.convert(torchfile.zipped(torchfile.state_dict(arrays)), dtype="f16")
        for name, array in arrays.items():
            expected = array.astype("<f2") if array.ndim > 1 else array
            self.assertEqual(found[name].dtype, expected.dtype, name)
            np.testing.assert_array_equal(found[name], expected)

    def test_number_out_of_range_of_float16(self):
        arrays = small_classifier()
        arrays["classifier.2.weight"][1, 2] = 70000
        with self.assertRaisesRegex(ModelError, r"tensor classifier.2.weight: 70000 is out of the range.*--dtype f32"):
            self.convert(torchfile.zipped(torchfile.state_dict(arrays)), dtype="f16")
        self.assertFalse(os.path.exists(self.path("out.safetensors")))


class WrongTensors(common.TestCase):
    """State_dicts that are not those of a DiCENet: the message names the tensor, the expected and the actual shape."""

    def check(self, change, pattern):
        arrays = small_classifier()
        state = torchfile.state_dict(arrays)
        change(arrays, state)
        source = self.file("model.pth", torchfile.zipped(state))
        target = self.file("out.safetensors", b"as before")
        with self.assertRaisesRegex(ModelError, "model.pth: .*" + pattern):
            convert.convert(source, target)
        with open(target, "rb") as file:
            self.assertEqual(file.read(), b"as before")
        self.assertEqual(sorted(os.listdir(self.folder)), ["model.pth", "out.safetensors"])

    def replace(self, name, array):
        return lambda arrays, state: state.update({name: torchfile.tensor("new", array)})

    def test_missing(self):
        name = "level4.3.layer_right.1.conv_width.weight"
        self.check(lambda arrays, state: state.pop(name), rf"tensor {name} is missing.*\[14, 1, 3, 3\]")

    def test_surplus(self):
        self.check(
            self.replace("level6.weight", np.ones(3, "<f4")), "tensor level6.weight is none of a classify network"
        )

    def test_shape(self):
        name = "level5.1.layer_right.1.conv_height.weight"
        self.check(
            self.replace(name, np.ones((8, 1, 3, 3), "<f4")),
            rf"tensor {name}: expected the shape \[7, 1, 3, 3\].*found \[8, 1, 3, 3\]",
        )

    def test_scale(self):
        self.check(
            self.replace("level1.cbr.0.weight", np.ones((9, 3, 3, 3), "<f4")),
            "level1.cbr.0.weight and level4.* have 9 and 16 channels",
        )

    def test_scalar(self):
        self.check(
            self.replace("classifier.2.weight", np.array(1, "<f4")), r"classifier.2.weight.*found the shape \[\]"
        )

    def test_integers(self):
        self.check(
            self.replace("classifier.2.bias", np.ones(3, "<i8")),
            "tensor classifier.2.bias: expected floating-point numbers, found LongStorage",
        )

    def test_not_finite(self):
        self.check(self.replace("classifier.2.bias", np.array([1, np.nan, 2], "<f4")), "classifier.2.bias.*not finite")

    def test_negative_variance(self):
        self.check(self.replace("level1.cbr.1.running_var", np.full(8, -1, "<f4")), "running_var: expected variances")

    def test_double_out_of_range(self):
        self.check(self.replace("classifier.2.bias", np.full(3, 1e300, "<f8")), "classifier.2.bias: 1e.300 is out of")

    def test_kernels(self):
        name = "level3.0.right_layer.1.conv_width.weight"
        for count in (3, 513):
            self.check(self.replace(name, np.ones((count, 1, 3, 3), "<f4")), f"{name}: expected 4 to 512 kernels")

    def test_other_network(self):
        self.check(
            lambda arrays, state: (state.clear(), state.update(fc=torchfile.tensor("0", np.ones(3, "<f4")))),
            "is no DiCENet network: expected one of the tensors classifier.2.weight",
        )

    def test_no_tensor(self):
        self.check(lambda arrays, state: state.update(epoch=3), "found a int under epoch")

    def test_empty(self):
        self.check(lambda arrays, state: state.clear(), "has no tensors")

    def test_views_outside_the_storage(self):
        numbers = torchfile.Storage("s", np.ones(30, "<f4"))
        for offset, strides in ((28, (1,)), (0, (15,)), (1 << 40, (1,)), (0, (1 << 40,))):
            view = torchfile.Tensor(numbers, offset, (3,), strides)
            self.check(
                lambda arrays, state: state.update({"classifier.2.bias": view}),
                "tensor classifier.2.bias: reaches to element .* of a storage of 30",
            )

    def test_view_that_would_fill_the_memory(self):
        # Shape and strides describe terabytes of classes; the file has three values.
        huge = torchfile.Tensor(torchfile.Storage("s", np.ones(3, "<f4")), 0, (60000, 512, 1, 1), (0, 0, 0, 0))
        bias = torchfile.Tensor(torchfile.Storage("b", np.ones(3, "<f4")), 0, (60000,), (0,))
        self.check(
            lambda arrays, state: state.update({"classifier.2.weight": huge, "classifier.2.bias": bias}),
            "classifier.2.weight: reaches to",
        )
        endless = torchfile.Tensor(torchfile.Storage("s", np.ones(3, "<f4")), 0, (1 << 40, 512, 1, 1), (0, 0, 0, 0))
        self.check(lambda arrays, state: state.update({"classifier.2.weight": endless}), "expected 1 to 65535 classes")

    def test_storage_size(self):
        short = torchfile.Storage("s", np.ones(3, "<f4"), count=4)
        view = torchfile.Tensor(short, 0, (3,), (1,))
        self.check(
            lambda arrays, state: state.update({"classifier.2.bias": view}),
            "tensor classifier.2.bias: its storage s should have 16 bytes, found 12",
        )

    def test_negative_numbers(self):
        for arguments in ((-1, (3,), (1,)), (0, (-3,), (1,)), (0, (3,), (-1,))):
            view = torchfile.Tensor(torchfile.Storage("s", np.ones(3, "<f4")), *arguments)
            self.check(lambda arrays, state: state.update({"classifier.2.bias": view}), "expected a size or an offset")

    def test_multi_label_of_another_task(self):
        arrays = common.random_arrays("segment", 0.1, 2)
        source = self.file("model.pth", torchfile.zipped(torchfile.state_dict(arrays)))
        with self.assertRaisesRegex(ModelError, "only a classify network can be multi-label"):
            convert.convert(source, self.path("out.safetensors"), multi_label=True)


class CommandLine(common.TestCase):
    def test_conversion(self):
        source = self.file("mine_320x160.pth", torchfile.zipped(torchfile.state_dict(small_classifier())))
        target = self.path("out.safetensors")
        process = common.run_script("convert.py", source, target, "--multi-label", "--license", "MIT")
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        self.assertIn("classify, scale 0.1, 3 classes, runs at 320x160", process.stdout)
        _, metadata = common.read_model(target)
        self.assertEqual((metadata["multi_label"], metadata["license"]), ("true", "MIT"))

    def test_mistakes(self):
        source = self.file("m.pth", torchfile.zipped(torchfile.state_dict(small_classifier())))
        target = self.path("out.safetensors")
        for arguments in (
            (source, target, "--size", "300"),
            (source, target, "--size", "31x32"),
            (source, self.path("o")),
            (source, target, "--mean", "1,2"),
            (source, target, "--std", "0,1,1"),
            (source,),
        ):
            process = common.run_script("convert.py", *arguments)
            self.assertEqual(process.returncode, 2)
            self.assertIn("error: ", process.stderr)
        self.assert_failed(common.run_script("convert.py", self.path("none.pth"), target), "none.pth: cannot be read")
        self.assert_failed(
            common.run_script("convert.py", source, self.path("no", "out.safetensors")), "cannot be written"
        )
        self.assert_failed(common.run_script("convert.py", source, target, "--background", 3), "--background 3")
        self.assertEqual(os.listdir(self.folder), ["m.pth"])


if __name__ == "__main__":
    unittest.main()
