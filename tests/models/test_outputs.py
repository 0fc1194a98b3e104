#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output files: never overwrite inputs, overwrite other files only with --force, and are never incomplete. For the
scripts of models/ that need no PyTorch, and `dicenet run`."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import common
import numpy as np
import torchfile

import modelfile
import outfile
from errors import ModelError

DICENET = os.environ["DICENET"]


def limit():
    """Called in the child process: limits the size of files, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))


def classifier():
    return common.random_arrays("classify", 0.1, 3)


class TestCase(common.TestCase):
    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def names_of(self, path, suffix):
        """Other names of a file: a symbolic link, a hard link, another spelling."""
        soft, hard = self.path("soft" + suffix), self.path("hard" + suffix)
        os.symlink(path, soft)
        os.link(path, hard)
        return path, soft, hard, os.path.join(self.folder, ".", os.path.basename(path))


class Files(TestCase):
    def test_whole_or_nothing(self):
        path = self.file("out", b"before")
        with self.assertRaises(ZeroDivisionError):
            with outfile.open_whole(path) as file:
                file.write(b"half")
                1 / 0
        self.assertEqual((self.read("out"), os.listdir(self.folder)), (b"before", ["out"]))
        with outfile.open_whole(path) as file:
            file.write(b"after")
            self.assertEqual(self.read("out"), b"before")
        self.assertEqual((self.read("out"), os.listdir(self.folder)), (b"after", ["out"]))

    def test_stopped_at_once(self):
        """By a signal that comes as soon as there is a file."""
        real = open

        def stopped(*arguments, **options):
            real(*arguments, **options).close()
            self.assertEqual(len(os.listdir(self.folder)), 1)
            raise KeyboardInterrupt

        with mock.patch("builtins.open", stopped), self.assertRaises(KeyboardInterrupt):
            with outfile.open_whole(self.path("out")):
                pass
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_link_stays(self):
        os.symlink(self.file("real", b"before"), self.path("link"))
        with outfile.open_whole(self.path("link")) as file:
            file.write(b"after")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertEqual(self.read("real"), b"after")

    def test_devices_stay(self):
        for path in "/dev/null", "/dev/stdout":
            outfile.check(path)
            with outfile.open_whole(path):
                pass
            self.assertFalse(os.path.isfile("/dev/null"))
        with open(self.file("log", b"before "), "ab") as log:
            path = f"/dev/fd/{log.fileno()}"
            outfile.check(path)
            with outfile.open_whole(path) as file:
                file.write(b"after")
            with self.assertRaisesRegex(ModelError, "is read"):
                outfile.check(path, (self.path("log"),))
        self.assertEqual(self.read("log"), b"before after")

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "there is no /dev/shm")
    def test_memory_is_a_folder(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            path = os.path.join(folder, "model")
            with outfile.open_whole(path) as file:
                file.write(b"before")
            with self.assertRaisesRegex(ModelError, "--force"):
                outfile.check(path)
            with self.assertRaisesRegex(ModelError, "is read"):
                outfile.check(path, (path,), force=True)

    def test_pipes(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        with outfile.open_whole(pipe) as file:
            file.write(b"text")
        self.assertEqual(os.read(reader, 9), b"text")
        os.close(reader)

    def test_long_names(self):
        path = self.path("é" * 127)
        with outfile.open_whole(path, "w", encoding="utf-8") as file:
            file.write("text")
        self.assertEqual(os.path.getsize(path), 4)

    def test_check(self):
        path = self.file("a", b"")
        for other in self.names_of(path, ""):
            with self.assertRaisesRegex(ModelError, "is read"):
                outfile.check(other, (None, self.path("none"), path), force=True)
        with self.assertRaisesRegex(ModelError, "--force"):
            outfile.check(path)
        outfile.check(path, force=True)
        outfile.check(self.path("new"), (path,))
        with self.assertRaisesRegex(ModelError, "is a folder"):
            outfile.check(self.folder, force=True)


class Convert(TestCase):
    def setUp(self):
        super().setUp()
        self.source = self.file("in.pth", torchfile.zipped(torchfile.state_dict(classifier())))

    def convert(self, *arguments, **options):
        return common.run_script("convert.py", *arguments, **options)

    def test_output_is_input(self):
        before = self.read("in.pth")
        for name in self.names_of(self.source, ".safetensors")[1:3]:
            self.assert_failed(self.convert(self.source, name, "--force"), name, "is read")
        labels = self.file("labels.safetensors", b"a\nb\nc\n")
        self.assert_failed(self.convert(self.source, labels, "--labels", labels, "--force"), "is read")
        self.assertEqual((self.read("in.pth"), self.read("labels.safetensors")), (before, b"a\nb\nc\n"))

    def test_existing_output(self):
        model = self.file("model.safetensors", b"a week of training")
        self.assert_failed(self.convert(self.source, model), "already there", "--force")
        self.assertEqual(self.read("model.safetensors"), b"a week of training")
        self.assertEqual(self.convert(self.source, model, "--force").returncode, 0)
        self.assertEqual(modelfile.read(model)[1]["task"], "classify")

    def test_full_disk(self):
        """A failed run does not change existing files."""
        model = self.file("model.safetensors", b"before")
        command = [sys.executable, "-B", os.path.join(common.MODELS, "convert.py"), self.source, model, "--force"]
        process = subprocess.run(command, text=True, capture_output=True, timeout=60, preexec_fn=limit)
        self.assert_failed(process, "cannot be written")
        self.assertEqual(self.read("model.safetensors"), b"before")
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.pth", "model.safetensors"])

    def test_signals(self):
        """Neither SIGINT nor SIGTERM leaves a file."""
        program = (
            "import sys, time; sys.path.insert(0, sys.argv[1]); import outfile\n"
            "def main():\n"
            "    with outfile.open_whole(sys.argv[2]) as file:\n"
            "        file.write(b'half'); file.flush(); print('begun', flush=True); time.sleep(60)\n"
            "outfile.run(main)"
        )
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            process = subprocess.Popen([sys.executable, "-B", "-c", program, common.MODELS, self.path("out")],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # fmt: skip
            process.stdout.readline()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
            self.assertEqual((process.returncode, errors), (128 + number, b""))
            self.assertEqual(os.listdir(self.folder), ["in.pth"])


class Run(TestCase):
    """`dicenet run MODEL IN OUT`"""

    def setUp(self):
        super().setUp()
        checkpoint = self.file("m.pth", torchfile.zipped(torchfile.state_dict(classifier())))
        self.model = self.path("model.safetensors")
        self.assertEqual(common.run_script("convert.py", checkpoint, self.model).returncode, 0)
        os.unlink(checkpoint)
        self.input = self.path("in.safetensors")
        modelfile.write(self.input, {"input": np.zeros((1, 3, 32, 32), np.float32)}, {})

    def run_model(self, output, *options, model=None, **arguments):
        command = [DICENET, "run", model or self.model, self.input, output, *options]
        return subprocess.run(command, text=True, capture_output=True, timeout=60, **arguments)

    def assert_refused(self, process, *parts):
        self.assertEqual(process.returncode, 1, process.stdout)
        for part in ("dicenet run: ", *parts):
            self.assertIn(part, process.stderr)

    def test_output_is_input(self):
        before = self.read("in.safetensors"), self.read("model.safetensors")
        for path in (*self.names_of(self.input, ".1"), *self.names_of(self.model, ".2")):
            self.assert_refused(self.run_model(path, "--force"), path, "is read")
        changed = {**os.environ, "DICENET_MODEL_PATH": self.folder}
        self.assert_refused(self.run_model(self.model, "--force", model="model", env=changed), "is read")
        self.assertEqual((self.read("in.safetensors"), self.read("model.safetensors")), before)

    def test_existing_output(self):
        out = self.file("out.safetensors", b"before")
        self.assert_refused(self.run_model(out), "already there", "--force")
        self.assertEqual(self.read("out.safetensors"), b"before")
        self.assertEqual(self.run_model(out, "--force").returncode, 0)
        self.assertGreater(os.path.getsize(out), 100)
        self.assertEqual(len(os.listdir(self.folder)), 3)

    def test_full_disk(self):
        self.assert_refused(self.run_model(self.path("new.safetensors"), preexec_fn=limit), "cannot be written")
        out = self.file("out.safetensors", b"before")
        self.assert_refused(self.run_model(out, "--force", preexec_fn=limit), "cannot be written")
        self.assertEqual(self.read("out.safetensors"), b"before")
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.safetensors", "model.safetensors", "out.safetensors"])

    def test_folders_and_devices(self):
        self.assert_refused(self.run_model(self.folder), "cannot be written")
        self.assert_refused(self.run_model(self.path("no", "out")), "cannot be written", "No such file")
        self.assertEqual(self.run_model("/dev/null").returncode, 0)
        self.assertFalse(os.path.isfile("/dev/null"))
        with open(self.path("out"), "wb") as file:
            command = [DICENET, "run", self.model, self.input, "/dev/stdout"]
            subprocess.run(command, stdout=file, check=True, timeout=60)
        self.assertIn("logits", modelfile.read(self.path("out"))[0])
        with open(self.file("log", b"before"), "ab") as file:
            subprocess.run(command, stdout=file, check=True, timeout=60)
        self.assertTrue(self.read("log").startswith(b"before"))
        with open(self.input, "ab") as file:
            process = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertIn("is read", process.stderr)

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "there is no /dev/shm")
    def test_memory_is_a_folder(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            model = shutil.copy(self.model, folder)
            self.assert_refused(self.run_model(model, "--force", model=model), "is read")
            self.assert_refused(self.run_model(model), "already there")

    def test_links_stay(self):
        os.symlink(self.file("real", b"before"), self.path("link"))
        self.assertEqual(self.run_model(self.path("link"), "--force").returncode, 0)
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertIn("logits", modelfile.read(self.path("real"))[0])


if __name__ == "__main__":
    unittest.main()
