# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of pipelines/ share."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PIPELINES = os.path.join(ROOT, "pipelines")
BUILD = os.environ["DICENET_BUILD"]
MODELS = os.environ["DICENET_TEST_MODELS"]
CLIPS = os.path.join(ROOT, "tests", "clips")
WITHOUT_DECODER = os.path.join(CLIPS, "video-without-decoder-with-sound.mkv")
SHARED = os.environ.get("DICENET_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
SKIPPED = 77

# Set for builds with AddressSanitizer, whose runtime has to be there before the programs that load the plugin are.
PRELOAD = os.environ.get("DICENET_TEST_PRELOAD", "")


# Which tests run: "short" or "long", or all. Only the short ones are in Meson's setup "default".
PART = os.environ.get("DICENET_TEST_PART", "")


def long_test(function):
    """A decorator for tests that take many seconds, of what other tests cover in part."""
    function.is_long = True
    return function


def longer_clip(name):
    """A decorator for long tests of a clip of the test material, and its path."""
    path = os.path.join(SHARED, "clips", name)
    return lambda function: long_test(unittest.skipUnless(os.path.isfile(path), f"no {path}")(function)), path


def model(task):
    return os.path.join(MODELS, task + ".safetensors")


def environment(**changes):
    """For scripts and gst-launch-1.0. No desktop: nothing opens a window."""
    result = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DICENET_MODEL_PATH"):
        result.pop(name, None)
    result.update(changes)
    if PRELOAD:
        result["LD_PRELOAD"] = PRELOAD
    return result


def script(name, *arguments, folder=None, timeout=60, **changes):
    """Runs pipelines/NAME; the completed process, with text output."""
    return subprocess.run(
        [os.path.join(PIPELINES, name), *map(str, arguments)],
        cwd=folder,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
    )


def launch(*words):
    """Runs a pipeline, written as words for gst-launch-1.0. One without elements of ours may try twice: in GStreamer
    1.22, decodebin hangs about once in a hundred times if it has audio that is not linked."""
    command = ["gst-launch-1.0", "-q", *map(str, words)]
    run = functools.partial(subprocess.run, command, env=environment(), check=True, stdin=subprocess.DEVNULL)
    if any(word.startswith("dicenet") for word in command):
        run(timeout=280)  # minutes on clips with the included models, where sanitizers look
        return
    try:
        run(timeout=30)
    except subprocess.TimeoutExpired:
        run(timeout=60)


def count_frames(path, folder):
    """How many pictures a video file holds, found without any element of ours."""
    side = 8
    raw = os.path.join(folder, "count.raw")
    caps = f"video/x-raw,format=GRAY8,width={side},height={side}"
    launch("filesrc", f"location={path}", "!", "decodebin", "!", "videoconvert", "!", "videoscale", "!", caps, "!",
           "filesink", f"location={raw}")  # fmt: skip
    return os.path.getsize(raw) // side**2


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def read_json_lines(path):
    with open(path, encoding="utf-8") as file:
        return read_lines(file.read())


class TestCase(unittest.TestCase):
    """A test with a folder of its own, whose name is one that careless scripts stumble over."""

    def setUp(self):
        if PART and (PART == "long") != hasattr(getattr(self, self._testMethodName), "is_long"):
            self.skipTest(f"only the {PART} tests")
        self.folder = tempfile.mkdtemp(prefix="dicenet test ")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def clip(self, name="clip.mp4", frames=12, sound=True, size=(96, 64)):
        """A small video of a moving ball, with a tone."""
        caps = f"video/x-raw,width={size[0]},height={size[1]},framerate=10/1"
        tone = ["audiotestsrc", f"num-buffers={frames * 4}", "samplesperbuffer=1102", "!", "audio/x-raw,rate=44100", "!",
                "avenc_aac", "!", "queue", "!", "mux."]  # fmt: skip
        launch("videotestsrc", f"num-buffers={frames}", "pattern=ball", "!", caps, "!", "x264enc", "!",
               "queue", "!", "mp4mux", "name=mux", "!", "filesink", f"location={self.path(name)}",
               *(tone if sound else []))  # fmt: skip
        return self.path(name)

    def strange_clip(self, name="strange.mkv"):
        """Its pixels have a shape that can't be."""
        # Not as H.264, of which avdec_h264 of GStreamer 1.26 loses most frames if their pixels are like this.
        launch("videotestsrc", "num-buffers=5", "!", "video/x-raw,width=96,height=64,framerate=10/1,pixel-aspect-ratio=1/100",
               "!", "vp8enc", "!", "matroskamux", "!", "filesink", f"location={self.path(name)}")  # fmt: skip
        return self.path(name)

    def frameless(self):
        """A file that says it has a video, and has none."""
        path = self.path("bad.mkv")
        launch("videotestsrc", "num-buffers=2", "!", "video/x-raw,width=96,height=64", "!", "jpegenc", "!", "matroskamux",
               "!", "filesink", f"location={path}")  # fmt: skip
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:  # no picture begins as it should
            file.write(content.replace(b"\xff\xd8\xff", b"\xff\x00\x00"))
        return path

    def default_models(self):
        """A folder with small models under the names of those that ship, for DICENET_MODEL_PATH."""
        folder = self.path("models")
        os.makedirs(folder)
        for name in "classify", "detect", "detect-small", "segment":
            os.symlink(model(name.split("-")[0]), os.path.join(folder, f"dicenet-{name}.safetensors"))
        return folder

    def streams(self, path):
        """The kinds of streams in a file."""
        text = subprocess.run(["gst-discoverer-1.0", path], env=environment(), capture_output=True, text=True,
                              timeout=60, check=True).stdout  # fmt: skip
        return [kind for kind in ("video", "audio") for line in text.splitlines() if line.strip().startswith(kind)]

    def assert_done(self, process):
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        self.assertNotRegex(process.stderr, r"\.sh: line \d+:", "bash itself complained")

    def assert_refused(self, process, *parts):
        """A script said in one line what is wrong, with all of `parts`, and failed."""
        self.assertNotEqual(process.returncode, 0, process.stdout)
        last = process.stderr.strip().splitlines()[-1]
        self.assertRegex(last, "^error: ")
        for part in parts:
            self.assertIn(part, last)


def main():
    """unittest.main(), with Meson's exit status for "skipped" where no test could run."""
    program = unittest.main(exit=False, verbosity=2)
    skipped_all = program.result.testsRun == len(program.result.skipped)
    sys.exit(SKIPPED if program.result.wasSuccessful() and skipped_all else not program.result.wasSuccessful())
