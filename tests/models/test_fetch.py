#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/fetch.py with folders, and with a loopback server that works, disconnects, sends wrong data, answers 404 or
hangs."""

import hashlib
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
import unittest

import common
import torchfile
from fileserver import FileServer

import fetch

STEM = "dicenet_s_0.1_tiny_64x64"
NAME = "classify-0.1-tiny-64"
PATH = f"model/tiny/{STEM}.pth"
CONTENT = torchfile.zipped(torchfile.state_dict(common.random_arrays("classify", 0.1, 3)))
FILES = {"/" + PATH: CONTENT}
LIE = bytes(len(CONTENT))


def manifest(**changes):
    row = {
        "name": NAME,
        "path": PATH,
        "git_blob": hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest(),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
    }
    row.update(changes)
    row = {key: value for key, value in row.items() if value is not None}
    return {"url": "http://127.0.0.1:9/", "license": "MIT", "files": [row]}


class FetchCase(common.TestCase):
    """A small published model, and a target folder."""

    def setUp(self):
        super().setUp()
        self.write_manifest()
        self.output = self.path("out")
        self.target = os.path.join(self.output, STEM + ".safetensors")
        self.checkpoint = os.path.join(self.output, "downloads", STEM + ".pth")
        self.part = self.checkpoint + ".part"

    def write_manifest(self, **changes):
        self.manifest = self.file("manifest.json", json.dumps(manifest(**changes)).encode())

    def serve(self, *plan, files=FILES):
        server = FileServer(files, *plan)
        self.addCleanup(server.close)
        return server

    def command(self, mirror, *options, name=NAME):
        options = ("--tries", "2", *options) if "--tries" not in options else options
        mirror = ("--mirror", mirror) if mirror else ()
        return ("--manifest", self.manifest, "--output", self.output, *mirror, *options, name)

    def fetch(self, mirror, *options, name=NAME, env=None):
        return common.run_script(
            "fetch.py",
            *self.command(mirror, *options, name=name),
            env={"no_proxy": "*", "DICENET_MIRROR": "", **(env or {})},
        )

    def assert_fetched(self, process):
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stdout, self.target + "\n")
        _, metadata = common.read_model(self.target)
        self.assertEqual(metadata["source"], "http://127.0.0.1:9/" + PATH)
        self.assertEqual((metadata["license"], metadata["size"]), ("MIT", "64x64"))

    def assert_nothing_left(self, part=False):
        """No complete file exists; `part`: whether a partial file does."""
        self.assertFalse(os.path.exists(self.target))
        self.assertFalse(os.path.exists(self.checkpoint))
        self.assertEqual(os.path.exists(self.part), part)

    def leave_part(self, content):
        os.makedirs(os.path.dirname(self.part), exist_ok=True)
        with open(self.part, "wb") as file:
            file.write(content)


class Good(FetchCase):
    def test_download(self):
        server = self.serve()
        self.assert_fetched(self.fetch(server.url))
        self.assertEqual(server.requests, [("/" + PATH, None)])
        with open(self.checkpoint, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertFalse(os.path.exists(self.part))

    def test_a_model_that_is_there_is_not_fetched_again(self):
        server = self.serve()
        self.fetch(server.url)
        self.assert_fetched(self.fetch(server.url))
        self.assert_fetched(self.fetch(server.url, "--force"))
        self.assertEqual(len(server.requests), 1, "the checkpoint is there already")

    def test_a_damaged_checkpoint_is_fetched_again(self):
        server = self.serve()
        self.leave_part(b"")
        with open(self.checkpoint, "wb") as file:
            file.write(LIE)
        self.assert_fetched(self.fetch(server.url))

    def test_names(self):
        for name in (NAME, STEM, STEM + ".pth"):
            self.assert_fetched(self.fetch(self.serve().url, name=name))

    def test_flat_mirror(self):
        server = self.serve(files={f"/x/{STEM}.pth": CONTENT})
        self.assert_fetched(self.fetch(server.url + "/x/"))
        self.assertEqual([path for path, _ in server.requests], ["/x/" + PATH, f"/x/{STEM}.pth"])

    def test_redirect(self):
        self.assert_fetched(self.fetch(self.serve("redirect").url))

    def test_mirror_of_the_environment(self):
        self.assert_fetched(self.fetch(None, env={"DICENET_MIRROR": self.serve().url}))

    def test_manifest_without_size(self):
        self.write_manifest(size=None, sha256=None)
        self.assert_fetched(self.fetch(self.serve("break", "ok").url))

    def test_progress_on_a_terminal(self):
        terminal, stderr = pty.openpty()
        self.addCleanup(os.close, terminal)
        with open(stderr, "wb") as file:
            process = subprocess.run(
                [sys.executable, os.path.join(common.MODELS, "fetch.py"), *self.command(self.serve().url)],
                stderr=file,
                stdout=subprocess.PIPE,
                timeout=60,
                env={**os.environ, "no_proxy": "*"},
            )
        self.assertEqual(process.returncode, 0)
        self.assertRegex(os.read(terminal, 1 << 16).decode(), r"\[#+\] 100\.0 %  .*: 0\.\d of 0\.\d MB")


class Broken(FetchCase):
    """Broken connections: the next try continues where the last one ended."""

    def test_breaks_off_and_resumes(self):
        server = self.serve("break", "ok")
        process = self.fetch(server.url)
        self.assert_fetched(process)
        half = len(CONTENT) // 2
        self.assertEqual(server.requests, [("/" + PATH, None), ("/" + PATH, f"bytes={half}-")])
        self.assertIn(f"broke off after {half} of {len(CONTENT)} bytes", process.stderr)

    def test_breaks_off_without_length(self):
        server = self.serve("break-mute", "ok")
        self.assert_fetched(self.fetch(server.url))
        self.assertEqual(server.requests[1][1], f"bytes={len(CONTENT) // 2}-")

    def test_resumes_in_a_later_run(self):
        server = self.serve("break")
        self.assert_failed(self.fetch(server.url, "--tries", "1"), "broke off", "--mirror")
        self.assert_nothing_left(part=True)
        server.plan = ["ok"]
        self.assert_fetched(self.fetch(server.url, "--tries", "1"))
        self.assertEqual(server.requests[1][1], f"bytes={len(CONTENT) // 2}-")

    def test_server_that_cannot_resume(self):
        self.assert_fetched(self.fetch(self.serve("break", "no-range").url))

    def test_server_that_sends_another_part(self):
        server = self.serve("break", "wrong-range", "ok")
        self.assert_fetched(self.fetch(server.url, "--tries", "3"))
        self.assertEqual(server.requests[2][1], None, "from the start")

    def test_part_of_something_else(self):
        for content in (b"x" * 100, LIE, LIE + LIE):
            with self.subTest(len(content)):
                self.leave_part(content)
                self.assert_fetched(self.fetch(self.serve().url, "--force"))
                os.unlink(self.checkpoint)

    def test_part_that_was_complete(self):
        server = self.serve(500)
        self.leave_part(CONTENT)
        self.assert_fetched(self.fetch(server.url))
        self.assertEqual(server.requests, [])

    def test_part_longer_than_the_server_has(self):
        self.write_manifest(size=None, sha256=None)
        self.leave_part(LIE + LIE)
        self.assert_fetched(self.fetch(self.serve().url))

    def test_server_in_trouble(self):
        self.assert_fetched(self.fetch(self.serve(503, "ok").url))
        os.unlink(self.checkpoint)
        self.assert_failed(self.fetch(self.serve(503).url, "--force"), "503")

    def test_nobody_listens(self):
        server = FileServer(FILES)
        server.close()
        self.assert_failed(self.fetch(server.url), "Connection refused", "--mirror")

    def test_hangs(self):
        for plan in ("hang", "stall"):
            start = time.monotonic()
            process = self.fetch(self.serve(plan).url, "--timeout", "0.3")
            self.assert_failed(process, "no answer for 0.3 s")
            self.assertLess(time.monotonic() - start, 15)
            self.assert_nothing_left(part=plan == "stall")

    def test_stalls_and_resumes(self):
        self.assert_fetched(self.fetch(self.serve("stall", "ok").url, "--timeout", "0.5"))

    def test_interrupted(self):
        server = self.serve("stall")
        process = subprocess.Popen(
            [sys.executable, os.path.join(common.MODELS, "fetch.py"), *self.command(server.url)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "no_proxy": "*"},
        )
        end = time.monotonic() + 30
        while not os.path.exists(self.part) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(errors, "interrupted; run the same again to go on from here\n")
        self.assert_nothing_left(part=True)


class Lies(FetchCase):
    """Content that does not match the manifest never gets a final name."""

    def check(self, *parts, plan):
        self.assert_failed(self.fetch(self.serve(plan).url), *parts)
        self.assert_nothing_left()

    def test_same_length(self):
        self.check("expected content with git blob id", plan=LIE)

    def test_shorter(self):
        self.check(f"expected {len(CONTENT)} bytes, found 20", plan=b"<html>sorry</html>\r\n")

    def test_longer(self):
        self.check(f"expected at most {len(CONTENT)} bytes, found {len(CONTENT) + 1}", plan=CONTENT + b"x")

    def test_endless(self):
        self.check(f"expected at most {len(CONTENT)} bytes, found more", plan="endless")

    def test_only_sha256_differs(self):
        self.write_manifest(sha256="0" * 64)
        self.check("expected content with SHA-256 0000", plan="ok")

    def test_without_size(self):
        self.write_manifest(size=None, sha256=None)
        self.check("git blob id", plan=b"<html>sorry</html>")

    def test_404(self):
        server = self.serve(files={})
        self.assert_failed(self.fetch(server.url), "404", "--mirror")
        self.assertEqual(len(server.requests), 2, "the folders and the flat place; not again")
        self.assert_nothing_left()

    def test_forbidden(self):
        server = self.serve(403)
        self.assert_failed(self.fetch(server.url), "403")
        self.assertEqual(len(server.requests), 1)
        self.assert_nothing_left()

    def test_content_that_is_no_network(self):
        other = torchfile.zipped({"a": 1})
        self.write_manifest(
            git_blob=hashlib.sha1(b"blob %d\0" % len(other) + other).hexdigest(), size=len(other), sha256=None
        )
        self.assert_failed(self.fetch(self.serve(other).url), STEM + ".pth: expected a state_dict")
        self.assertFalse(os.path.exists(self.target))


class Folders(FetchCase):
    def test_mirror(self):
        for name, place in (("folders", PATH), ("flat", STEM + ".pth")):
            os.makedirs(self.path(name, os.path.dirname(place)))
            self.file(os.path.join(name, place), CONTENT)
            self.assert_fetched(self.fetch(self.path(name), "--force"))

    def test_wrong_content(self):
        self.file(STEM + ".pth", LIE)
        self.assert_failed(self.fetch(self.folder), STEM + ".pth: expected content with git blob id")
        self.assert_nothing_left()

    def test_no_such_file(self):
        self.assert_failed(self.fetch(self.folder), PATH, STEM, "use another mirror")
        self.assert_failed(self.fetch(self.path("none")), "none: expected a mirror")

    def test_output_that_cannot_be_written(self):
        self.file("out", b"")
        self.assert_failed(self.fetch(self.serve().url), "out: ", "--output")

    def test_no_space(self):
        """A file size limit simulates a full disk: the error occurs at the same place."""

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        process = subprocess.run(
            [sys.executable, os.path.join(common.MODELS, "fetch.py"), *self.command(self.serve().url)],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=limit,
            env={**os.environ, "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.assert_failed(process, "File too large", "make room")
        self.assert_nothing_left(part=True)


class CommandLine(FetchCase):
    def test_list(self):
        process = common.run_script("fetch.py", "--list")
        self.assertEqual(process.returncode, 0)
        with open(os.path.join(common.MODELS, "manifest.json"), encoding="utf-8") as file:
            rows = json.load(file)["files"]
        lines = process.stdout.splitlines()
        self.assertEqual(len(lines), len(rows))
        for line, row in zip(lines, rows, strict=True):
            self.assertEqual(line.split()[:2], [row["name"], os.path.basename(row["path"])])

    def test_manifest(self):
        """Every entry has a checksum; names, file names and ids are unique."""
        with open(os.path.join(common.MODELS, "manifest.json"), encoding="utf-8") as file:
            content = json.load(file)
        self.assertIn(content["commit"], content["url"])
        for key in ("name", "path", "git_blob"):
            self.assertEqual(len({row[key] for row in content["files"]}), len(content["files"]))
        for row in content["files"]:
            self.assertRegex(row["git_blob"], "^[0-9a-f]{40}$")
            self.assertRegex(row.get("sha256", "0" * 64), "^[0-9a-f]{64}$")

    def test_unknown_name(self):
        process = common.run_script("fetch.py", "--output", self.output, "segment-1.0-voc", "segmnt-1.0-voc-348", "zzz")
        self.assertEqual(process.returncode, 1)
        lines = process.stderr.splitlines()
        self.assertRegex(lines[0], r"^error: segment-1.0-voc: no such model; did you mean .*segment-1.0-voc-384")
        self.assertIn("segment-1.0-voc-384", lines[1])
        self.assertEqual(lines[2], "error: zzz: no such model; --list shows all")
        self.assertFalse(os.path.exists(self.output))

    def test_one_of_two_fails(self):
        process = self.fetch(self.serve().url, "none")
        self.assertEqual((process.returncode, process.stdout), (1, self.target + "\n"))

    def test_mistakes(self):
        for arguments in ((), ("--timeout", "0", NAME), ("--tries", "x", NAME)):
            self.assertEqual(common.run_script("fetch.py", *arguments).returncode, 2)
        for content in (b"", b"[]", b'{"url": "x", "license": "y", "files": [{}]}'):
            process = common.run_script("fetch.py", "--manifest", self.file("bad.json", content), NAME)
            self.assert_failed(process, "bad.json", "expected a manifest")
        self.assert_failed(self.fetch("ftp://127.0.0.1/"), "https://")


if __name__ == "__main__":
    unittest.main()
