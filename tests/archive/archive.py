# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of dicenet-archive share."""

import glob
import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "pipelines"))

import common  # noqa: E402, beside which it is

PACKAGE = os.path.join(common.PIPELINES, "archive")
PROGRAM = os.path.join(PACKAGE, "dicenet-archive")
sys.path.insert(0, PACKAGE)
MODELS = [f"--model-{task}={common.model(task)}" for task in ("classify", "detect", "segment")]
# Random networks are sure of nothing.
EAGER = ["--threshold-detect=0.05", "--threshold-classify=0"]
# With sanitizers, Python itself has to load their runtime first, and all is slow.
PATIENCE = 120 if not common.PRELOAD else 240


def no_bindings():
    code = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0


def children(process):
    """Its workers."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def is_worker(pid):
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read() == b"archive-worker\n"
    except OSError:
        return False


@unittest.skipIf(
    no_bindings(), "GStreamer's bindings for Python are missing (Debian: python3-gi, gir1.2-gstreamer-1.0)"
)
class TestCase(common.TestCase):
    def setUp(self):
        super().setUp()
        self.input, self.output = self.path("in"), self.path("out")
        os.mkdir(self.input)

    def command(self, *words, output=None, inputs=None):
        return [sys.executable, PROGRAM, *(inputs or [self.input]), "--output", output or self.output, *MODELS, *EAGER,
                "--workers", "2", *words]  # fmt: skip

    def begin(self, *words, **places):
        return subprocess.Popen(self.command(*words, **places), env=common.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")  # fmt: skip

    def run_archive(self, *words, expect=0, **places):
        """Runs it; what it wrote to standard output and to standard error."""
        process = subprocess.run(self.command(*words, **places), env=common.environment(), stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, errors="replace", timeout=PATIENCE)  # fmt: skip
        self.assertEqual(process.returncode, expect, process.stdout + process.stderr)
        return process.stdout, process.stderr

    def end(self, process, expect):
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, expect, out + err)
        return out, err

    def clips(self, *names, frames=4):
        """Copies of one small clip, each with another time."""
        first = self.clip("first.mp4", frames=frames, sound=False)
        with open(first, "rb") as file:
            content = file.read()
        os.unlink(first)
        for number, name in enumerate(names):
            place = os.path.join(os.fsencode(self.input), os.fsencode(name))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(content)
            os.utime(place, (1_700_000_000 + number,) * 2)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)
        return value

    def worker_at_work(self, process):
        """The worker of a run that has only one, once it has read frames."""
        pattern = os.path.join(glob.escape(self.output), ".dicenet-work", "*", "*.part")
        self.wait_for(lambda: any(os.path.getsize(p) for p in glob.glob(pattern) if os.path.exists(p)) or process.poll() is not None,
                      "no recording was begun")  # fmt: skip
        self.assertIsNone(process.poll(), "it ended too early")
        return next(pid for pid in children(process) if is_worker(pid))

    def signal_worker(self, process, number):
        os.kill(self.worker_at_work(process), number)

    def summaries(self, output=None):
        """Path -> summary, of all that are there."""
        root = os.path.join(output or self.output, "summaries")
        result = {}
        for folder, _, names in os.walk(root):
            for name in names:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    result[os.path.relpath(os.path.join(folder, name), root).removesuffix(".json")] = json.load(file)
        return result

    def states(self):
        return {path: summary["state"] for path, summary in self.summaries().items()}

    def everything(self, output=None):
        """All files of an output folder, without what differs from run to run."""
        output = output or self.output
        result = {}
        for folder, _, names in os.walk(output):
            for name in names:
                place = os.path.join(folder, name)
                if name.endswith(".lock"):
                    continue
                with open(place, "rb") as file:
                    content = file.read()
                if name.endswith(".json"):
                    content = json.loads(content)
                    content.pop("seconds", None)
                    content.pop("created", None)
                result[os.path.relpath(place, output)] = content
        return result

    def interrupt(self, process, number=signal.SIGINT):
        workers = children(process)
        process.send_signal(number)
        return workers

    def assert_gone(self, workers):
        self.wait_for(lambda: not any(map(is_worker, workers)), "workers go on without their parent")


main = common.main
