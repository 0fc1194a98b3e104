#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/video.py: made cases, and made clips on which made teachers say what a random model says.

Requires the plugin and its introspection data.
"""

import fcntl
import glob
import json
import os
import pty
import subprocess
import sys
import unittest

import common
import numpy as np
import test_evaluate  # prints "skipped" if the plugin or a package is missing
from PIL import Image
from plugin import Gst, result_of

import clips  # of models/evaluation
import sheet
import teachers
import video
from errors import ModelError
from metrics import Found

LABELS = "background,a,b,c"
# Not in the model's order, and with one that it does not know.
TEACHERS_LABELS = ["c", "z", "a", "b"]
FRAMES, EVERY, SIZE = 8, 3, (160, 120)
# Finds in the frame whose number is in its corner what it is told; writes the number to a file.
SCRIPT = """
import os
import numpy as np
if os.environ.get("NO_PACKAGES"):
    import no_such_package
VOC = {labels!r}
FOUND = {found!r}
def teacher(name):
    def look(bgr):
        n = round(bgr[2:14, 2:14].mean() / 25)
        with open({log!r}, "a") as file:
            file.write(f"{{n}} {{bgr.shape}}\\n")
        return name, n
    return lambda: look
Yolox, Nanodet, Picodet = map(teacher, ("yolox", "nanodet", "picodet"))
def nms(name, n):
    rows = np.array(FOUND[name][n], float).reshape(-1, 6)
    return rows[:, 2:], rows[:, 0].astype(int), rows[:, 1]
def fuse(runs):
    return [np.concatenate(parts) for parts in zip(*runs)]
"""

A, B = 0, 1
FIRST, NEAR, HALF, FAR = (0, 0, 10, 10), (1, 0, 11, 10), (0, 0, 10, 4), (50, 50, 60, 60)


def found(*rows):
    """Rows of box, class and score."""
    boxes = np.array([r[0] for r in rows], float).reshape(-1, 4)
    return Found(boxes, np.array([r[1] for r in rows], np.int64), np.array([r[2] for r in rows], float))


def truth(*rows, known=(A, B)):
    return teachers.objects_of(found(*rows), frozenset(known))


class Verdicts(unittest.TestCase):
    def verdicts(self, said, there, tags=False):
        return video.verdicts_on(found(*said), truth(*there), tags).tolist()

    def test_boxes(self):
        sure, unsure = (FIRST, A, 0.5), (FIRST, A, 0.49)
        self.assertEqual(self.verdicts([(NEAR, A, 0.4)], [sure]), [1])
        self.assertEqual(self.verdicts([(HALF, A, 0.4)], [sure]), [0])  # an overlap of 0.4
        self.assertEqual(self.verdicts([(NEAR, B, 0.4)], [sure]), [0])
        # An object is found once, by the most confident one.
        self.assertEqual(self.verdicts([(NEAR, A, 0.4), (FIRST, A, 0.9)], [sure]), [0, 1])
        # Those that match what is unsure are not counted, however many; others are.
        said = [(NEAR, A, 0.4), (FIRST, A, 0.9), (FAR, A, 0.8), (FIRST, B, 0.7)]
        self.assertEqual(self.verdicts(said, [unsure]), [-1, -1, 0, 0])
        # What lies inside of something unsure is not what is unsure.
        self.assertEqual(self.verdicts([(FIRST, A, 0.9)], [((0, 0, 100, 100), A, 0.3)]), [0])

    def test_tags(self):
        said = [(FAR, A, 0.9), (FAR, B, 0.8)]
        for there, expected in (
            ([(FIRST, A, 0.5)], [1, 0]),
            ([(FIRST, A, 0.5), (FIRST, A, 0.2), (FIRST, B, 0.2)], [1, -1]),
            ([], [0, 0]),
        ):
            self.assertEqual(self.verdicts(said, there, tags=True), expected)
        several = video.tags_of(found((FAR, B, 0.3), (FIRST, A, 0.4), (NEAR, B, 0.9)))
        self.assertEqual((several.labels.tolist(), several.scores.tolist()), ([A, B], [0.4, 0.9]))

    def test_translated(self):
        """Into the teachers' classes; what they do not know is left out."""
        said = video.translated(found((FIRST, 0, 0.9), (NEAR, 1, 0.8), (FAR, 2, 0.7)), np.array([-1, 3, 0]))
        self.assertEqual((said.labels.tolist(), said.scores.tolist()), ([3, 0], [0.8, 0.7]))
        self.assertEqual(said.boxes.tolist(), [list(NEAR), list(FAR)])

    def test_unknown(self):
        """Objects of classes that the model does not know are not demanded."""
        there = truth((FIRST, A, 0.9), (FIRST, B, 0.9), (FAR, B, 0.2), known=[A])
        self.assertEqual((there.labels.tolist(), there.ignored_labels.tolist()), ([A], []))


class Figures(unittest.TestCase):
    def test_rates(self):
        tally = video.Tally(3)
        tally.frames, tally.labelled = 400, 50
        tally.objects += [8, 0, 0]
        tally.right += [6, 0, 0]
        tally.wrong += [2, 1, 0]
        tally.unseen += [1, 2, 0]
        report = video.report_of(tally, ["a", "b", "never"])
        a = {"objects": 8, "precision": 0.75, "recall": 0.75, "false_per_100_frames": 4.0, "unseen": 0.0025}
        b = {"objects": 0, "precision": 0.0, "recall": None, "false_per_100_frames": 2.0, "unseen": 0.005}
        self.assertEqual(report["classes"], {"a": a, "b": b})
        self.assertEqual(report["overall"]["precision"], 6 / 9)
        self.assertEqual(report["overall"]["false_per_100_frames"], 6)
        total = video.Tally(3)
        total += tally
        total += tally
        self.assertEqual((total.frames, total.labelled, total.objects.tolist()), (800, 100, [16, 0, 0]))
        self.assertEqual(tally.objects.tolist(), [8, 0, 0])

    def test_unseen(self):
        """s: seen in a labelled frame, l: not seen; as capitals, said there, too. x and -: said or not between them."""
        for story, expected in (
            ("l---l", 0),
            ("L---l", 1),
            ("l-x-l", 1),
            ("lxxxl", 3),
            ("S-x-l", 0),  # it was there just before
            ("l-x-S", 0),  # and just after
            ("l-x-s", 0),
            ("L-x-S", 1),
            ("lx-xLx-xS", 3),
            ("lxx", 2),
            ("sxxlxx", 2),
            ("", 0),
        ):
            unseen = video.Unseen(1)
            for letter in story:
                said = np.array([letter in "xLS"])
                if letter in "-x":
                    unseen.add(said)
                else:
                    unseen.add_labelled(said, np.array([letter in "sS"]))
            self.assertEqual(unseen.end().tolist(), [expected], story)


class Sheets(unittest.TestCase):
    def picture(self, answers, tags=False):
        bgr = np.full((240, 480, 3), 128, np.uint8)
        return np.asarray(sheet.cell_of(bgr, answers, "caption", ["a", "b"], tags))

    def test_colours(self):
        said = found(((50, 50, 90, 90), A, 0.9), ((150, 50, 190, 90), A, 0.8), ((250, 50, 290, 90), B, 0.7))
        there = truth(((52, 52, 92, 92), A, 0.9), ((350, 150, 390, 190), B, 0.3))
        cell = self.picture((said, [1, 0, -1], there))
        for x, verdict in ((90, 1), (190, 0), (290, -1)):
            self.assertEqual(tuple(cell[70, x]), sheet.COLOURS[verdict])
        for x, colour in ((92, sheet.TEACHERS), (390, sheet.UNSURE)):
            side = {tuple(pixel) for pixel in cell[:240, x]}
            self.assertIn(colour, side)
            self.assertIn((0, 0, 0), side)  # dashes
        self.assertIn(sheet.COLOURS[0], {tuple(p) for p in self.picture((said, [0, 0, 0], there), tags=True)[10]})
        self.assertNotIn(sheet.COLOURS[0], {tuple(p) for p in self.picture((said, [0, 0, 0], there), tags=True)[70]})

    def test_frames(self):
        """The middle and the worst frame of each part; others are not converted."""
        clip = sheet.Sheet(20, False).begin("clip", 12, ["a", "b"])  # 20 clips: three parts of each
        asked = []
        nothing = found(), [], truth()
        for n, mistakes in enumerate((0, 2, 2, 3, 0, 0, 0, 0, 1, 9, 0, 9)):

            def pixels(n=n):
                asked.append(n)
                return np.zeros((24, 48, 3), np.uint8)

            clip.add(10 * n, pixels, nothing, mistakes, 0)
        self.assertEqual(asked, [1, 3, 5, 8, 9])
        self.assertEqual((len(clip.even), len(clip.worst), len(clip.worst_others())), (3, 2, 1))


class TestCase(test_evaluate.TestCase):
    def clip(self, name="clip.avi", count=FRAMES):
        """Coloured blobs, and the frame's number as a shade of grey in the corner."""
        path = self.path(name)
        Gst.init(None)
        pipeline = Gst.parse_launch(
            f"appsrc name=source format=time caps=video/x-raw,format=RGB,width={SIZE[0]},height={SIZE[1]},framerate=10/1 "
            "! videoconvert ! jpegenc quality=95 ! avimux ! filesink name=file"
        )
        pipeline.get_by_name("file").props.location = path
        pipeline.set_state(Gst.State.PLAYING)
        source = pipeline.get_by_name("source")
        for n in range(count):
            pixels = np.array(test_evaluate.photo(n, SIZE))
            pixels[:16, :16] = 25 * n
            buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
            buffer.pts, buffer.duration = n * Gst.SECOND // 10, Gst.SECOND // 10
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")
        kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, kinds)
        pipeline.set_state(Gst.State.NULL)
        self.assertEqual(message.type, Gst.MessageType.EOS, "jpegenc or avimux is missing")
        return path

    def detector(self):
        return self.model("detect", "--classes", "4", "--labels", LABELS, "--objects", "60", "--threshold", "0.4")

    def said(self, clip, model, task="detect"):
        """What the element says of the labelled frames, in the teachers' classes."""
        names = LABELS.split(",")
        classes = np.array([TEACHERS_LABELS.index(name) if name in TEACHERS_LABELS else -1 for name in names])
        samples = [sample for sample, _ in clips.frames(clip, "dicenet" + task, model)]
        self.assertEqual(len(samples), FRAMES)
        return [video.translated(result_of(sample, task, 4), classes) for sample in samples[::EVERY]]

    def teachers(self, found_by_frame, labels=TEACHERS_LABELS, score=0.9):
        """A folder of teachers, of which one finds this, and the others nothing."""
        rows = {
            n * EVERY: [[int(label), score, *map(float, box)] for box, label, _ in zip(*found)]
            for n, found in enumerate(found_by_frame)
        }
        nothing = {n: [] for n in rows}
        script = SCRIPT.format(
            labels=labels, found={"yolox": rows, "nanodet": nothing, "picodet": nothing}, log=self.path("log")
        )
        os.makedirs(self.path("teachers"), exist_ok=True)
        self.file(os.path.join("teachers", "run_teacher.py"), script.encode())
        return self.path("teachers")

    def call(self, *arguments, env=None):
        script = os.path.join("evaluation", "video.py")
        folders = ("--teachers", self.path("teachers"), "--labels", self.path("labels"), "--every", EVERY)
        return common.run_script(script, *folders, *arguments, env=env)

    def judge(self, *arguments, env=None):
        process = self.call(*arguments, "--json", self.path("out.json"), "--force", env=env)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(self.path("out.json"), encoding="utf-8") as file:
            return json.load(file), process.stdout

    def looked(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return [int(line.split()[0]) for line in file]

    def labels_file(self):
        (path,) = glob.glob(self.path("labels", "*.jsonl"))
        return path

    def add_to_labels(self, change):
        """Changes the rows of each labelled frame."""
        with open(self.labels_file(), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        for line in lines:
            if "frame" in line:
                line["fused"] = change(line["frame"], line["fused"])
        with open(self.labels_file(), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


class Command(TestCase):
    def test_detect(self):
        model, clip = self.detector(), self.clip()
        said = self.said(clip, model)
        self.assertGreater(min(len(f.labels) for f in said), 2)
        self.teachers(said)
        report, text = self.judge(model, clip, "--sheet", self.path("sheet.png"))
        self.assertEqual((report["frames"], report["labelled"]), (FRAMES, 3))
        every = sum(len(f.labels) for f in said)
        self.assertEqual(report["overall"], {"objects": every, "precision": 1, "recall": 1, "false_per_100_frames": 0})
        self.assertLessEqual(set(report["classes"]), {"a", "b", "c"})
        self.assertIn("clip.avi: 8 frames, 3 of them labelled", text)
        with Image.open(self.path("sheet.png")) as image:
            colours = {colour for _, colour in image.getcolors(1 << 24)}
        self.assertIn(sheet.COLOURS[1], colours)
        self.assertIn(sheet.TEACHERS, colours)
        # In each labelled frame, one object less, one unsure, and two that the model does not say.
        unknown = TEACHERS_LABELS.index("z")
        self.add_to_labels(
            lambda n, rows: [
                [rows[1][0], 0.3, *rows[1][2:]],
                *rows[2:],
                [0, 0.8, 0, 0, 2, 2],
                [unknown, 0.8, 0, 0, 9, 9],
            ]
        )
        changed, _ = self.judge(model, clip)
        overall = changed["overall"]
        right = every - 6
        self.assertEqual(overall["objects"], right + 3)
        self.assertAlmostEqual(overall["precision"], right / (right + 3))
        self.assertAlmostEqual(overall["recall"], right / (right + 3))
        self.assertAlmostEqual(overall["false_per_100_frames"], 100)
        self.assertNotIn("z", changed["classes"])

    def test_tags(self):
        names = LABELS.replace("background", "other")
        model = self.model("classify", "--classes", "4", "--multi-label", "--labels", names)
        clip = self.clip()
        samples = [sample for sample, _ in clips.frames(clip, "dicenetclassify", model)]
        of_all = [result_of(sample, "classify", 4) for sample in samples]
        scores = [s[1:] for s in of_all[::EVERY]]  # of a, b, c
        classes = np.array([TEACHERS_LABELS.index(name) for name in "abc"])
        said = [classes[np.flatnonzero(s)] for s in scores]
        count = sum(map(len, said))
        self.assertGreater(count, 0)
        # Two objects of each class are one class that is there.
        self.teachers([Found(np.zeros((2 * len(s), 4)), np.repeat(s, 2), np.repeat(s, 2)) for s in said])
        report, text = self.judge(model, clip, "--sheet", self.path("sheet.png"))
        self.assertEqual(report["kind"], "tags")
        self.assertEqual(report["overall"], {"objects": count, "precision": 1, "recall": 1, "false_per_100_frames": 0})
        others = ["other"] if any(s[0] for s in of_all) else []
        self.assertEqual(report["not_judged"], others)
        self.assertEqual("Said, but not judged" in text, bool(others))
        self.add_to_labels(lambda n, rows: [])
        report, _ = self.judge(model, clip)
        self.assertEqual(report["overall"]["precision"], 0)
        self.assertAlmostEqual(report["overall"]["false_per_100_frames"], 100 * count / 3)
        for name, unseen in zip("abc", np.mean(np.array(of_all)[:, 1:] > 0, axis=0)):
            self.assertAlmostEqual(report["classes"].get(name, {"unseen": 0})["unseen"], unseen)

    def test_teacher(self):
        """One of the teachers alone, at a score, without a model."""
        box = np.array([(10.0, 10, 50, 50)])
        self.teachers([Found(box, np.array([2]), np.ones(1))] * 3)
        clip = self.clip()
        for arguments, recall in (
            (("--model", "yolox"), 1),
            (("--model", "yolox", "--tags"), 1),
            (("--model", "yolox", "--score", "0.95"), 0),
            (("--model", "nanodet"), 0),
        ):
            report, text = self.judge(*arguments, clip, "--sheet", self.path("sheet.png"))
            self.assertEqual((report["frames"], report["classes"]["a"]["recall"]), (3, recall), arguments)
            self.assertIn(f"{arguments[1]} from ", text)

    def test_several(self):
        model, first, second = self.detector(), self.clip(), self.clip("second.avi", count=4)
        self.teachers(self.said(first, model))
        report, text = self.judge(model, first, second)
        self.assertEqual([one["clip"] for one in report["clips"]], ["clip.avi", "second.avi"])
        self.assertEqual([one["labelled"] for one in report["clips"]], [3, 2])
        self.assertEqual((report["frames"], report["labelled"]), (FRAMES + 4, 5))
        objects = [one["overall"]["objects"] for one in report["clips"]]
        self.assertEqual(report["overall"]["objects"], sum(objects))
        self.assertIn("all clips", text)

    def test_properties(self):
        model, clip = self.detector(), self.clip()
        self.teachers(self.said(clip, model))
        report, _ = self.judge(model, clip, "--set", "threshold=1")
        self.assertEqual(report["overall"]["recall"], 0)

    def test_terminal(self):
        """Progress on a terminal; none in a file where all goes fast."""
        self.teachers([found()] * 3)
        clip = self.clip()
        master, slave = pty.openpty()
        script = os.path.join(common.MODELS, "evaluation", "video.py")
        arguments = [script, "--model", "yolox", clip, "--teachers", self.path("teachers"), "--labels", self.path("l")]
        subprocess.run(
            [sys.executable, *arguments, "--every", "3"], check=True, stdout=subprocess.DEVNULL, stderr=slave
        )
        os.close(slave)
        shown = os.read(master, 1 << 16).decode()
        os.close(master)
        self.assertIn("labelling clip.avi: ", shown)
        self.assertIn("yolox on clip.avi: ", shown)
        self.assertTrue(shown.endswith("\r\033[K"), shown)
        self.assertEqual(self.call("--model", "yolox", clip).stderr, "")


class Cache(TestCase):
    def test_kept(self):
        """Labels are made once for a clip, whatever it is called, its frames, and the teachers."""
        clip = self.clip()
        folder = self.teachers([found((FIRST, A, 0.9))] * 3)
        self.judge("--model", "yolox", clip)
        self.assertEqual(self.looked(), [0] * 3 + [3] * 3 + [6] * 3)
        with open(self.path("log"), encoding="utf-8") as file:
            self.assertIn(f"({SIZE[1]}, {SIZE[0]}, 3)", file.read())
        self.judge("--model", "nanodet", clip, env={"NO_PACKAGES": "1"})
        self.assertEqual(len(self.looked()), 9)
        self.judge("--model", "yolox", clip, "--every", "6")
        self.assertEqual(self.looked()[9:], [0] * 3 + [6] * 3)
        os.remove(self.path("log"))
        self.teachers([found((FAR, A, 0.9))] * 3)
        self.judge("--model", "yolox", clip)
        self.assertEqual(len(self.looked()), 9)
        self.assertEqual(len(os.listdir(self.path("labels"))), 3)
        self.assertEqual(os.listdir(folder), ["run_teacher.py"])

    def test_continued(self):
        """After an interruption, the frames that are labelled already are not labelled again."""
        clip = self.clip()
        self.teachers([found((FIRST, A, 0.9)), found(), found((FAR, B, 0.8))])
        self.judge("--model", "yolox", clip)
        with open(self.labels_file(), "rb") as file:
            whole = file.read()
        lines = whole.splitlines(keepends=True)
        for kept, looked in ((0, [0, 3, 6]), (1, [0, 3, 6]), (2, [3, 6]), (4, [])):
            for rest in b"", lines[kept][:-2]:
                os.remove(self.path("log"))
                self.file("log", b"")
                with open(self.labels_file(), "wb") as file:
                    file.write(b"".join(lines[:kept]) + rest)
                self.judge("--model", "yolox", clip)
                self.assertEqual(self.looked()[::3], looked)
                with open(self.labels_file(), "rb") as file:
                    self.assertEqual(file.read(), whole)

    def test_two_at_once(self):
        """The second one waits for the first one's labels, and makes none."""
        clip = self.clip()
        self.teachers([found()] * 3)
        self.judge("--model", "yolox", clip)
        with open(self.labels_file(), "rb") as file:
            whole = file.read()
        os.remove(self.path("log"))
        with open(self.labels_file(), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            script = os.path.join(common.MODELS, "evaluation", "video.py")
            arguments = ["--teachers", self.path("teachers"), "--labels", self.path("labels"), "--every", str(EVERY)]
            with subprocess.Popen(
                [sys.executable, script, "--model", "yolox", clip, *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                self.assertIn("another process", process.stderr.readline())
                file.write(whole)
                file.flush()
                fcntl.flock(file, fcntl.LOCK_UN)
                process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0)
        self.assertFalse(os.path.exists(self.path("log")))

    def test_damaged(self):
        clip = self.clip()
        self.teachers([found((FIRST, A, 0.9))] * 3)
        self.judge("--model", "yolox", clip)
        path = self.labels_file()
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        for wrong in (
            [b"{}\n", *lines[1:]],
            [lines[0].replace(b'"every":3', b'"every":4'), *lines[1:]],
            [b"[]\n"],
            [b"text\n"],
            [lines[0], b"[]\n", *lines[2:]],
            [lines[0], lines[1].replace(b"[0,", b"[9,"), *lines[2:]],
            [lines[0], lines[1].replace(b"[0,", b"[0.5,"), *lines[2:]],
            [lines[0], lines[1].replace(b"[0,", b"[NaN,"), *lines[2:]],
            [lines[0], lines[1].replace(b"[0,", b"["), *lines[2:]],
            [*lines[:-1], b'{"frames":"many"}\n'],
        ):
            self.assertNotEqual(wrong, lines)
            with open(path, "wb") as file:
                file.writelines(wrong)
            self.assert_failed(self.call("--model", "yolox", clip), path, "expected a file of labels", "delete it")
        for other in ([*lines[:3], lines[-1]], [*lines[:-1], b'{"frames":9}\n']):
            with open(path, "wb") as file:
                file.writelines(other)
            self.assert_failed(self.call("--model", "yolox", clip), path, "decoded differently", "delete it")

    def test_folder(self):
        clip = self.clip()
        self.teachers([found()] * 3)
        self.file("file", b"")
        process = self.call("--model", "yolox", clip, "--labels", self.path("file", "below"))
        self.assert_failed(process, "cannot be read or written", "--labels")
        process = self.call("--model", "yolox", clip, env={"NO_PACKAGES": "1"})
        self.assert_failed(process, "run_teacher.py: needs no_such_package", "onnxruntime", "pip install")
        self.assertFalse(os.path.exists(self.path("labels")))


class Errors(TestCase):
    def test_arguments(self):
        model, clip = self.detector(), self.clip()
        self.teachers([found()] * 3)
        text = self.file("text.avi", b"no clip")
        sound = self.path("sound.wav")
        pipeline = Gst.parse_launch(f"audiotestsrc num-buffers=9 ! wavenc ! filesink location={sound}")
        pipeline.set_state(Gst.State.PLAYING)
        pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        pipeline.set_state(Gst.State.NULL)
        os.mkdir(self.path("empty"))
        for arguments, parts in (
            ((self.path("none.safetensors"), clip), ("none.safetensors",)),
            ((model, clip, self.path("none.avi")), ("none.avi", "No such file")),
            ((model, self.folder), (self.folder, "Is a directory")),
            ((model, self.fifo("fifo")), ("fifo", "not a regular file")),
            ((model, text), ("text.avi", "type of stream")),
            ((model, sound), ("sound.wav", "no video")),
            ((model, clip, "--teachers", self.path("empty")), ("empty", "run_teacher.py", "--teachers")),
            ((model, clip, "--set", "speed=high"), ("dicenetdetect", "speed")),
            ((model, clip, "--json", clip, "--force"), ("clip.avi", "is read")),
            ((model, clip, "--sheet", model, "--force"), ("is read",)),
            ((model, clip, "--sheet", self.file("mine.png", b"mine")), ("mine.png", "--force")),
        ):
            self.assert_failed(self.call(*arguments), *parts)
        self.assertFalse(glob.glob(self.path("labels", "text*")) + glob.glob(self.path("labels", "sound*")))
        for arguments in (
            (model,),
            ("--model", "other", clip),
            ("--model", "yolox", clip, "--score", "2"),
            ("--model", "yolox", clip, "--set", "threshold=1"),
            (model, clip, "--score", "0.4"),
            (model, clip, "--every", "0"),
            (model, clip, "--json", "x", "--sheet", "./x"),
        ):
            process = self.call(*arguments)
            self.assertEqual(process.returncode, 2, process.stderr)
            self.assertIn("error: ", process.stderr)

    def test_models(self):
        clip = self.clip()
        self.teachers([found()] * 3)
        for task, options, parts in (
            ("segment", ("--classes", "5"), ("made to segment", "detector")),
            ("classify", ("--classes", "5"), ("one label", "several")),
            ("detect", ("--classes", "3", "--labels", "background,x,y"), ("x, y", "c, z, a, b")),
        ):
            self.assert_failed(self.call(self.model(task, *options), clip), "model.safetensors", *parts)

    def test_teachers(self):
        clip = self.clip()
        os.mkdir(self.path("teachers"))
        for script, parts in (
            (b"VOC = []", ("cannot be loaded", "Yolox")),
            (b"this is no Python", ("cannot be loaded",)),
            (b"VOC = []\nYolox = Nanodet = Picodet = lambda: print", ("cannot be labelled", "nms")),
        ):
            self.file(os.path.join("teachers", "run_teacher.py"), script)
            self.assert_failed(self.call("--model", "yolox", clip), "run_teacher.py", *parts)

    def test_frames(self):
        """A clip that ends in the middle of it is an error or a shorter clip, and never hangs."""
        clip = self.clip()
        with open(clip, "rb") as file:
            content = file.read()
        for size in (100, len(content) // 3, len(content) // 2):
            cut = self.file("cut.avi", content[:size])
            try:
                self.assertLess(len(list(clips.frames(cut))), FRAMES)
            except ModelError as error:
                self.assertIn("cut.avi: ", str(error))


class Real(TestCase):
    def test_clip(self):
        """A shipped model on a real clip, with labels that the test made."""
        clip = os.path.join(common.TESTS, "clips", "street.mp4")
        n_frames = len(list(clips.frames(clip)))
        car = found(((20.0, 60, 140, 170), A, 0.9))
        self.teachers([car] * (n_frames // EVERY + 1), labels=["car", "boat"])
        # The teachers find the number of a frame in the corner of made ones only.
        head = self.path("labels")
        os.mkdir(head)
        folder = teachers.Teachers(self.path("teachers"))
        folder.labels, folder.load, folder.look = ["car", "boat"], lambda: None, lambda pixels: ROWS

        def frames_of(path):
            for sample, _ in clips.frames(path):
                yield lambda sample=sample: clips.pixels(sample)

        labels = teachers.Labels(clip, EVERY, folder, head, frames_of)
        self.assertEqual((labels.frames, labels.count), (n_frames, -(-n_frames // EVERY)))
        report, _ = self.judge("dicenet-detect-small", clip, "--sheet", self.path("sheet.png"))
        self.assertEqual(report["frames"], n_frames)
        self.assertEqual(report["classes"]["car"]["objects"], labels.count)
        self.assertGreater(len(report["not_judged"]) + report["classes"]["car"]["recall"], 0)


ROWS = {name: [[0, 0.9, 20.0, 60.0, 140.0, 170.0]] for name in ("fused", "yolox", "nanodet", "picodet")}

if __name__ == "__main__":
    unittest.main()
