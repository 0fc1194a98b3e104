#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the program and dicenetjson write is JSON to a parser that is not ours, whatever labels and numbers are."""

import json
import os
import random
import subprocess
import sys
import unittest

import common

sys.path.append(os.path.join(common.ROOT, "models"))
import modelfile  # noqa: E402

PROGRAM = os.path.join(common.BUILD, "dicenet-core", "tools", "dicenet")
CLASSES = 21
ODD = "\x01\t\n\r\x1b\x1f \"\\/'\x7f\x85\xe9\u2028\u2029\ufeff\ufffd\uffff\U0001f600\U0010ffff"


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def unique(pairs):
    assert len(dict(pairs)) == len(pairs), f"a key twice: {pairs}"
    return dict(pairs)


def parse(data):
    return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)


def random_labels(generator):
    def character():
        if generator.random() < 0.5:
            return generator.choice(ODD)
        code = generator.randrange(1, 0x110000 - 0x800)
        return chr(code if code < 0xD800 else code + 0x800)

    return ["".join(character() for _ in range(generator.randrange(1, 12))) for _ in range(CLASSES)]


class Json(common.TestCase):
    def model(self, labels, **metadata):
        arrays, known = modelfile.read(common.model("classify"))
        path = self.path("odd.safetensors")
        modelfile.write(path, arrays, {**known, "labels": json.dumps(labels), **metadata})
        return path

    def program(self, *arguments, **changes):
        process = subprocess.run([PROGRAM, *arguments], env={**os.environ, **changes}, capture_output=True, timeout=60)
        self.assertEqual(process.returncode, 0, process.stderr)
        return process.stdout

    def test_output_that_is_full(self):
        command = [PROGRAM, "info", "--json", common.model("classify")]
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("standard output cannot be written", process.stderr)

    def test_labels(self):
        generator = random.Random(1)
        for n in range(20):
            labels = random_labels(generator) if n else [ODD] * CLASSES
            path = self.model(labels)
            for locale in "C", "C.UTF-8":
                with self.subTest(labels=labels, locale=locale):
                    found = parse(self.program("info", "--json", path, LC_ALL=locale))
                    self.assertEqual(found["labels"], labels)
                    self.assertEqual(found["model"], path)

    def test_numbers(self):
        for text in "0", "1", "1e-10", "1e-20", "0.1", "0.000001", "1e-45":
            found = parse(self.program("info", "--json", self.model(["a"] * CLASSES, threshold=text)))
            self.assertAlmostEqual(found["threshold"], float(text), delta=float(text) * 1e-6 + 1e-45)
        sizes = [1e-10 + 1, 2, 30.5, 111, 162, 213, 264]
        arrays, known = modelfile.read(common.model("detect"))
        modelfile.write(self.path("d.safetensors"), arrays, {**known, "prior_sizes": json.dumps(sizes)})
        found = parse(self.program("info", "--json", self.path("d.safetensors")))
        self.assertEqual([round(size, 4) for size in found["prior_sizes"]], [1, 2, 30.5, 111, 162, 213, 264])

    def test_bench(self):
        found = parse(self.program("bench", common.model("classify"), "--seconds", "0.01", "--threads", "1", "--json"))
        self.assertEqual((found["backend"], found["threads"], found["batch"]), ("cpu", 1, 1))
        self.assertGreater(found["median_ms"], 0)

    def test_cpu_mask(self):
        """The option and the environment variable take the same values."""
        arguments = ["bench", common.model("classify"), "--seconds", "0", "--threads", "1", "--json"]
        for value, is_mask in ("0", True), ("0x3", True), ("127", True), ("128", False), ("7x", False), ("-1", False):
            with self.subTest(value=value):
                command, environment = [PROGRAM, *arguments], {**os.environ, "DICENET_CPU_MASK": value}
                by_option = subprocess.run([*command, f"--cpu-mask={value}"], capture_output=True, timeout=60)
                by_variable = subprocess.run(command, env=environment, capture_output=True, timeout=60)
                self.assertEqual((by_option.returncode == 0, by_variable.returncode == 0), (is_mask, is_mask))
                if not is_mask:
                    self.assertIn(b"--cpu-mask: expected a number from 0 to 127", by_option.stderr)
                    self.assertIn(b"DICENET_CPU_MASK", by_variable.stderr)
        process = subprocess.run([PROGRAM, *arguments, "--cpu-mask="], capture_output=True, timeout=60)
        self.assertNotEqual(process.returncode, 0)

    def test_text(self):
        """A label can't move the terminal's cursor."""
        text = self.program("info", self.model(["\x1b[2J\x07"] * CLASSES)).decode()
        self.assertTrue(all(c == "\n" or c.isprintable() for c in text), text)

    def test_tasks(self):
        """What is particular to a task, for programs and for people."""
        for task, keys in (
            ("classify", {"multi_label": False, "threshold": 0}),
            ("detect", {"head": "ssd", "pyramid": False, "threshold": 0.5}),
            ("segment", {"decoder_width": 16}),
        ):
            found = parse(self.program("info", "--json", common.model(task)))
            self.assertEqual(found["task"], task)
            self.assertEqual({key: found[key] for key in keys}, keys)
            self.assertEqual("threshold" in found, "threshold" in keys)
            text = self.program("info", common.model(task)).decode()
            self.assertIn(f"task           {task}\n", text)
            self.assertEqual("\nthreshold" in text, "threshold" in keys)
        cells = os.path.join(common.BUILD, "tests", "core", "core-anchor-free.safetensors")
        found = parse(self.program("info", "--json", cells))
        expected = {"task": "detect", "head": "anchor-free", "head_width": 16, "context_width": 24, "threshold": 0.5}
        self.assertEqual({key: found[key] for key in expected}, expected)
        self.assertFalse({"pyramid", "prior_sizes"} & set(found))
        self.assertIn("task           detect, anchor-free\n", self.program("info", cells).decode())
        tags = self.program("info", self.model(["a"] * CLASSES, multi_label="true")).decode()
        self.assertIn("task           classify, multi-label\n", tags)
        self.assertIn("threshold      0.5\n", tags)

    def test_thresholds(self):
        """Those of classes are shown in place of the one of all, and not a detector's background's."""
        for task, shown in ("classify", 0), ("detect", 1):
            arrays, known = modelfile.read(common.model(task))
            numbers = [k / 32 for k in range(int(known["classes"]))]
            path = self.path(f"{task}.safetensors")
            modelfile.write(path, arrays, {**known, "threshold": "0.5", "thresholds": json.dumps(numbers)})
            found = parse(self.program("info", "--json", path))
            self.assertEqual(found["thresholds"], numbers)
            self.assertNotIn("threshold", found)
            text = self.program("info", path).decode()
            names = zip(found["labels"][shown:], numbers[shown:])
            self.assertIn("thresholds     " + ", ".join(f"{name} {number:g}" for name, number in names) + "\n", text)

    def test_lines(self):
        generator = random.Random(2)
        for n in range(5):
            labels = random_labels(generator) if n else [f"{i}{ODD}" for i in range(CLASSES)]
            with self.subTest(labels=labels):
                out = self.path("out.json")
                common.launch("videotestsrc", "num-buffers=2", "!", "video/x-raw,width=64,height=64", "!",
                              "dicenetclassify", f"model={self.model(labels)}", "top-k=0", "threshold=0", "threads=1",
                              "!", "dicenetjson", "!", "filesink", f"location={out}")  # fmt: skip
                with open(out, "rb") as file:
                    lines = file.read().split(b"\n")
                self.assertEqual((len(lines), lines[-1]), (3, b""))
                for line in lines[:-1]:
                    self.assertEqual(set(strings(parse(line), "label")), set(labels))

    def test_long_arguments(self):
        """Errors show the beginning of what came."""
        long, model = "x" * 100_000, common.model("classify")
        for arguments in (
            (long,),
            ("info", long),
            ("info", "/" + long),
            ("info", "--" + long),
            ("info", model, "--size", long),
            ("bench", model, "--backend", long),
            ("bench", model, "--precision", long),
            ("bench", model, "--cpu-mask", long),
            ("bench", model, "--threads", long),
            ("run", model, long, self.path("out.safetensors")),
        ):
            process = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=60)
            self.assertNotEqual(process.returncode, 0)
            self.assertLess(len(process.stderr), 10_000, arguments[0])


def strings(value, key):
    """All that stands under a key, wherever it is."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == key:
                yield part
            yield from strings(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, key)


if __name__ == "__main__":
    unittest.main()
