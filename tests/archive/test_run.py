#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dicenet-archive finds recordings, does each once, and goes on where it was stopped."""

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import unittest

import archive
import common


class Run(archive.TestCase):
    def test_folder(self):
        """Everything that a folder can hold, and the output in it."""
        self.output = os.path.join(self.input, "out")
        long = "x" * 240 + ".mp4"
        self.clips("a.mp4", "sub/a.mp4", "line\nbreak.mp4", b"not-utf8-\xff.mp4", "'\"$(x)\\.mp4", "-dash.mp4", long,
                   "no-ending", ".hidden.mp4")  # fmt: skip
        for number in range(3):
            self.picture(f"sub/pictures/p{9 + number}.png", 40 + 8 * number)
        for name, content in {"notes.txt": "text", "sub/data.bin": "\0" * 9, "empty.mp4": "", "cut.mp4": "no video",
                              "sound.m4a": "\0\0\0\x20ftypM4A "}.items():  # fmt: skip
            with open(os.path.join(self.input, name), "w", encoding="ascii") as file:
                file.write(content)
        os.symlink(self.input, os.path.join(self.input, "sub", "loop"))
        os.symlink("nowhere", os.path.join(self.input, "nowhere.mp4"))
        out, err = self.run_archive(expect=1)
        self.assertIn("11 recordings to do", out)
        self.assertIn("4 other files skipped", out)
        states = self.states()
        failed = {path for path, state in states.items() if state == "failed"}
        self.assertEqual(failed, {"empty.mp4", "cut.mp4"})
        self.assertIn("sub/pictures", states)
        self.assertEqual(len(states), 11)
        summaries = self.summaries()
        self.assertEqual(summaries["empty.mp4"]["error"], "it is empty: 0 bytes")
        self.assertIn("it may be no video", summaries["cut.mp4"]["error"])
        self.assertEqual(summaries["sub/pictures"]["kind"], "pictures")
        self.assertEqual(summaries["sub/pictures"]["frames"], 3)
        # Their lines say which, in the order of their numbers.
        lines = common.read_json_lines(os.path.join(self.output, "results", "sub", "pictures.jsonl"))
        self.assertEqual([os.path.basename(line["source"]) for line in lines], ["p9.png", "p10.png", "p11.png"])
        self.assertEqual([line["resolution"]["width"] for line in lines], [40, 48, 56])
        self.assertTrue(os.path.exists(os.path.join(os.fsencode(self.output), b"results", b"not-utf8-\xff.mp4.jsonl")))
        self.assertTrue(all(json.dumps(summary, ensure_ascii=False).encode() for summary in summaries.values()))

    def picture(self, name, side):
        place = os.path.join(self.input, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        common.launch("videotestsrc", "num-buffers=1", "!", f"video/x-raw,width={side},height={side}", "!", "pngenc", "!",
                      "filesink", f"location={place}")  # fmt: skip

    def test_resume(self):
        """Killed at any time, the same command goes on, and the results are those of a run that nobody disturbed."""
        names = [f"{number % 3}/clip{number}.mp4" for number in range(8)]
        self.clips(*names, frames=6)
        self.run_archive("--track", output=self.path("undisturbed"))
        whole = self.everything(self.path("undisturbed"))
        rng = random.Random(7)
        for _ in range(6):
            process = self.begin("--track")
            try:
                process.wait(0.3 + 2 * rng.random())
            except subprocess.TimeoutExpired:
                workers = self.interrupt(process, signal.SIGKILL)
                self.assert_gone(workers)
            process.communicate()
            self.check_whole(whole)
        out, _ = self.run_archive("--track")
        self.assertIn("all 8 recordings are done", out)
        self.assertEqual(self.everything(), whole)

    def check_whole(self, expected):
        """What has its own name is whole, and a summary has its results."""
        found = {path: content for path, content in self.everything().items() if not path.startswith(".")}
        for path, content in found.items():
            self.assertEqual(content, expected[path], f"{path} is not whole")
            if path.startswith("summaries/"):
                self.assertIn(path.replace("summaries/", "results/").removesuffix(".json") + ".jsonl", found)

    @unittest.skipIf(common.PRELOAD, "sanitizers have memory of their own")
    def test_workers_share_memory(self):
        """Weights, Python and GStreamer are there once."""
        self.clips("long.mp4", frames=600)
        process = self.begin("--workers", "1")
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        worker = self.worker_at_work(process)
        with open(f"/proc/{worker}/smaps_rollup", encoding="ascii") as file:
            sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", file.read(), re.MULTILINE))
        self.assertGreater(int(sizes["Shared_Dirty"]), 10 << 10, sizes)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            self.assertIn("\nThreads:\t1\n", file.read())  # forks are safe

    def test_stop(self):
        """Ctrl-C and SIGTERM: the status says so, and no worker goes on."""
        self.clips(*[f"{number}.mp4" for number in range(20)], frames=20)
        for number in signal.SIGINT, signal.SIGTERM:
            process = self.begin()
            self.worker_at_work(process)
            workers = self.interrupt(process, number)
            _, err = self.end(process, 128 + number)
            self.assertIn("the same command goes on from there", err)
            self.assert_gone(workers)
            self.assertFalse(
                [n for n in os.listdir(os.path.join(self.output, ".dicenet-work")) if not n.endswith(".lock")]
            )

    def test_again(self):
        """New and changed recordings are done, the others are left as they are."""
        self.clips("a.mp4", "b.mp4")
        self.run_archive()
        before = {
            name: os.stat(os.path.join(self.output, "results", name)).st_mtime_ns
            for name in ("a.mp4.jsonl", "b.mp4.jsonl")
        }
        self.clips("c.mp4", frames=5)
        os.utime(os.path.join(self.input, "b.mp4"), (1_600_000_000,) * 2)
        out, _ = self.run_archive()
        self.assertIn("2 recordings to do, 1 done before", out)
        after = {name: os.stat(os.path.join(self.output, "results", name)).st_mtime_ns for name in before}
        self.assertEqual(before["a.mp4.jsonl"], after["a.mp4.jsonl"])
        self.assertNotEqual(before["b.mp4.jsonl"], after["b.mp4.jsonl"])
        self.assertEqual(self.summaries()["c.mp4"]["frames"], 5)
        # Wherever they are by now.
        os.rename(self.input, self.path("moved"))
        out, _ = self.run_archive(inputs=[self.path("moved")])
        self.assertIn("0 recordings to do, 3 done before", out)

    def test_two_folders(self):
        """Each has its own a.mp4."""
        self.clips("one/a.mp4", "two/a.mp4")
        folders = [os.path.join(self.input, name) for name in ("one", "two")]
        self.run_archive(inputs=folders)
        sources = {path: summary["source"] for path, summary in self.summaries().items()}
        self.assertEqual(sorted(sources.values()), [os.path.join(folder, "a.mp4") for folder in folders])
        self.assertIn("a.mp4", sources)
        out, _ = self.run_archive(inputs=folders)
        self.assertIn("0 recordings to do, 2 done before", out)
        out, _ = self.run_archive(inputs=folders[1:])
        self.assertIn("0 recordings to do, 1 done before", out)

    def test_retry(self):
        self.clips("a.mp4")
        bad = os.path.join(self.input, "bad.mp4")
        with open(bad, "wb") as file:
            file.write(b"no video at all")
        self.run_archive(expect=1)
        out, _ = self.run_archive(expect=1)
        self.assertIn("0 recordings to do, 1 done before, 1 failed before", out)
        self.assertIn("bad.mp4: it is of no kind", out)
        out, _ = self.run_archive("--retry-failed", expect=1)
        self.assertIn("1 recordings to do, 1 done before, 0 failed before", out)
        self.clips("bad.mp4")
        out, _ = self.run_archive()
        self.assertIn("all 2 recordings are done", out)
        results = os.path.join(self.output, "results", "bad.mp4.jsonl")
        self.assertTrue(os.path.exists(results))
        with open(bad, "wb") as file:
            file.write(b"no video any more")
        self.run_archive(expect=1)
        self.assertFalse(os.path.exists(results), "results of what the recording was before")

    def test_settings(self):
        self.clips("a.mp4")
        self.run_archive()
        for words, parts in {
            ("--interval", "2"): ["interval: 1 there, 2 now"],
            ("--networks", "detect"): ["--networks: classify,detect,segment there, detect now"],
            ("--threshold-detect", "0.5", "--track"): [
                "threshold of detect: 0.05 there, 0.5 now",
                "tracking: False there",
            ],
            ("--set", "detect.max-detections=7"): ["properties of detect"],
        }.items():
            _, err = self.run_archive(*words, expect=2)
            for part in parts:
                self.assertIn(part, err)
        for words, part in {
            ("--networks", "detect,cars"): "--networks takes some of classify,detect,segment",
            ("--set", "detect.nothing=1"): "has no property 'nothing'",
            ("--set", "detect.max-detections=many"): "must be a whole number from 0",
            ("--set", "detect.precision=int9"): "must be one of",
            ("--lines", "door"): "door",
            ("--networks", "classify", "--track"): "need a detector",
            ("--model-detect", common.model("classify")): "is a model for --model-classify",
            ("--model-detect", "no-such"): "no-such",
            ("--shard", "3/2"): "expected K/N, such as 1/4",
            ("--interval", "0"): "expected a whole number from 1",
            ("--threshold-detect", "1.5"): "expected a number from 0 to 1",
            ("--stall-timeout", "nan"): "expected seconds, more than 0",
            ("--compress", "rar"): "--compress",
        }.items():
            output = self.path("other")
            _, err = self.run_archive(*words, output=output, expect=2)
            self.assertIn(part, err)
            self.assertFalse(os.path.exists(os.path.join(output, "archive.json")))
        os.makedirs(self.path("photos", "2026"))
        _, err = self.run_archive(output=self.path("photos"), expect=2)
        self.assertIn("is not empty, and not an archive's", err)

    def test_shards(self):
        """Together they do everything once, at the same time; nobody else may."""
        self.clips(*[f"{number}.mp4" for number in range(7)], frames=6)
        self.run_archive(output=self.path("whole"))
        processes = [self.begin(f"--shard={number}/3") for number in (1, 2, 3)]
        outs = [self.end(process, 0)[0] for process in processes]
        done = sum(int(out.split(" recordings to do")[0]) for out in outs)
        self.assertEqual(done, 7, outs)
        self.assertEqual(self.everything(), self.everything(self.path("whole")))
        out, _ = self.run_archive()
        self.assertIn("0 recordings to do, 7 done before", out)

    def test_lock(self):
        os.replace(self.clip("long.mp4", frames=1500, sound=False), os.path.join(self.input, "long.mp4"))
        for begun, refused in {"--shard=1/1": ["--shard=1/1", "--shard=1/2"],
                               "--shard=1/2": ["--shard=1/1", "--shard=1/2", "--shard=1/3"]}.items():  # fmt: skip
            process = self.begin(begun)
            self.worker_at_work(process)
            for word in refused:
                _, err = self.run_archive(word, expect=1)
                self.assertIn("is at work there", err)
            self.interrupt(process)
            self.end(process, 130)

    def test_installed(self):
        """The program finds its package where both are installed, or says what is missing."""
        os.makedirs(self.path("prefix", "bin"))
        program = shutil.copy(archive.PROGRAM, self.path("prefix", "bin"))
        done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("install both", done.stderr)
        os.makedirs(self.path("prefix", "share", "dicenet"))
        shutil.copytree(archive.PACKAGE, self.path("prefix", "share", "dicenet", "archive"))
        done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--retry-failed", done.stdout)

    def test_compressed(self):
        self.clips("a.mp4")
        self.run_archive()
        with open(os.path.join(self.output, "results", "a.mp4.jsonl"), "rb") as file:
            plain = file.read()
        self.run_archive("--compress", "gzip", output=self.path("gzip"))
        with gzip.open(self.path("gzip", "results", "a.mp4.jsonl.gz")) as file:
            self.assertEqual(file.read(), plain)
        try:
            import zstandard
        except ImportError:
            _, err = self.run_archive("--compress", "zstd", output=self.path("zstd"), expect=2)
            self.assertIn("install it, or use gzip", err)
            return
        self.run_archive("--compress", "zstd", output=self.path("zstd"))
        with open(self.path("zstd", "results", "a.mp4.jsonl.zst"), "rb") as file:
            self.assertEqual(zstandard.ZstdDecompressor().stream_reader(file).read(), plain)

    def test_annotated(self):
        """A video of all frames; with odd sides, too."""
        self.clips("a.mp4")
        os.replace(self.strange_size(), os.path.join(self.input, "odd.mkv"))
        self.run_archive("--annotated")
        self.assertEqual(common.count_frames(os.path.join(self.output, "annotated", "a.mp4.mkv"), self.folder), 4)
        self.assertEqual(common.count_frames(os.path.join(self.output, "annotated", "odd.mkv.mkv"), self.folder), 3)
        self.assertEqual(self.states(), {"a.mp4": "done", "odd.mkv": "done"})

    def test_annotated_pictures(self):
        """Of different sizes, shapes and formats, in one video."""
        for number, (encoder, size) in enumerate([("jpegenc", (80, 60)), ("pngenc", (51, 37)), ("jpegenc", (64, 96))]):
            ending = encoder.removesuffix("enc")
            common.launch("videotestsrc", "num-buffers=1", "!", f"video/x-raw,width={size[0]},height={size[1]}", "!",
                          "videoconvert", "!", encoder, "!", "filesink", f"location={self.input}/{number}.{ending}")  # fmt: skip
        self.run_archive("--annotated")
        self.assertEqual(common.count_frames(os.path.join(self.output, "annotated", "in.mkv"), self.folder), 3)

    def strange_size(self):
        common.launch("videotestsrc", "num-buffers=3", "!", "video/x-raw,width=51,height=37", "!", "vp8enc", "!", "matroskamux",
                      "!", "filesink", f"location={self.path('odd.mkv')}")  # fmt: skip
        return self.path("odd.mkv")


if __name__ == "__main__":
    archive.main()
