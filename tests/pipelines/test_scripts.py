#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scripts of pipelines/ on a small video that is made here."""

import glob
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import unittest

import common

FRAMES = 12


def turn(path):
    """Notes in a file that its pictures are to be shown turned by 90 degrees, as telephones do."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    header = content.index(b"tkhd")
    matrix = header + (56 if content[header + 4] == 1 else 44)
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30)
    with open(path, "wb") as file:
        file.write(content)


class Files(common.TestCase):
    def test_annotate_keeps_sound_and_every_frame(self):
        clip = self.clip()
        out = self.path("out.mkv")
        self.assert_done(common.script("annotate.sh", "--model", common.model("segment"), clip, out))
        self.assertEqual(self.streams(out), ["video", "audio"])
        self.assertEqual(common.count_frames(out, self.folder), FRAMES)

    def test_annotate_draws(self):
        clip = self.clip()
        out = self.path("out.mkv")
        self.assert_done(common.script("annotate.sh", "--model", common.model("segment"), clip, out))
        raw = []
        for path in clip, out:
            common.launch("filesrc", f"location={path}", "!", "decodebin", "!", "videoconvert", "!",
                          "video/x-raw,format=GRAY8", "!", "filesink", f"location={self.path('raw')}")  # fmt: skip
            with open(self.path("raw"), "rb") as file:
                raw.append(file.read())
        self.assertEqual(len(raw[0]), len(raw[1]))
        differing = sum(abs(a - b) > 20 for a, b in zip(*raw)) / len(raw[0])
        self.assertGreater(differing, 0.05)

    def test_annotate_without_sound(self):
        clip = self.clip(sound=False)
        out = self.path("out.mkv")
        self.assert_done(common.script("annotate.sh", "--model", common.model("classify"), clip, out))
        self.assertEqual(self.streams(out), ["video"])

    def test_json_lines(self):
        clip = self.clip()
        for task in "classify", "detect", "segment":
            process = common.script("json-lines.sh", "--model", common.model(task), clip)
            self.assert_done(process)
            lines = common.read_lines(process.stdout)
            self.assertEqual(len(lines), FRAMES)
            self.assertEqual([line["timestamp"] for line in lines], [i * 10**8 for i in range(FRAMES)])
            self.assertEqual({line["source"] for line in lines}, {clip})
            found = "segmentation" in lines[0] if task == "segment" else lines[0]["objects"]
            self.assertTrue(found, lines[0])

    def test_json_lines_of_the_default_model(self):
        process = common.script("json-lines.sh", self.clip(), DICENET_MODEL_PATH=self.default_models())
        self.assert_done(process)
        self.assertEqual(common.read_lines(process.stdout)[0]["segmentation"]["model"]["name"], "dicenet-segment")

    def test_several_models(self):
        """One a file and one a name; a property goes to the elements that have it."""
        process = common.script("json-lines.sh", "--model", common.model("detect"), "--model", "dicenet-classify",
                                "--set", "top-k=2", "--set", "inference-interval=3", self.clip(),
                                DICENET_MODEL_PATH=self.default_models())  # fmt: skip
        self.assert_done(process)
        for i, line in enumerate(common.read_lines(process.stdout)):
            (said,) = (o["classification"] for o in line["objects"] if "classification" in o)
            self.assertEqual((said["model"]["name"], len(said["classes"]), said["age"]), ("dicenet-classify", 2, i % 3))
            found = [o["detection"] for o in line["objects"] if "detection" in o]
            self.assertEqual({(d["model"]["name"], d["age"]) for d in found}, {("detect", i % 3)})

    def test_json_lines_to_a_file_with_a_property(self):
        clip = self.clip()
        out = self.path("lines.jsonl")
        self.assert_done(common.script("json-lines.sh", "--model", common.model("segment"), "--set", "inference-interval=4",
                                       clip, out))  # fmt: skip
        ages = [line["segmentation"]["age"] for line in common.read_json_lines(out)]
        self.assertEqual(ages, [0, 1, 2, 3] * 3)

    def test_turned_pictures_are_set_upright(self):
        clip = self.clip(sound=False)
        turn(clip)
        process = common.script("json-lines.sh", "--model", common.model("segment"), clip)
        self.assert_done(process)
        self.assertEqual(common.read_lines(process.stdout)[-1]["resolution"], {"width": 64, "height": 96})

    def test_several(self):
        clips = [self.clip("one.mp4"), self.clip("two.mp4", frames=5, sound=False), self.clip("three.mp4", frames=20)]
        self.assert_done(common.script("several.sh", "--model", common.model("segment"), *clips, folder=self.folder))
        for name, frames in ("one", 12), ("two", 5), ("three", 20):
            self.assertEqual(len(common.read_json_lines(self.path(name + ".jsonl"))), frames)

    def test_several_of_one_name(self):
        clip = self.clip()
        process = common.script("several.sh", "--model", common.model("segment"), clip, clip, folder=self.folder)
        self.assert_refused(process, "clip.jsonl")


class Warnings(common.TestCase):
    """What elements warn of reaches the user, in a line each, and nothing else that gst-launch-1.0 says."""

    FONTS = "warning: No font is installed"
    SHAPE = "warning: The stream says that its pixels are 1:100"
    PRECISION = "warning: bfloat16 was asked for"

    def run_script(self, name, *arguments, model="detect", **changes):
        fonts = os.path.join(common.ROOT, "tests", "elements", "no-fonts.conf")
        return common.script(name, "--model", common.model(model), "--set", "precision=bfloat16", *arguments, folder=self.folder,
                             FONTCONFIG_FILE=fonts, DICENET_CPU_MASK="3", **changes)  # fmt: skip

    def assert_warned(self, process, *warnings):
        """These are all lines of standard error, in any order."""
        self.assert_done(process)
        lines = process.stderr.splitlines()
        self.assertEqual(len(lines), len(warnings), process.stderr)
        for warning in warnings:
            self.assertEqual(sum(line.startswith(warning) for line in lines), 1, process.stderr)

    def test_annotate(self):
        clip = self.clip(sound=False)
        self.assert_warned(self.run_script("annotate.sh", clip, "out.mkv"), self.PRECISION, self.FONTS)
        # Two elements see the shape; what the network finds in it is random.
        process = self.run_script("annotate.sh", "--set", "threshold=1", self.strange_clip(), "strange-out.mkv")
        self.assert_warned(process, self.PRECISION, self.SHAPE)

    def test_json_lines(self):
        strange = self.strange_clip()
        process = self.run_script("json-lines.sh", strange)
        self.assert_warned(process, self.PRECISION, self.SHAPE)
        self.assertEqual(len(common.read_lines(process.stdout)), 5)
        process = self.run_script("json-lines.sh", strange, "out.jsonl")
        self.assert_warned(process, self.PRECISION, self.SHAPE)
        self.assertEqual(process.stdout, "")
        self.assertEqual(len(common.read_json_lines(self.path("out.jsonl"))), 5)

    def test_several(self):
        process = self.run_script("several.sh", self.strange_clip("a.mkv"), self.clip("b.mp4", sound=False))
        self.assert_done(process)
        for warning in self.PRECISION, self.SHAPE:
            self.assertIn(warning, process.stderr)

    def test_demo_and_camera(self):
        process = self.run_script("demo.sh", "--as-is", self.clip(sound=False), DICENET_OUTPUT=self.path("o"))
        self.assert_done(process)
        for warning in self.PRECISION, self.FONTS:
            self.assertIn(warning, process.stderr)
        process = self.run_script("camera.sh", "--test", "--seconds", 2)
        self.assert_warned(process, self.PRECISION)
        self.assertGreater(len(common.read_lines(process.stdout)), 0)

    def test_other_language(self):
        """gst-launch-1.0 speaks German here, where that is installed."""
        german = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}
        self.assert_warned(self.run_script("json-lines.sh", self.strange_clip(), **german), self.PRECISION, self.SHAPE)
        process = self.run_script("annotate.sh", "--set", "inference-size=5x5", self.clip(sound=False), "out.mkv", **german)
        self.assert_refused(process, "inference-size is '5x5'")


class Keeps(common.TestCase):
    """What is there stays as it is, and nothing half done is left."""

    def annotate(self, *arguments):
        return common.script("annotate.sh", "--model", common.model("classify"), *arguments)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_output_is_input(self):
        clip = self.clip()
        os.symlink(clip, self.path("link.mp4"))
        os.link(clip, self.path("hard.mp4"))
        before = self.read(clip)
        for name in "clip.mp4", "link.mp4", "hard.mp4", "./clip.mp4":
            self.assert_refused(self.annotate("--force", clip, os.path.join(self.folder, name)), "input")
        self.assertEqual(self.read(clip), before)

    def test_existing_output(self):
        clip = self.clip(frames=2, sound=False)
        out = self.path("out.mp4")
        with open(out, "w", encoding="utf-8") as file:
            file.write("notes")
        self.assert_refused(self.annotate(clip, out), "--force")
        self.assertEqual(self.read(out), b"notes")
        self.assert_done(self.annotate("--force", clip, out))
        self.assertEqual(self.read(out)[4:8], b"ftyp")
        self.assertEqual(sorted(os.listdir(self.folder)), ["clip.mp4", "out.mp4"])

    def test_other_containers(self):
        clip = self.clip(frames=3, size=(97, 65))
        self.assert_done(self.annotate(clip, self.path("out.webm")))
        self.assertEqual(self.streams(self.path("out.webm")), ["video", "audio"])
        self.assert_refused(self.annotate(clip, self.path("out.avi")), ".mkv", ".mp4", ".webm")

    def test_demo_leaves_other_files(self):
        clip = self.clip(frames=3)
        os.makedirs(self.path("o", "clip"))
        notes = self.path("o", "clip", "notes.txt")
        with open(notes, "w", encoding="utf-8") as file:
            file.write("notes")
        self.assert_done(common.script("demo.sh", "--as-is", "--model", common.model("classify"), clip,
                                       DICENET_OUTPUT=self.path("o")))  # fmt: skip
        self.assertEqual(self.read(notes), b"notes")

    def test_several_with_a_bad_one(self):
        clip, bad = self.clip("one.mp4", frames=3), self.path("bad.mp4")
        open(bad, "wb").close()
        process = common.script("several.sh", "--model", common.model("classify"), clip, bad, folder=self.folder)
        self.assert_refused(process, bad)
        self.assertEqual(len(common.read_json_lines(self.path("one.jsonl"))), 3)
        self.assertFalse(os.path.exists(self.path("bad.jsonl")))

    def test_video_without_decoder(self):
        path = common.WITHOUT_DECODER
        self.assert_refused(self.annotate(path, self.path("out.mkv")), path, "decodes")
        self.assertEqual(os.listdir(self.folder), [])


class Live(common.TestCase):
    def test_no_camera(self):
        if glob.glob("/dev/video*"):
            self.skipTest("there is a camera, or something that looks like one")
        process = common.script("camera.sh", "--model", common.model("segment"))
        self.assertEqual(process.returncode, 1)
        self.assert_refused(process, "no camera was found", "--test")
        self.assertEqual(process.stdout, "")

    def test_no_such_camera(self):
        process = common.script("camera.sh", "--model", common.model("segment"), "/dev/video-none")
        self.assertEqual(process.returncode, 1)
        self.assert_refused(process, "there is no camera /dev/video-none")

    def test_test_picture(self):
        process = common.script("camera.sh", "--model", common.model("segment"), "--test", "--seconds", 2)
        self.assert_done(process)
        lines = common.read_lines(process.stdout)
        self.assertGreater(len(lines), 1)
        self.assertEqual(lines[0]["resolution"], {"width": 640, "height": 480})


class Demo(common.TestCase):
    def test_file(self):
        clip = self.clip(frames=25)
        process = common.script("demo.sh", "--as-is", "--model", common.model("segment"), clip, DICENET_OUTPUT=self.path("o"))
        self.assert_done(process)
        folder = self.path("o", "clip")
        self.assertIn(folder, process.stderr)
        self.assertEqual(len(common.read_json_lines(os.path.join(folder, "results.jsonl"))), 25)
        annotated = os.path.join(folder, "annotated.mkv")
        self.assertEqual(self.streams(annotated), ["video", "audio"])
        self.assertEqual(common.count_frames(annotated, self.folder), 25)
        pictures = sorted(glob.glob(os.path.join(glob.escape(folder), "frame-*.png")))
        self.assertGreaterEqual(len(pictures), 2)
        self.assertEqual(common.count_frames(pictures[0], self.folder), 1)

    def test_all_models(self):
        """Without --model: masks, boxes and tags."""
        process = common.script("demo.sh", "--as-is", self.clip(frames=5), DICENET_OUTPUT=self.path("o"),
                                DICENET_MODEL_PATH=self.default_models())  # fmt: skip
        self.assert_done(process)
        lines = common.read_json_lines(self.path("o", "clip", "results.jsonl"))
        self.assertEqual(len(lines), 5)
        for line in lines:
            self.assertTrue(line["segmentation"]["classes"])
            self.assertEqual({next(iter({"detection", "classification"} & set(o))) for o in line["objects"]},
                             {"detection", "classification"})  # fmt: skip

    def test_long_file(self):
        """More frames than all queues together hold: no branch may wait for another for ever."""
        clip = self.clip(frames=400)
        process = common.script("demo.sh", "--as-is", "--model", common.model("segment"), "--set", "inference-interval=20",
                                clip, DICENET_OUTPUT=self.path("o"))  # fmt: skip
        self.assert_done(process)
        self.assertEqual(len(common.read_json_lines(self.path("o", "clip", "results.jsonl"))), 400)

    def test_photos(self):
        """The clip that the demo makes itself."""
        for i, pattern in enumerate(("smpte", "snow", "circular")):
            common.launch("videotestsrc", "num-buffers=1", f"pattern={pattern}", "!", "jpegenc", "!", "filesink",
                          f"location={self.path(f'{i}.jpg')}")  # fmt: skip
        program = os.path.join(common.BUILD, "pipelines", "photo-clip")
        clip = self.path("photos.mkv")
        photos = [self.path(f"{i}.jpg") for i in range(3)]
        subprocess.run([program, clip, *photos], env=common.environment(), check=True, timeout=60)
        self.assertEqual(common.count_frames(clip, self.folder), 60)
        failed = subprocess.run([program, self.path("other.mkv"), self.path("none.jpg")], capture_output=True, text=True, timeout=60,
                                env=common.environment())  # fmt: skip
        self.assertEqual(failed.returncode, 1)
        self.assertIn("none.jpg", failed.stderr)


class Readme(common.TestCase):
    """What the README shows works as it stands there, but for the camera, the window and the broker's port."""

    def pipelines(self):
        with open(os.path.join(common.ROOT, "README.md"), encoding="utf-8") as file:
            lines = [line.removeprefix("meson devenv -C build ") for line in file]
        lines = [line.replace(" v4l2src ", " videotestsrc num-buffers=3 ").replace("autovideosink", "fakesink") for line in lines]
        return [line for line in lines if line.startswith("gst-launch-1.0 ")]

    def setUp(self):
        super().setUp()
        self.environment = common.environment(DICENET_MODEL_PATH=self.default_models())

    def launch(self, line):
        process = subprocess.run(shlex.split(line), cwd=self.folder, env=self.environment, capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL, timeout=60)  # fmt: skip
        self.assert_done(process)
        self.assertNotIn("WARNING", process.stderr, line)
        return process.stdout

    def test_pipelines(self):
        self.clip(frames=3)
        lines = [line for line in self.pipelines() if "mqttsink" not in line]
        self.assertGreaterEqual(len(lines), 11)
        for line in lines:
            output = self.launch(line)
            if "dicenetclassify post-messages" in line:
                self.assertIn("dicenet-classify", output)
            if "dicenetjson" in line:
                self.assertEqual(len(common.read_json_lines(self.path("clip.jsonl"))), 3)
        self.assertEqual(len(glob.glob(os.path.join(self.folder, "mask-*.png"))), 3)

    def test_broker(self):
        mosquitto = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        sink = subprocess.run(["gst-inspect-1.0", "dicenetmqttsink"], env=self.environment, capture_output=True)
        if not mosquitto or sink.returncode:
            self.skipTest("needs mosquitto and dicenetmqttsink")
        (line,) = [line for line in self.pipelines() if "mqttsink" in line]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(self.path("broker.log"), "w+", encoding="utf-8") as log:
            broker = subprocess.Popen([mosquitto, "-v", "-p", str(port)], stdout=log, stderr=log)
            try:
                self.launch(line.replace("//localhost/", f"//localhost:{port}/"))
            finally:
                broker.terminate()
                broker.wait(10)
            log.seek(0)
            published = re.findall(r"Received PUBLISH .*'cameras/north'", log.read())
        self.assertEqual(len(published), 3)


class Mistakes(common.TestCase):
    def test_help(self):
        for path in glob.glob(os.path.join(glob.escape(common.PIPELINES), "*.sh")):
            name = os.path.basename(path)
            if name not in ("common.sh", "packages.sh", "progress.sh"):
                process = common.script(name, "--help")
                self.assert_done(process)
                for part in name, "Needs:":
                    self.assertIn(part, process.stdout)

    def test_no_file(self):
        process = common.script("json-lines.sh", "--model", common.model("segment"), self.path("none.mp4"))
        self.assert_refused(process, "there is no file", "none.mp4")

    def test_no_model(self):
        process = common.script("json-lines.sh", "--model", self.path("none.safetensors"), self.clip())
        self.assert_refused(process, "there is no model", "none.safetensors")
        process = common.script("json-lines.sh", "--model", "no-such-model", self.clip())
        self.assert_refused(process, "no-such-model.safetensors", os.path.join(common.ROOT, "models"), "DICENET_MODEL_PATH")

    def test_no_such_property(self):
        process = common.script("json-lines.sh", "--model", common.model("segment"), "--set", "topk=3", self.clip())
        self.assert_refused(process, "'topk'", "gst-inspect-1.0 dicenetsegment")

    @common.long_test
    def test_values_of_properties(self):
        """gst-launch-1.0 takes the default for numbers out of range, and negative ones for large ones."""
        clip = self.clip(frames=2, sound=False)
        for name, values, expected in (
            ("threshold", ("9", "-1.5", "abc", "0,5", "nan", "0x1"), "a number from -1 to 1"),
            ("inference-interval", ("0", "-1", "1.5", "4294967296", "0x10"), "a whole number from 1 to 4294967295"),
            ("threads", ("-1", "1025", "99999999999999999999"), "a whole number from 0 to 1024"),
            ("max-detections", ("-1",), "a whole number from 0 to 4294967295"),
            ("device-id", ("-2",), "a whole number from -1 to 2147483647"),
            ("precision", ("9", "int4", "float.*", "-"), "one of auto, float32, bfloat16, int8, float16, tf32"),
        ):
            for value in values:
                process = common.script("json-lines.sh", "--model", common.model("detect"), "--set", f"{name}={value}", clip)
                self.assert_refused(process, f"{name} must be {expected}, not '{value}'")
                self.assertEqual(process.stdout, "")
        good = "threshold=1e-1", "threshold=.5", "threads=1", "max-detections=0", "device-id=-1", "precision=auto", "backend=1"
        process = common.script("json-lines.sh", "--model", common.model("detect"),
                                *(word for value in good for word in ("--set", value)), clip)  # fmt: skip
        self.assert_done(process)
        process = common.script("json-lines.sh", "--model", common.model("detect"), "--set", "stats=3", clip)
        self.assert_refused(process, "there is no property 'stats'")

    def test_bad_model(self):
        clip = self.clip()
        process = common.script("json-lines.sh", "--model", clip, clip)
        self.assert_refused(process, clip)

    def test_not_a_video(self):
        process = common.script("json-lines.sh", "--model", common.model("segment"), common.model("segment"))
        self.assert_refused(process, common.model("segment"))

    def test_unknown_option(self):
        self.assert_refused(common.script("annotate.sh", "--frobnicate"), "--frobnicate", "--help")
        # What other scripts know would be ignored.
        for name, option in ("json-lines.sh", "--seconds"), ("annotate.sh", "--show"), ("camera.sh", "--force"):
            self.assert_refused(common.script(name, option, 3, 3), "unknown option " + option)

    def test_bad_seconds(self):
        self.assert_refused(common.script("camera.sh", "--seconds", "soon"), "'soon'")

    def test_no_rtsp_address(self):
        process = common.script("rtsp.sh", "--model", common.model("segment"), "http://localhost/")
        self.assert_refused(process, "rtsp://")

    @unittest.skipUnless(shutil.which("shellcheck"), "no shellcheck here")
    @common.long_test
    def test_shellcheck(self):
        scripts = [path for folder in ("pipelines", "tests") for path in
                   glob.glob(os.path.join(glob.escape(common.ROOT), folder, "*.sh"))]  # fmt: skip
        process = subprocess.run(["shellcheck", "-x", "-P", common.ROOT, *scripts, os.path.join(common.ROOT, ".ci", "run")],
                                 capture_output=True, text=True, timeout=120)  # fmt: skip
        self.assertEqual(process.returncode, 0, process.stdout)


if __name__ == "__main__":
    common.main()
