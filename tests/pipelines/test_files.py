#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scripts of pipelines/ on files of all sorts: odd names, broken ones, several streams, turned or interlaced pictures;
and what is left when they are stopped."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

import common

try:
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error}: install python3-pil")
    sys.exit(common.SKIPPED)

ODD = '-a b\'s "q" ! %d % \\ $x é漢 (y),z=1;t. a::b#?&<*>'
LONG = "x" * 249
MODEL = ("--model", common.model("classify"))
SCRIPTS = "annotate.sh", "json-lines.sh", "several.sh", "demo.sh"
COMBED, SMOOTH = 5, 2  # mean difference of a line from those beside it, of 255


class TestCase(common.TestCase):
    def run_script(self, name, *arguments, **changes):
        return common.script(name, *MODEL, *arguments, folder=self.folder, DICENET_OUTPUT=self.path("o"), **changes)

    def commands(self, *names, output="out"):
        """Each script with its arguments for these inputs, the first of them for those that take one, and where its result
        is then."""
        stem = os.path.splitext(os.path.basename(names[0]))[0]
        yield "annotate.sh", ("--", names[0], output + ".mkv"), output + ".mkv"
        yield "json-lines.sh", ("--", names[0], output + ".jsonl"), output + ".jsonl"
        yield "several.sh", ("--", *names), stem + ".jsonl"
        yield "demo.sh", ("--as-is", "--", names[0]), os.path.join("o", stem, "results.jsonl")

    def left(self):
        return glob.glob(os.path.join(glob.escape(self.folder), "**", ".dicenet*"), recursive=True, include_hidden=True)

    def stub(self, text):
        """PATH with another gst-launch-1.0 before the right one, which is $real."""
        os.makedirs(self.path("bin"), exist_ok=True)
        with open(self.path("bin", "gst-launch-1.0"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/bash\nreal='{shutil.which('gst-launch-1.0')}'\n{text}\n")
        os.chmod(self.path("bin", "gst-launch-1.0"), 0o755)
        return self.path("bin") + os.pathsep + os.environ["PATH"]

    def yuv4mpeg(self, name, broken=None):
        """A video of 12 frames, one of which may not begin as it should."""
        path = self.path(name)
        common.launch("videotestsrc", "num-buffers=12", "!", "video/x-raw,format=I420,width=96,height=64,framerate=10/1", "!",
                      "y4menc", "!", "filesink", f"location={path}")  # fmt: skip
        with open(path, "r+b") as file:
            content = file.read()
            if broken is not None:
                parts = content.split(b"FRAME\n")
                file.seek(len(b"FRAME\n".join(parts[: broken + 1])))
                file.write(b"XXXXX")
        return path


class Names(TestCase):
    @common.long_test
    def test_odd_names(self):
        clip = self.clip(frames=2, sound=False)
        self.clip("other.mp4", frames=2, sound=False)
        for stem in ODD, LONG:
            os.link(clip, self.path(stem + ".mp4"))
            for name, arguments, result in self.commands(stem + ".mp4", "other.mp4", output=stem[:248]):
                if os.path.exists(self.path(result)):
                    os.unlink(self.path(result))  # json-lines.sh and several.sh write to the same place
                with self.subTest(name, file=stem):
                    self.assert_done(self.run_script(name, *arguments))
                    self.assertGreater(os.path.getsize(self.path(result)), 100)
                for path in glob.glob(os.path.join(glob.escape(self.folder), "*.jsonl")):
                    os.unlink(path)
        self.assertEqual(self.left(), [])

    def test_refused_names(self):
        clip = self.clip(frames=2, sound=False)
        for stem, part in ("new\nline", "line breaks"), ("\udcff\udce9", "not UTF-8"):
            os.link(clip, self.path(stem + ".mp4"))
            for name, arguments, _ in self.commands(stem + ".mp4", "clip.mp4"):
                with self.subTest(name, part=part):
                    process = self.run_script(name, *arguments)
                    self.assertEqual(process.returncode, 1)
                    self.assertIn("error: ", process.stderr)
                    self.assertIn(part, process.stderr)
        for output, part in ("x" * 260 + ".mkv", "too long"), ("\udcff.mkv", "not UTF-8"), ("a\nb.mkv", "line breaks"):
            process = self.run_script("annotate.sh", clip, output)
            self.assertIn(part, process.stderr)
        self.assertEqual(glob.glob(os.path.join(glob.escape(self.folder), "*.mkv")), [])
        self.assertEqual(self.left(), [])


class Places(TestCase):
    """Where results go, and where scripts lie."""

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def shell(self, line, **changes):
        """A line of bash; $pipelines is the folder of the scripts."""
        environment = common.environment(pipelines=common.PIPELINES, model=MODEL[1], **changes)
        return subprocess.run(["bash", "-c", line], cwd=self.folder, env=environment, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)  # fmt: skip

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "there is no /dev/shm")
    def test_memory_is_a_folder(self):
        clip = self.clip(frames=2, sound=False)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            copy = shutil.copy(clip, folder)
            os.symlink(copy, self.path("link.mp4"))
            for arguments in (clip, copy), ("--force", copy, copy), ("--force", self.path("link.mp4"), copy):
                self.assert_refused(self.run_script("annotate.sh", *arguments), copy)
                self.assertEqual(self.content(copy), self.content(clip))
            process = self.run_script("json-lines.sh", copy)
            self.assert_done(process)
            self.assertEqual(len(common.read_lines(process.stdout)), 2)

    def test_standard_output(self):
        clip = self.clip(frames=2, sound=False)
        process = self.shell(
            'echo before > all; "$pipelines"/json-lines.sh --model "$model" clip.mp4 /dev/stdout >> all'
        )
        self.assert_done(process)
        lines = self.content(self.path("all")).splitlines()
        self.assertEqual((lines[0], len(lines)), (b"before", 3))
        lines = '"$pipelines"/json-lines.sh --model "$model" clip.mp4; '
        self.assert_done(self.shell(f"(echo before; {lines} {lines}) > both"))
        self.assertEqual(len(self.content(self.path("both")).splitlines()), 5)
        before = self.content(clip)
        for line in ">> clip.mp4", "/dev/stdout >> clip.mp4", "--force /dev/fd/3 3>> clip.mp4":
            self.assert_refused(self.shell('"$pipelines"/json-lines.sh --model "$model" clip.mp4 ' + line))
        self.assertEqual(self.content(clip), before)
        self.assert_refused(self.shell('"$pipelines"/json-lines.sh --model "$model" clip.mp4 >&-'), "closed")

    def test_lines_on_a_full_disk(self):
        """Simulated by a limit to the size of files: what comes out is not all, and the script says so."""
        self.clip(frames=100, sound=False)
        for name, arguments in ("json-lines.sh", "clip.mp4"), ("camera.sh", "--test --seconds 20"):
            process = self.shell(
                f'trap \'\' XFSZ; ulimit -f 8; "$pipelines"/{name} --model "$model" {arguments} > lines'
            )
            self.assertEqual(process.returncode, 1, process.stderr)
            self.assert_refused(process, "resource")
            self.assertEqual(os.path.getsize(self.path("lines")), 8 * 1024)

    def test_full_folder_for_temporary_files(self):
        """Which is where the reason would have been written."""
        self.clip(frames=3, sound=False)
        line = '"$pipelines"/json-lines.sh --model "$model" clip.mp4'
        self.assert_refused(
            self.shell(f"trap '' XFSZ; ulimit -f 0; {line}"), "clip.mp4: nothing can be written into", "TMPDIR"
        )
        self.assert_refused(self.shell(f"ulimit -f 1; {line} > lines"), "clip.mp4: a file became larger", "ulimit -f")

    @common.long_test
    def test_lines_of_several_scripts(self):
        """All into one file: each is whole."""
        self.clip(frames=60, sound=False)
        line = '"$pipelines"/json-lines.sh --model "$detect" --set threshold=0 --set max-detections=0 clip.mp4'
        process = self.shell(f"for i in 1 2 3; do {line} >> all & done; wait", detect=common.model("detect"))
        self.assert_done(process)
        self.assertEqual(len(common.read_json_lines(self.path("all"))), 180)
        self.assertGreater(os.path.getsize(self.path("all")), 180 * 10_000)

    def test_what_is_read(self):
        """Addresses of files, models and what properties name are inputs, too."""
        clip = self.clip("a %.mp4", frames=2, sound=False)
        model = shutil.copy(MODEL[1], self.path("m.safetensors"))
        labels = self.path("labels.txt")
        with open(labels, "w", encoding="utf-8") as file:
            file.write("a\nb\n")
        before = [self.content(path) for path in (clip, model, labels)]
        process = self.run_script("annotate.sh", "--force", "file://" + urllib.parse.quote(clip), clip)
        self.assert_refused(process, "is the input")
        for output in model, labels:
            process = common.script("json-lines.sh", "--model", model, "--set", f"labels-file={labels}", "--force", clip,
                                    output, folder=self.folder)  # fmt: skip
            self.assert_refused(process, "is the input")
        process = common.script("json-lines.sh", "--model", "m", "--force", clip, model, folder=self.folder,
                                DICENET_MODEL_PATH=self.folder)  # fmt: skip
        self.assert_refused(process, "is the input")
        self.assertEqual([self.content(path) for path in (clip, model, labels)], before)

    def test_links(self):
        clip = self.clip(frames=2, sound=False)
        os.symlink(os.path.join(common.PIPELINES, "json-lines.sh"), self.path("lines"))
        self.assert_done(self.shell('./lines --model "$model" clip.mp4'))
        for name, target in ("one", "two"), ("two", "one"):
            os.symlink(target + ".jsonl", self.path(name + ".jsonl"))
        self.assert_refused(self.run_script("json-lines.sh", clip, "one.jsonl"), "leads nowhere")
        self.assertTrue(os.path.islink(self.path("one.jsonl")))

    def test_names_of_results(self):
        """The names of several.sh's results come from those of the files, not of their folders."""
        clip = self.clip(frames=2, sound=False)
        os.makedirs(self.path("v1.0"))
        for name in "v1.0/clip", "a", "b", ".hidden":
            os.link(clip, self.path(name))
        process = self.run_script("several.sh", "v1.0/clip", "./a", "./b", ".hidden")
        self.assert_done(process)
        found = sorted(name for name in os.listdir(self.folder) if name.endswith(".jsonl"))
        self.assertEqual(found, [".hidden.jsonl", "a.jsonl", "b.jsonl", "clip.jsonl"])

    def test_options(self):
        clip = self.clip(frames=2, sound=False)
        for value in "threshold", "threshold=", "=1", "":
            self.assert_refused(self.run_script("json-lines.sh", clip, "--set", value), "PROPERTY=VALUE")
        self.assert_refused(self.run_script("json-lines.sh", clip, "--model"), "--model needs")
        for name, arguments in ("json-lines.sh", (clip, "")), ("demo.sh", ("--as-is", "")), ("camera.sh", ("",)):
            self.assert_refused(self.run_script(name, *arguments), "an argument is empty")

    def test_folders(self):
        clip = self.clip(frames=2, sound=False)
        self.assert_refused(self.run_script("json-lines.sh", clip, TMPDIR=self.path("none")), "TMPDIR")
        with open(self.path("o"), "w", encoding="utf-8"):
            pass
        self.assert_refused(self.run_script("demo.sh", "--as-is", clip), self.path("o"))

    def test_results_that_come_meanwhile(self):
        """Of two demos at once, and of whoever else writes there, nothing is overwritten."""
        clip = self.clip(frames=2, sound=False)
        path = self.stub('"$real" "$@"; status=$?; echo mine > "$mine"; exit $status')
        process = self.run_script("demo.sh", "--as-is", clip, PATH=path, mine=self.path("o", "clip", "results.jsonl"))
        self.assert_refused(process, "came")
        self.assertEqual(self.content(self.path("o", "clip", "results.jsonl")), b"mine\n")
        (kept,) = self.left()
        self.assertEqual(len(common.read_json_lines(os.path.join(kept, "results.jsonl"))), 2)

    @common.long_test
    def test_results_that_vanish_meanwhile(self):
        """A cleaning job removes what it does not know; the results of other files are kept."""
        clips = [self.clip(name, frames=2, sound=False) for name in ("clip.mp4", "other.mp4")]
        path = self.stub('"$real" "$@"; status=$?; rm -rf $(ls -d $gone | head -n 1); exit $status')
        for name, arguments, _ in self.commands(*clips):
            gone = "o/clip/.dicenet-*" if name == "demo.sh" else ".dicenet-*.part"
            process = self.run_script(name, *arguments, PATH=path, gone=gone)
            self.assertEqual(process.returncode, 1, name)
            self.assertRegex(process.stderr, "error: .*removed while this ran")
            self.assertNotIn("cannot stat", process.stderr)
        self.assertEqual(len(glob.glob(os.path.join(glob.escape(self.folder), "*.jsonl"))), 1)
        self.assertEqual(self.left(), [])

    def test_files_that_cannot_be_replaced(self):
        """Those that are protected are refused before anything runs; else the result is kept beside them."""
        clip = self.clip(frames=2, sound=False)
        path = self.stub('"$real" "$@"; status=$?; mkdir out.jsonl; exit $status')
        process = self.run_script("json-lines.sh", "--force", clip, "out.jsonl", PATH=path)
        self.assert_refused(process, "out.jsonl", "the result is in ")
        (kept,) = self.left()
        self.assertEqual(len(common.read_json_lines(kept)), 2)
        os.unlink(kept)
        os.makedirs(self.path("tools"))
        with open(self.path("tools", "lsattr"), "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "----i---------e------- $3"\n')
        os.chmod(self.path("tools", "lsattr"), 0o755)
        changed = {"PATH": self.path("tools") + os.pathsep + os.environ["PATH"]}
        with open(self.path("lines"), "w", encoding="utf-8"):
            pass
        self.assert_refused(self.run_script("json-lines.sh", "--force", clip, "lines", **changed), "lines", "protected")


class Broken(TestCase):
    def test_in_the_middle(self):
        """One of several files: it is named with the reason, the others are whole."""
        good, bad, other = self.clip("a.mp4", frames=3), self.yuv4mpeg("bad.y4m", broken=6), self.yuv4mpeg("b.y4m")
        process = self.run_script("several.sh", good, bad, other)
        self.assert_refused(process, bad)
        self.assertIn(f"error: {bad}: Failed to parse", process.stderr)
        self.assertEqual([len(common.read_json_lines(self.path(n))) for n in ("a.jsonl", "b.jsonl")], [3, 12])
        self.assertFalse(os.path.exists(self.path("bad.jsonl")))
        for name, arguments, result in list(self.commands(bad))[:2]:
            self.assert_refused(self.run_script(name, *arguments), bad, "Failed to parse", "nothing was written")
            self.assertFalse(os.path.exists(self.path(result)))
        self.assertEqual(self.left(), [])

    def test_vanishes(self):
        """Between the look and the reading."""
        clips = [self.clip(name, frames=3, sound=False) for name in ("a.mp4", "b.mp4", "c.mp4")]
        path = self.stub(f'rm -f \'{clips[1]}\'; exec "$real" "$@"')
        process = self.run_script("several.sh", *clips, PATH=path)
        self.assert_refused(process, clips[1])
        self.assertIn(f"there is no file {clips[1]}", process.stderr)
        self.assertEqual(sorted(os.path.basename(p) for p in glob.glob(glob.escape(self.folder) + "/*.jsonl")),
                         ["a.jsonl", "c.jsonl"])  # fmt: skip

    def test_cut_off(self):
        """What GStreamer takes for the end."""
        clip = self.path("clip.mkv")
        common.launch("videotestsrc", "num-buffers=60", "!", "video/x-raw,width=96,height=64,framerate=10/1", "!", "x264enc",
                      "key-int-max=10", "!", "matroskamux", "!", "filesink", f"location={clip}")  # fmt: skip
        os.truncate(clip, os.path.getsize(clip) // 2)
        for name, arguments, result in self.commands(clip, self.clip("b.mp4", frames=3)):
            process = self.run_script(name, "--set", "inference-interval=60", *arguments)
            self.assert_done(process)
            self.assertRegex(
                process.stderr, "clip.mkv says that it lasts 6.0 s, and its picture ends at [23].. s", name
            )
            self.assertTrue(os.path.exists(self.path(result)))
            if name == "json-lines.sh":
                os.unlink(self.path(result))

    def test_without_frames(self):
        good = self.clip("good.mkv", frames=2, sound=False)
        bad = self.frameless()
        for name, arguments, result in self.commands(bad, good):
            with self.subTest(name):
                process = self.run_script(name, *arguments)
                self.assertEqual(process.returncode, 1, process.stdout)
                self.assertIn(f"error: {bad}: ", process.stderr)
                self.assertFalse(os.path.exists(self.path(result)))
        self.assert_refused(self.run_script("json-lines.sh", bad), bad)
        self.assertEqual(len(common.read_json_lines(self.path("good.jsonl"))), 2)
        self.assertEqual(self.left(), [])

    def test_without_plugins(self):
        clip = self.clip(frames=2, sound=False)
        path = self.stub("echo 'WARNING: erroneous pipeline: no element \"deinterlace\"' >&2; exit 1")
        self.assert_refused(self.run_script("json-lines.sh", clip, PATH=path), "no element", "packages.sh")

    def test_looks_once(self):
        clips = [self.clip(name, frames=2, sound=False) for name in ("a.mp4", "b.mp4")]
        os.makedirs(self.path("bin"))
        # The scripts put the program that was built before all else: here is another build.
        build = self.path("build")
        for folder in "gst", "dicenet-core", "pipelines":
            os.makedirs(os.path.join(build, folder))
        os.symlink(
            os.path.join(common.BUILD, "gst", "libgstdicenet.so"), os.path.join(build, "gst", "libgstdicenet.so")
        )
        os.symlink(os.path.join(common.BUILD, "dicenet-core", "tools"), os.path.join(build, "dicenet-core", "tools"))
        look = os.path.join(build, "pipelines", "dicenet-probe")
        with open(look, "w", encoding="utf-8") as file:
            file.write(
                f"#!/bin/sh\necho >>'{self.path('looks')}'\nexec '{common.BUILD}/pipelines/dicenet-probe' \"$@\"\n"
            )
        os.chmod(look, 0o755)
        self.assert_done(self.run_script("several.sh", *clips, DICENET_BUILD=build))
        self.assertEqual(os.path.getsize(self.path("looks")), 2)


class Stopped(TestCase):
    """By Ctrl-C or by the system."""

    def begin(self, name, *arguments):
        environment = common.environment(DICENET_OUTPUT=self.path("o"))
        slow = ("--set", "inference-size=640x480", "--set", "threads=1")
        return subprocess.Popen([os.path.join(common.PIPELINES, name), *MODEL, *slow, *arguments], cwd=self.folder, text=True,
                                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip

    def wait_for(self, pattern):
        for _ in range(300):
            found = glob.glob(os.path.join(glob.escape(self.folder), pattern), include_hidden=True)
            if found and os.path.getsize(found[0]) > 0:
                return
            time.sleep(0.1)
        self.fail(f"no {pattern}")

    @common.long_test
    def test_nothing_unfinished(self):
        clip, other = self.clip(frames=1500, sound=False), self.clip("other.mp4", frames=1500, sound=False)
        for name, arguments, _ in list(self.commands(clip, other))[:3]:
            for number in signal.SIGINT, signal.SIGTERM:
                with self.subTest(name, number=number):
                    process = self.begin(name, *arguments)
                    self.wait_for(".dicenet-*.part")
                    process.send_signal(number)
                    _, errors = process.communicate(timeout=60)
                    self.assertEqual(process.returncode, 128 + number, errors)
                    self.assertEqual(sorted(os.listdir(self.folder)), ["clip.mp4", "other.mp4"])

    def test_lines_on_standard_output(self):
        process = self.begin("json-lines.sh", self.clip(frames=1500, sound=False))
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, errors)
        self.assertGreaterEqual(len(common.read_lines(first + rest)), 1)

    def test_reader_has_seen_enough(self):
        process = self.begin("json-lines.sh", self.clip(frames=1500, sound=False))
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(60), 141)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()

    def test_live(self):
        """Nothing goes on behind the back of the script: standard output is closed."""
        for number in signal.SIGINT, signal.SIGTERM:
            process = self.begin("camera.sh", "--test")
            first = process.stdout.readline()
            process.send_signal(number)
            rest, errors = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0, errors)
            self.assertGreaterEqual(len(common.read_lines(first + rest)), 1)

    @common.long_test
    def test_script_changes_meanwhile(self):
        """An update under a script that runs is none of its business."""
        shutil.copytree(common.PIPELINES, self.path("pipelines"))
        for name, arguments in ("camera.sh", ("--test", "--seconds", "2")), (
            "demo.sh",
            ("--as-is", self.clip(frames=300)),
        ):
            script = self.path("pipelines", name)
            process = self.begin(script, *arguments)
            if name == "camera.sh":
                process.stdout.readline()
            else:
                self.wait_for("o/clip/.dicenet-*/results.jsonl")
            with open(script, "r+b") as file:
                file.write(b"#\n" + b"\nfalse" * 2000)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors)

    @common.long_test
    def test_demo_keeps_what_it_has(self):
        clip = self.clip(frames=1500)
        for number in signal.SIGINT, signal.SIGTERM:
            process = self.begin("demo.sh", "--as-is", "--force", clip)
            self.wait_for("o/clip/.dicenet-*/results.jsonl")
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors)
            lines = len(common.read_json_lines(self.path("o", "clip", "results.jsonl")))
            self.assertLess(lines, 1500)
            self.assertEqual(common.count_frames(self.path("o", "clip", "annotated.mkv"), self.folder), lines)
        self.assertEqual(self.left(), [])

    def test_no_progress(self):
        clip = self.clip(frames=2, sound=False)
        path = self.stub("exec sleep 100")
        for name, arguments, _ in self.commands(clip, self.clip("other.mp4", frames=2, sound=False)):
            process = self.run_script(name, *arguments, PATH=path, DICENET_PATIENCE="1")
            self.assertEqual(process.returncode, 1)
            self.assertIn("no progress for 1 seconds", process.stderr)
        self.assertEqual(self.left(), [])
        self.assert_refused(self.run_script("json-lines.sh", clip, DICENET_PATIENCE="soon"), "DICENET_PATIENCE", "soon")


class Streams(TestCase):
    def many(self, path):
        """Two videos of different sizes, two sounds, and subtitles."""
        with open(self.path("text.srt"), "w", encoding="utf-8") as file:
            file.write("1\n00:00:00,000 --> 00:00:00,500\nHello\n\n")
        words = ["matroskamux", "name=mux", "!", "filesink", f"location={path}"]
        for size in "96,height=64", "64,height=48":
            words += ["videotestsrc", "num-buffers=4", "!", f"video/x-raw,width={size},framerate=10/1", "!", "x264enc", "!",
                      "queue", "!", "mux."]  # fmt: skip
        for rate in 44100, 48000:
            words += [
                "audiotestsrc",
                "num-buffers=16",
                "!",
                f"audio/x-raw,rate={rate}",
                "!",
                "avenc_aac",
                "!",
                "queue",
                "!",
                "mux.",
            ]
        common.launch(
            *words, "filesrc", f"location={self.path('text.srt')}", "!", "subparse", "!", "queue", "!", "mux."
        )

    def test_several_streams(self):
        path, out = self.path("many.mkv"), self.path("out.mkv")
        self.many(path)
        process = self.run_script("annotate.sh", path, out)
        self.assert_done(process)
        self.assertEqual(self.streams(out), ["video", "audio", "audio"])
        self.assertIn("2 videos: number 1 is taken", process.stderr)
        self.assertIn("subtitles", process.stderr)
        for number, width in (1, 96), (2, 64):
            process = self.run_script("json-lines.sh", "--video", number, path)
            self.assert_done(process)
            self.assertEqual([line["resolution"]["width"] for line in common.read_lines(process.stdout)], [width] * 4)
        self.assert_refused(self.run_script("demo.sh", "--as-is", "--video", 3, path), "no video 3", path)

    @unittest.skipUnless(shutil.which("ffmpeg"), "no ffmpeg, which puts attachments into files")
    def test_attachments(self):
        clip, font = self.clip(frames=2), self.path("a.ttf")
        with open(font, "wb") as file:
            file.write(b"font")
        common.launch(
            "videotestsrc", "num-buffers=1", "!", "jpegenc", "!", "filesink", f"location={self.path('c.jpg')}"
        )
        for command in (
            ["-i", clip, "-c", "copy", "-attach", font, "-metadata:s:t", "mimetype=font/ttf", self.path("fonts.mkv")],
            ["-i", clip, "-i", self.path("c.jpg"), "-map", "0:a", "-map", "1", "-c:a", "libmp3lame", "-c:v", "copy",
             "-disposition:v", "attached_pic", self.path("cover.mp3")],
        ):  # fmt: skip
            subprocess.run(["ffmpeg", "-v", "error", *command], check=True, timeout=60, stdin=subprocess.DEVNULL)
        process = self.run_script("json-lines.sh", self.path("fonts.mkv"))
        self.assert_done(process)
        self.assertIn("attachments", process.stderr)
        self.assert_refused(self.run_script("json-lines.sh", self.path("cover.mp3")), "no video", "only sound")

    def test_still_picture(self):
        common.launch("videotestsrc", "num-buffers=1", "!", "video/x-raw,width=97,height=65", "!", "jpegenc", "!", "filesink",
                      f"location={self.path('photo.jpg')}")  # fmt: skip
        for name, arguments, result in self.commands("photo.jpg"):
            if name != "several.sh":
                self.assert_done(self.run_script(name, *arguments))
                self.assertGreater(os.path.getsize(self.path(result)), 100)
        self.assertEqual(len(glob.glob(self.path("o", "photo", "frame-*.png"))), 1)

    @common.long_test
    def test_small_pictures(self):
        for size in (1, 1), (3, 401), (401, 14), (15, 15):
            common.launch("videotestsrc", "num-buffers=1", "!", f"video/x-raw,width={size[0]},height={size[1]}", "!", "pngenc",
                          "!", "filesink", f"location={self.path('small.png')}")  # fmt: skip
            for extension in "mkv", "mp4", "webm":
                process = self.run_script("annotate.sh", "--force", "small.png", "out." + extension)
                if extension == "mkv" or min(size) > 14:
                    self.assert_done(process)
                else:
                    self.assert_refused(process, "small.png", "15 a side", ".mkv")

    @common.long_test
    def test_sizes_that_change(self):
        """Also to odd sides: the video has one."""
        content = b""
        for size in (96, 64), (128, 96), (97, 65):
            common.launch("videotestsrc", "num-buffers=4", "!",
                          f"video/x-raw,format=Y444,width={size[0]},height={size[1]},framerate=10/1", "!", "x264enc", "!",
                          "h264parse", "!", "video/x-h264,stream-format=byte-stream", "!", "filesink",
                          f"location={self.path('part')}")  # fmt: skip
            with open(self.path("part"), "rb") as file:
                content += file.read()
        with open(self.path("sizes.h264"), "wb") as file:
            file.write(content)
        for extension in "mkv", "mp4", "webm":
            out = self.path("out." + extension)
            self.assert_done(self.run_script("annotate.sh", "sizes.h264", out))
            self.assertEqual(common.count_frames(out, self.folder), 12)
            process = self.run_script("json-lines.sh", out)
            sizes = {tuple(line["resolution"].values()) for line in common.read_lines(process.stdout)}
            self.assertEqual(len(sizes), 1)

    def test_gif(self):
        frames = [Image.new("P", (64, 48), i) for i in range(3)]
        frames[0].save(self.path("a.gif"), save_all=True, append_images=frames[1:], duration=100, loop=0)
        process = self.run_script("json-lines.sh", "a.gif")
        if process.returncode:  # before GStreamer 1.24
            self.assert_refused(process, "GIF", "ffmpeg", "1.24")
            self.assertNotIn("gst-libav", process.stderr)

    def test_unknown_codec(self):
        error = self.run_script("json-lines.sh", common.WITHOUT_DECODER).stderr
        self.assertEqual(len(error.splitlines()), 1)
        self.assertEqual(error.count("video/x-"), 1, error)


class Pictures(TestCase):
    def turned(self):
        import test_scripts

        clip = self.clip("turned.mp4", frames=4, sound=False)
        test_scripts.turn(clip)
        return clip

    def test_turned(self):
        """Every script sets a telephone's pictures upright, and no player turns what annotate.sh wrote a second time."""
        clip = self.turned()
        for name, arguments, result in self.commands(clip, self.clip("other.mp4", frames=2)):
            self.assert_done(self.run_script(name, *arguments))
            if result.endswith(".jsonl"):
                self.assertEqual(
                    common.read_json_lines(self.path(result))[0]["resolution"], {"width": 64, "height": 96}
                )
        for place in self.path("out.mkv"), self.path("o", "turned", "annotated.mkv"):
            self.check_upright(place)
        self.assert_done(self.run_script("annotate.sh", clip, "out.mp4"))
        self.check_upright(self.path("out.mp4"))

    def check_upright(self, path):
        text = subprocess.run(["gst-discoverer-1.0", "-v", path], env=common.environment(), capture_output=True, text=True,
                              timeout=60, check=True).stdout  # fmt: skip
        self.assertRegex(text, "Width: 64\n +Height: 96")
        self.assertNotIn("orientation", text)

    def combing(self, path, frame):
        """Of the bars in the right half of a frame, where no names of classes are drawn."""
        raw = self.path("raw")
        common.launch("filesrc", f"location={path}", "!", "decodebin", "!", "videoconvert", "!", "videocrop", "left=96", "bottom=48",
                      "!", "video/x-raw,format=GRAY8,width=96,height=80", "!", "filesink", f"location={raw}")  # fmt: skip
        with open(raw, "rb") as file:
            content = file.read()[frame * 96 * 80 :]
        rows = [content[y * 96 : (y + 1) * 96] for y in range(80)]
        total = sum(abs(2 * b - a - c) for r, s, t in zip(rows, rows[1:], rows[2:]) for a, b, c in zip(r, s, t))
        return total / (2 * 78 * 96)

    def test_interlaced(self):
        """With 8 and with 10 bits, which deinterlace does not take; in the video and in the pictures."""
        once = "--set", "inference-interval=100"
        for form in "I420", "I420_10LE":
            path, out = self.path(form + ".mp4"), self.path(form + ".mkv")
            common.launch("videotestsrc", "num-buffers=20", "horizontal-speed=8", "!",
                          f"video/x-raw,format={form},width=192,height=128,framerate=50/1", "!", "interlace",
                          "field-pattern=1:1", "!", "x264enc", "interlaced=true", "!", "h264parse", "!", "mp4mux", "!", "filesink", f"location={path}")  # fmt: skip
            self.assertGreater(self.combing(path, 4), COMBED)
            self.assert_done(self.run_script("annotate.sh", *once, path, out))
            self.assertLess(self.combing(out, 4), SMOOTH, form)
            self.assert_done(self.run_script("demo.sh", "--as-is", *once, path))
            self.assertLess(self.combing(self.path("o", form, "frame-000.png"), 0), SMOOTH, form)


if __name__ == "__main__":
    common.main()
