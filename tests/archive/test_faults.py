#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with one recording stays with it; what goes wrong with all stops dicenet-archive."""

import glob
import os
import shutil
import signal
import subprocess
import unittest

import archive
import common


class Faults(archive.TestCase):
    def long_and_short(self):
        """The long one is the largest, and done first."""
        self.clips("b.mp4", "c.mp4")
        long = self.clip("long.mp4", frames=400, sound=False)
        os.replace(long, os.path.join(self.input, "long.mp4"))

    def with_signal(self, number, expect, *words):
        self.long_and_short()
        process = self.begin("--workers", "1", *words)
        self.signal_worker(process, number)
        out, err = self.end(process, expect)
        return self.summaries(), out, err

    def test_crash(self):
        """Of a decoder, as if it had happened by itself."""
        summaries, out, _ = self.with_signal(signal.SIGSEGV, 1)
        self.assertEqual(summaries["long.mp4"]["state"], "failed")
        # Sanitizers turn the signal into an exit status.
        how = "(exit status 1)" if common.PRELOAD else "(signal 11)"
        self.assertIn(f"the decoder crashed {how}", summaries["long.mp4"]["error"])
        self.assertEqual([summaries[name]["state"] for name in ("b.mp4", "c.mp4")], ["done", "done"])
        self.assertIn(f"long.mp4: the decoder crashed {how}", out)
        out, _ = self.run_archive("--retry-failed")
        self.assertIn("all 3 recordings are done", out)

    def test_killed(self):
        """Perhaps by somebody who ends all of it: it is tried again."""
        summaries, out, _ = self.with_signal(signal.SIGKILL, 0)
        self.assertEqual({summary["state"] for summary in summaries.values()}, {"done"})
        self.assertIn("all 3 recordings are done", out)

    def test_late_crash(self):
        """After the summary was written, before that was told: nothing is lost."""
        import argparse

        from dicenet_archive import progress, run

        self.clips("a.mp4")
        self.run_archive()
        before = self.everything()
        parser = argparse.ArgumentParser()
        run.add_arguments(parser)
        unfinished = run.Archive(parser.parse_args(self.command()[2:]))
        unfinished.progress = progress.Progress(1, 1)
        unfinished.lock.take()
        self.addCleanup(unfinished.lock.close)
        status = os.stat(os.path.join(self.input, "a.mp4"))
        task = {"source": os.path.join(self.input, "a.mp4"), "place": "a.mp4", "kind": "video", "size": status.st_size,
                "modified": run.utc(status.st_mtime)}  # fmt: skip
        unfinished.ended(task, {"state": "failed", "reason": "the decoder crashed"})
        self.assertEqual(self.everything(), before)
        self.assertEqual((unfinished.progress.done, unfinished.failed), (1, []))
        task["size"] += 1  # another recording by now
        unfinished.ended(task, {"state": "failed", "reason": "the decoder crashed"})
        self.assertEqual(self.states(), {"a.mp4": "failed"})

    def test_orphan(self):
        """A worker that hangs ends with its parent, too."""
        self.long_and_short()
        process = self.begin("--workers", "1")
        worker = self.worker_at_work(process)
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(lambda: archive.is_worker(worker) and os.kill(worker, signal.SIGKILL))
        process.kill()
        process.communicate()
        self.assert_gone([worker])

    def test_stalled(self):
        summaries, _, _ = self.with_signal(signal.SIGSTOP, 1, "--stall-timeout", "6")
        self.assertIn("no progress for 6 seconds", summaries["long.mp4"]["error"])
        self.assertEqual([summaries[name]["state"] for name in ("b.mp4", "c.mp4")], ["done", "done"])

    @unittest.skipIf(common.PRELOAD, "sanitizers need more memory than a worker is given here")
    def test_memory(self):
        """A picture that needs more than a worker may have."""
        self.clips("b.mp4")
        place = os.path.join(self.input, "huge")
        os.mkdir(place)
        common.launch("videotestsrc", "num-buffers=1", "pattern=white", "!", "video/x-raw,format=RGB,width=12000,height=9000", "!",
                      "pngenc", "!", "filesink", f"location={place}/huge.png")  # fmt: skip
        for number in range(4):  # for a while
            shutil.copy(os.path.join(place, "huge.png"), os.path.join(place, f"{number}.png"))
        self.run_archive("--memory", "350", expect=1)
        self.assertIn("it needed more than 350 MiB of memory", self.summaries()["huge"]["error"])
        self.assertEqual(self.states()["b.mp4"], "done")
        _, err = self.run_archive("--memory", "1", output=self.path("other"), expect=2)
        self.assertIn("MiB before its first recording, and may have 1", err)

    def disk(self, size):
        """A folder with so much room."""
        disk = self.path("disk")
        os.mkdir(disk)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            self.skipTest("no disk can be made here: needs root")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk

    def test_full_disk(self):
        """It stops at once, says so, and goes on when there is room."""
        disk = self.disk("100k")
        self.clips(*[f"{number}.mp4" for number in range(8)], frames=30)
        self.run_archive(output=self.path("whole"))
        self.output = os.path.join(disk, "out")
        out, err = self.run_archive(expect=1)
        self.assertEqual(err.count("No space left on device"), 1, err)
        self.assertIn("make room, and run the same command again", err)
        self.assertNotIn("failed:", err)
        self.assertLess(len(self.states()), 8)
        self.assertNotIn("failed", self.states().values())
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        out, _ = self.run_archive()
        self.assertIn("all 8 recordings are done", out)
        self.assertEqual(self.everything(), self.everything(self.path("whole")))

    def test_full_disk_for_videos(self):
        """GStreamer writes annotated ones, and says in its own way that there is no room."""
        disk = self.disk("48k")
        self.clips(*[f"{number}.mp4" for number in range(3)], frames=60)
        self.output = os.path.join(disk, "out")
        _, err = self.run_archive("--annotated", "--networks", "classify", "--compress", "gzip", expect=1)
        self.assertIn("make room, and run the same command again", err)
        self.assertNotIn("failed:", err)

    def test_broken(self):
        """Each says why, and the others are done."""
        self.clips("good.mp4")
        self.broken_files()
        self.run_archive("--stall-timeout", "20", expect=1)
        if any("no progress" in (summary["error"] or "") for summary in self.summaries().values()):
            # cut.mp4, once in twenty times under load: its demuxer gives up, and no message of that comes out of
            # decodebin. The time limit ends this, as it should; what is tested here are the reasons.
            self.run_archive("--stall-timeout", "20", "--retry-failed", expect=1)
        errors = {path: summary["error"] for path, summary in self.summaries().items()}
        self.assertIsNone(errors["good.mp4"])
        for path, part in {
            "frameless.mkv": "not one frame came from it",
            "cut.mp4": "it may have been cut off",
            "sound.mkv": "there is no video in it, only sound",
            "list.mp4": "which is not followed",
        }.items():
            self.assertIn(part, errors[path] or "", path)
        warnings = self.summaries()["early.mkv"]["warnings"]
        self.assertTrue(any("it may be cut off or damaged" in warning for warning in warnings), warnings)

    def broken_files(self):
        os.replace(self.frameless(), os.path.join(self.input, "frameless.mkv"))
        with open(self.clip("whole.mp4", frames=30, sound=False), "rb") as file:
            content = file.read()
        with open(os.path.join(self.input, "cut.mp4"), "wb") as file:
            file.write(content[: len(content) // 2])
        common.launch("audiotestsrc", "num-buffers=20", "!", "vorbisenc", "!", "matroskamux", "!", "filesink",
                      f"location={os.path.join(self.input, 'sound.mkv')}")  # fmt: skip
        common.launch("videotestsrc", "num-buffers=120", "!", "video/x-raw,width=96,height=64,framerate=10/1", "!", "vp8enc", "!",
                      "matroskamux", "!", "filesink", f"location={self.path('whole.mkv')}")  # fmt: skip
        with open(self.path("whole.mkv"), "rb") as file:
            content = file.read()
        with open(os.path.join(self.input, "early.mkv"), "wb") as file:
            file.write(content[: len(content) // 3])
        # A list of addresses, which nobody may open because of a file.
        with open(os.path.join(self.input, "list.mp4"), "w", encoding="ascii") as file:
            file.write("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n")

    def test_broken_pictures(self):
        """Warnings name them; the others are done."""
        folder = os.path.join(self.input, "pictures")
        os.mkdir(folder)
        for number in range(3):
            common.launch("videotestsrc", "num-buffers=1", "!", "video/x-raw,width=64,height=48", "!", "pngenc", "!", "filesink",
                          f"location={folder}/{number}.png")  # fmt: skip
        with open(os.path.join(folder, "1.png"), "r+b") as file:
            file.truncate(60)
        for name, content in {"empty.jpg": b"", "text.jpg": b"no picture"}.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        self.run_archive()
        summary = self.summaries()["pictures"]
        self.assertEqual((summary["state"], summary["frames"]), ("done", 2))
        self.assertEqual([w.split(":")[0] for w in summary["warnings"]], ["1.png", "empty.jpg", "text.jpg"])
        self.assertIn("empty.jpg: it is empty: 0 bytes", summary["warnings"])
        for number in 0, 2:
            os.unlink(os.path.join(folder, f"{number}.png"))
        self.run_archive(expect=1)
        self.assertIn("none of its pictures can be read; 1.png: ", self.summaries()["pictures"]["error"])

    @unittest.skipUnless(os.path.isdir(os.path.join(common.SHARED, "faults")), "no files that failed before")
    def test_earlier_faults(self):
        for path in glob.glob(os.path.join(common.SHARED, "faults", "*.m*")):
            shutil.copy(path, self.input)
        self.run_archive(expect=1)
        summaries = self.summaries()
        error = summaries["video-without-decoder-with-sound.mkv"]["error"]
        self.assertIn("nothing here decodes the video", error)
        self.assertEqual({summaries[name]["state"] for name in summaries if name.startswith("par-")}, {"done"})


if __name__ == "__main__":
    archive.main()
