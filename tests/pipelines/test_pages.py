#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages, the shell's completion, the reference and the tutorials: that they say what the programs do, lead
somewhere, and work as they stand there."""

import glob
import html.parser
import os
import re
import shlex
import subprocess
import sys
import unittest

import common

DOCS = os.path.join(common.ROOT, "docs")
BUILT = os.path.join(common.BUILD, "docs")
DICENET = os.environ["DICENET"]
ARCHIVE = os.path.join(common.PIPELINES, "archive", "dicenet-archive")
COMMANDS = {"dicenet": ("info", "run", "bench", "inputs"), "dicenet-archive": ("run", "report")}
PROGRAMS = {"dicenet": [DICENET], "dicenet-archive": [sys.executable, ARCHIVE]}
OPTION = re.compile(r"--[a-z][a-z-]*")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def options_of(program, command):
    process = subprocess.run([*PROGRAMS[program], command, "--help"], capture_output=True, text=True, check=True, timeout=30)
    entries = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", process.stdout, re.M)
    return set(entries) - {"--help"}


class Manual(unittest.TestCase):
    def test_options(self):
        """Each command's section has the options of its --help, and no others."""
        for program, commands in COMMANDS.items():
            text = read(os.path.join(DOCS, "man", program + ".1.md"))
            for command in commands:
                section = re.search(rf"^## {program} {command}\n(.*?)(?=^#)", text, re.M | re.S).group(1)
                entries = "\n".join(re.findall(r"^\*\*-.*$", section, re.M))
                self.assertEqual(set(OPTION.findall(entries)), options_of(program, command), (program, command))

    def test_built(self):
        for program, commands in COMMANDS.items():
            path = os.path.join(BUILT, "man", program + ".1")
            if not os.path.exists(path):
                self.skipTest("built without go-md2man")
            for wanted in ".TH", f"{program} {commands[-1]}":
                self.assertIn(wanted, read(path))
            self.assertNotIn("@VERSION@", read(path))


class Completion(common.TestCase):
    SCRIPTS = {"dicenet": os.path.join(BUILT, "completions", "dicenet"),
               "dicenet-archive": os.path.join(DOCS, "completions", "dicenet-archive.bash")}  # fmt: skip

    def setUp(self):
        super().setUp()
        if not os.path.exists("/usr/share/bash-completion/bash_completion"):
            self.skipTest("needs bash-completion")

    def complete(self, program, *words):
        """What bash offers after these words, the last of which has been begun."""
        words = " ".join(map(shlex.quote, (program, *words)))
        lines = [f". {shlex.quote(path)}" for path in ("/usr/share/bash-completion/bash_completion", self.SCRIPTS[program])]
        lines += [f"COMP_WORDS=({words}) COMP_LINE='{words}' COMP_POINT=${{#COMP_LINE}}", "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))"]
        lines += [f"_{program.replace('-', '_')} {program} 2>/dev/null", 'printf "%s\\n" "${COMPREPLY[@]}"']
        path = ":".join((os.path.dirname(DICENET), os.path.dirname(ARCHIVE), os.environ["PATH"]))
        process = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, cwd=self.folder,
                                 env={**os.environ, "PATH": path, "DICENET_MODEL_PATH": self.folder}, timeout=30)  # fmt: skip
        return set(process.stdout.split())

    def test_options(self):
        for program, commands in COMMANDS.items():
            for command in commands:
                offered = {option.rstrip("=") for option in self.complete(program, command, "--")} - {"--help"}
                self.assertEqual(offered, options_of(program, command), (program, command))

    def test_words(self):
        for name in "birds.safetensors", "notes.txt":
            with open(self.path(name), "w", encoding="utf-8"):
                pass
        self.assertEqual(self.complete("dicenet", "b"), {"bench"})
        self.assertEqual(self.complete("dicenet", "bench", "--precision", "b"), {"bfloat16"})
        self.assertEqual(self.complete("dicenet", "info", "bi"), {"birds", "birds.safetensors"})
        self.assertNotIn("notes.txt", self.complete("dicenet", "info", ""))
        self.assertEqual(self.complete("dicenet-archive", "rep"), {"report"})
        self.assertEqual(self.complete("dicenet-archive", "no"), {"notes.txt"})
        self.assertEqual(self.complete("dicenet-archive", "run", "--compress", "z"), {"zstd"})


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors = set(), set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors.add(values.get("id"))
        if tag in ("a", "img") and (values.get("href") or values.get("src")):
            self.targets.add(values.get("href") or values.get("src"))


class Reference(unittest.TestCase):
    def setUp(self):
        self.folders = glob.glob(os.path.join(BUILT, "reference", "*-1.0"))
        if not self.folders:
            self.skipTest("built without -Ddoc=enabled")

    def test_links(self):
        for folder in self.folders:
            pages = {}
            for path in glob.glob(os.path.join(folder, "*.html")):
                pages[os.path.basename(path)] = Links()
                pages[os.path.basename(path)].feed(read(path))
            self.assertGreater(len(pages), 50)
            for name, page in pages.items():
                for target in page.targets:
                    if re.match("[a-z]+:", target) or target.startswith("//"):
                        continue
                    place, _, anchor = target.partition("#")
                    place = place or name
                    self.assertTrue(os.path.exists(os.path.join(folder, place)), f"{name}: {target}")
                    if anchor and place in pages:
                        self.assertIn(anchor, pages[place].anchors, f"{name}: {target}")

    def test_elements(self):
        """Each element has a page with all of its own properties."""
        (folder,) = [path for path in self.folders if "gst-" in path]
        names = subprocess.run(["gst-inspect-1.0"], env=common.environment(), capture_output=True, text=True, timeout=60)
        names = set(re.findall(r"^dicenet\w*:\s+(dicenet\w+):", names.stdout, re.M))
        self.assertGreaterEqual(len(names), 8)
        # A plain element of the same base class has the others.
        inherited = self.properties("identity") | self.properties("filesink") | self.properties("aggregator")
        for name in names:
            shown = set(re.findall(r"<dt><code>([\w-]+)</code>", read(os.path.join(folder, name + ".html"))))
            self.assertEqual(shown - self.properties(name), set(), name)
            self.assertEqual(self.properties(name) - shown - inherited, set(), name)

    def properties(self, name):
        process = subprocess.run(["gst-inspect-1.0", name], env=common.environment(), capture_output=True, text=True, timeout=60)
        return set(re.findall(r"^  ([a-z][a-z-]*) *: ", process.stdout.partition("Element Properties")[2], re.M))

    def test_complete(self):
        """Every public symbol has a description."""
        config = os.path.join(BUILT, "reference", "gst-dicenet-meta.toml")
        for gir in "dicenet-core/Dicenet-1.0.gir", "gst/meta/GstDicenetMeta-1.0.gir":
            process = subprocess.run(["gi-docgen", "check", "-C", config, os.path.join(common.BUILD, gir)],
                                     capture_output=True, text=True, cwd=common.BUILD, timeout=60)  # fmt: skip
            missing = [line for line in (process.stdout + process.stderr).splitlines() if "not documented" in line]
            self.assertEqual(missing, [], gir)


class Tutorials(common.TestCase):
    """Commands run as they stand there, but for the camera, the window and the broker, whose test is another one."""

    def setUp(self):
        super().setUp()
        libraries = ":".join(os.path.join(common.BUILD, folder) for folder in ("dicenet-core", "gst/meta"))
        self.environment = common.environment(
            DICENET_MODEL_PATH=self.default_models(),
            GI_TYPELIB_PATH=libraries,
            LD_LIBRARY_PATH=libraries,
            PKG_CONFIG_PATH=os.path.join(common.BUILD, "meson-uninstalled"),
            PATH=":".join(map(os.path.dirname, (DICENET, ARCHIVE, sys.executable))) + ":" + os.environ["PATH"],
        )

    def blocks(self, name):
        """(language, text) of the tutorial's code."""
        return re.findall(r"^```(\w+)\n(.*?)^```$", read(os.path.join(DOCS, "tutorials", name)), re.M | re.S)

    def run_block(self, text):
        process = subprocess.run(["bash", "-euc", text], cwd=self.folder, env=self.environment, capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL, timeout=120)  # fmt: skip
        self.assert_done(process)
        self.assertNotIn("WARNING", process.stderr, text)
        return process.stdout

    def test_camera(self):
        ran = 0
        for _, text in self.blocks("camera.md"):
            if "mqttsink" not in text:
                text = text.replace(" v4l2src ", " videotestsrc num-buffers=3 ").replace("autovideosink", "fakesink")
                self.run_block(text)
                ran += 1
        self.assertEqual(ran, 5)
        self.assertEqual(len(common.read_json_lines(self.path("door.jsonl"))), 3)
        self.assertEqual(common.count_frames(self.path("door.mkv"), self.folder), 3)

    def test_application(self):
        self.clip()
        for language, suffix in ("python", "py"), ("c", "c"):
            (source,) = [text for kind, text in self.blocks("application.md") if kind == language]
            with open(self.path(f"watch.{suffix}"), "w", encoding="utf-8") as file:
                file.write(source)
        outputs = [self.run_block(text) for kind, text in self.blocks("application.md") if kind == "sh"]
        self.assertEqual(len(outputs), 2)
        for output in outputs:  # the test's model sees people in a ball
            self.assertRegex(output, r"\d in the picture")
            self.assertEqual(len(output.splitlines()), len(outputs[0].splitlines()))

    def test_archive(self):
        os.makedirs(self.path("recordings", "north"))
        self.clip(os.path.join("recordings", "door.mp4"))
        self.clip(os.path.join("recordings", "north", "gate.mp4"))
        for language, text in self.blocks("archive.md"):
            if language == "sh":
                self.run_block(text)
        (code,) = [text for language, text in self.blocks("archive.md") if language == "python"]
        process = subprocess.run([sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True, timeout=30)
        self.assert_done(process)
        self.assertRegex(process.stdout, r"(?m)^gate\.mp4 \S+ \d+$")
        self.assertTrue(os.path.exists(self.path("found", "report.html")))
        self.assertEqual(len(glob.glob(self.path("found", "summaries", "**", "*.json"), recursive=True)), 2)


if __name__ == "__main__":
    common.main()
