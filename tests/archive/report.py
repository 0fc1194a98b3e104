# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the report share: each has a folder of its own for an archive, and runs the program."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
PROGRAM = os.path.join(os.path.dirname(__file__), "..", "..", "pipelines", "archive", "dicenet-archive")

try:
    import jinja2  # noqa: F401, the program needs it
    import made
except ImportError as error:
    print(f"skipped: {error}: install python3-jinja2 and python3-pil")
    sys.exit(SKIPPED)


def run(*words, **options):
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **options.pop("env", {})}
    return subprocess.run([sys.executable, PROGRAM, "report", *words], env=environment, capture_output=True, text=True, timeout=300, **options)  # fmt: skip


class TestCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="dicenet-report-")
        self.addCleanup(shutil.rmtree, self.root)
        self.folder = os.path.join(self.root, "archive")

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def report(self, summaries, *options, settings=None):
        """Makes an archive and its report; returns the page's text and what was said."""
        made.write(self.folder, summaries, settings)
        process = run(self.folder, *options)
        self.assertEqual(process.returncode, 0, process.stderr)
        if "--no-page" in options:
            return None, process.stderr
        with open(os.path.join(self.folder, "report.html"), encoding="utf-8") as file:
            return file.read(), process.stderr

    def refused(self, *words, status=2, **options):
        process = run(*words, **options)
        self.assertEqual(process.returncode, status, process.stderr)
        self.assertNotIn("Traceback", process.stderr)
        return process.stderr


HOSTILE = [
    "<script>window.hacked=1</script>.mp4",
    "</template></script><img src=x onerror=window.hacked=1>.mp4",
    "\"'><svg onload=window.hacked=1>&amp;<!--.mp4",
    "javascript:window.hacked=1//.mp4",
    "{{ 7 * 7 }}{% raw %}.mp4",
    "\ud800\u202e4pm.exe\n\t\x00\u2028.mp4",
    '=HYPERLINK("http://x")',
    "W" * 255,
]
PIXEL = made.uri_of(made.Image.new("RGB", (32, 18)))
SVG = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4="


def hostile():
    """Whatever can be a text is one of HOSTILE."""
    for i, text in enumerate(HOSTILE):
        boxes = [(text, 0.9, (0.1, 0.1, 0.5, 0.5))]
        moments = [made.moment(1, text, 0.9, boxes, PIXEL), made.moment(2, text, 0.8, boxes, PIXEL + '"><script>'),
                   made.moment(3, text, 0.7, boxes, SVG), made.moment(4, text, 0.7, boxes, "https://example.com/x.jpg")]  # fmt: skip
        shape = {"name": text, "forward": 1, "backward": 2, "entered": 3, "left": 3, "classes": [{"label": text}]}
        state = {"state": "failed", "error": text} if i % 4 == 3 else {}
        yield made.summary(text, made.BEGIN, 10.0, {f"detect:{text}": [0, 1, 2]}, warnings=[text], moments=moments,
                           source="/" + text, counts={"lines": [shape], "zones": [shape]}, **state)  # fmt: skip
