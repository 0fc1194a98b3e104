#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` puts down: the example applications are built and run against it, as their readers will do, and
everything finds the models there, wherever that is."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

import common

try:
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error}: install python3-pil")
    sys.exit(common.SKIPPED)

FRAMES = 4
COMPILER = shlex.split(os.environ.get("CC", "cc"))


class Installed(common.TestCase):
    def setUp(self):
        super().setUp()
        self.prefix = self.path("installed")
        subprocess.run(["meson", "install", "-C", common.BUILD, "--no-rebuild", "--quiet", "--destdir", self.prefix],
                       check=True, capture_output=True, timeout=60)  # fmt: skip
        self.libraries = os.path.dirname(self.find("**", "libgstdicenetmeta-1.0.so"))

    def find(self, *parts):
        (path,) = glob.glob(os.path.join(glob.escape(self.prefix), *parts), recursive=True)
        return path

    def flags(self):
        """What pkg-config answers, for the place where the files are now."""
        packages = self.path("packages")
        os.makedirs(packages)
        for path in glob.glob(os.path.join(glob.escape(self.libraries), "pkgconfig", "*.pc")):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            prefix = re.search("^prefix=(.*)$", text, re.M)[1]
            moved = self.path("prefix")
            if not os.path.exists(moved):
                os.symlink(self.prefix + prefix, moved)
            with open(os.path.join(packages, os.path.basename(path)), "w", encoding="utf-8") as file:
                file.write(text.replace(f"prefix={prefix}\n", f"prefix={moved}\n".replace(" ", "\\ ")))
        text = subprocess.run(["pkg-config", "--cflags", "--libs", "gstreamer-app-1.0", "gstreamer-dicenet-meta-1.0"],
                              env={**os.environ, "PKG_CONFIG_PATH": packages}, check=True, capture_output=True, text=True)  # fmt: skip
        return shlex.split(text.stdout)

    def run_installed(self, *command, **changes):
        plugin = os.path.dirname(self.find("**", "libgstdicenet.so"))
        program = os.path.dirname(self.find("**", "bin", "dicenet"))
        typelibs = glob.glob(os.path.join(glob.escape(self.prefix), "**", "girepository-1.0"), recursive=True)
        paths = {"GST_PLUGIN_PATH": plugin, "LD_LIBRARY_PATH": self.libraries, "GST_REGISTRY": self.path("registry"),
                 "GI_TYPELIB_PATH": os.pathsep.join(typelibs),
                 "PATH": program + os.pathsep + os.environ["PATH"], **changes}  # fmt: skip
        return subprocess.run(command, env=common.environment(**paths), capture_output=True, text=True, timeout=60)


class Plugin(Installed):
    def test_needs_no_cuda_library(self):
        """It is opened on demand; an empty file in its place can't be."""
        needed = subprocess.run(["readelf", "-d", self.find("**", "libgstdicenet.so")], check=True, capture_output=True,
                                text=True).stdout  # fmt: skip
        self.assertIn("libgstreamer-1.0", needed)
        self.assertNotIn("cuda", needed)
        folder = self.path("broken")
        os.makedirs(folder)
        with open(os.path.join(folder, "libgstcuda-1.0.so.0"), "w", encoding="utf-8"):
            pass
        process = self.run_installed("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1", "!", "dicenetclassify",
                                     f"model={shlex.quote(common.model('classify'))}", "!", "dicenetjson", "!", "fdsink",
                                     LD_LIBRARY_PATH=folder + os.pathsep + self.libraries)  # fmt: skip
        self.assert_done(process)
        self.assertIn("classification", process.stdout)


class WhatsMissing(common.TestCase):
    """What `meson install` says at its end."""

    def say(self, prefix, plugins="lib/gstreamer-1.0", typelibs="lib/girepository-1.0", system="/nowhere", **changes):
        process = subprocess.run([os.path.join(common.ROOT, "gst", "post-install.sh"), plugins, system, typelibs, system, "lib", "bin"],
                                 env=common.environment(MESON_INSTALL_PREFIX=prefix, **changes), capture_output=True, text=True, timeout=60)  # fmt: skip
        self.assert_done(process)
        self.assertEqual(process.stderr, "")
        return process.stdout

    def test_all(self):
        prefix = self.path("a prefix")
        text = self.say(prefix, **{name: "" for name in self.variables(prefix) if name != "PATH"})
        # The lines work as they are, for this name too.
        shell = subprocess.run(["bash", "-euc", "\n".join(line for line in text.splitlines() if line.startswith("  ")) + "\nenv"],
                               capture_output=True, text=True, check=True, timeout=60,
                               env={"PATH": os.environ["PATH"], "GST_PLUGIN_PATH": "/mine"})  # fmt: skip
        for name, folder in self.variables(prefix).items():
            self.assertRegex(shell.stdout, re.compile(f"^{name}={re.escape(folder)}(:|$)", re.M))
        self.assertIn("/gstreamer-1.0:/mine\n", shell.stdout)

    def test_none(self):
        prefix = self.path("a prefix")
        variables = self.variables(prefix)
        variables["PATH"] += os.pathsep + os.environ["PATH"]
        self.assertEqual(self.say(prefix, **variables), "")

    def test_one(self):
        prefix = self.path("a prefix")
        variables = self.variables(prefix)
        variables["PATH"] += os.pathsep + os.environ["PATH"]
        for name in "GST_PLUGIN_PATH", "GI_TYPELIB_PATH", "PKG_CONFIG_PATH", "LD_LIBRARY_PATH":
            text = self.say(prefix, **{**variables, name: "/other"})
            self.assertEqual(re.findall("export ([A-Z_]+)=", text), [name])
        self.assertEqual(self.say(prefix, typelibs="", **{**variables, "GI_TYPELIB_PATH": ""}), "")
        self.assertEqual(
            self.say(prefix, plugins="/system", system="/system", **{**variables, "GST_PLUGIN_PATH": ""}), ""
        )

    def variables(self, prefix):
        return {"GST_PLUGIN_PATH": f"{prefix}/lib/gstreamer-1.0", "GI_TYPELIB_PATH": f"{prefix}/lib/girepository-1.0",
                "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{prefix}/lib",
                "PATH": f"{prefix}/bin"}  # fmt: skip


class Models(Installed):
    def setUp(self):
        super().setUp()
        self.share = os.path.join(
            os.path.dirname(os.path.dirname(self.find("**", "bin", "dicenet"))), "share", "dicenet"
        )
        os.makedirs(os.path.join(self.share, "models"), exist_ok=True)

    def put(self, task):
        """A small one in the place of the one that ships, which may not be here."""
        shutil.copy(common.model(task), os.path.join(self.share, "models", f"dicenet-{task}.safetensors"))

    def test_shipped(self):
        shipped = glob.glob(os.path.join(glob.escape(common.ROOT), "models", "dicenet-*.safetensors"))
        if not shipped:
            self.skipTest("no model is here")
        for path in shipped:
            for name in os.path.basename(path), os.path.basename(path).replace(".safetensors", ".md"):
                self.assertTrue(os.path.exists(os.path.join(self.share, "models", name)), name)

    def test_elements(self):
        for task in "classify", "detect", "segment":
            self.put(task)
            process = self.run_installed("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1", "!", f"dicenet{task}", "!",
                                         "dicenetjson", "!", "fdsink")  # fmt: skip
            self.assert_done(process)
            self.assertIn(f'{{"name":"dicenet-{task}"}}', process.stdout)

    def test_program(self):
        self.put("segment")
        found = os.path.join(self.share, "models", "dicenet-segment.safetensors")
        for program in "dicenet", self.find("**", "bin", "dicenet"):
            process = self.run_installed(program, "info", "--json", "dicenet-segment")
            self.assert_done(process)
            self.assertEqual(json.loads(process.stdout)["model"], found)
        process = self.run_installed("dicenet", "info", "no-such-model")
        self.assertEqual(process.returncode, 1)
        self.assertIn(os.path.dirname(found), process.stderr)


class Applications(Installed):
    def run_application(self, command, task, clip):
        return self.run_installed(*command, f"dicenet{task}", common.model(task), clip)

    def check_output(self, command):
        clip = self.clip(frames=FRAMES)
        patterns = {
            "classify": r"  \S.* [01]\.\d\d",
            "detect": r"  (person|car|dog|cat) [01]\.\d\d at \d+,\d+ \d+x\d+",
            "segment": r"  \S.* \d+\.\d %",
        }
        for task, pattern in patterns.items():
            process = self.run_application(command, task, clip)
            self.assert_done(process)
            lines = process.stdout.splitlines()
            self.assertEqual(len(lines), FRAMES)
            for line in lines:
                self.assertRegex(line, r"^\d+[.:\d]*" + pattern)
        process = self.run_application(command, "segment", self.path("none.mp4"))
        self.assertEqual(process.returncode, 1)
        self.assertRegex(process.stderr, "^error: ")

        process = self.run_application(command, "segment", self.strange_clip())
        self.assert_done(process)
        self.assertRegex(process.stderr, "^warning: The stream says that its pixels are 1:100, .*\n$")
        self.check_refused(command)
        self.check_odd(command)

    def check_odd(self, command):
        """What does not end, and a name that is not UTF-8, which Python can't hand on."""
        Image.new("P", (64, 48)).save(
            self.path("a.gif"), save_all=True, append_images=[Image.new("P", (64, 48), 1)], loop=0
        )
        process = self.run_installed(
            *command, "dicenetsegment", common.model("segment"), self.path("a.gif"), DICENET_PATIENCE="2"
        )
        if process.returncode:  # before GStreamer 1.24
            self.assert_refused(process, "no frame for 2 seconds")
        odd = self.path("\udcff.mp4")
        os.link(self.path("clip.mp4"), odd)
        process = self.run_application(command, "segment", odd)
        if process.returncode:
            self.assert_refused(process, "not UTF-8")

    def check_refused(self, command):
        """What has no video to show ends with an error."""
        for name, content in ("empty.mp4", ""), ("text.mp4", "not a video\n" * 100):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(content)
        common.launch(
            "audiotestsrc", "num-buffers=20", "!", "wavenc", "!", "filesink", f"location={self.path('sound.wav')}"
        )
        for name in "empty.mp4", "text.mp4", "sound.wav":
            self.assert_refused(self.run_application(command, "segment", self.path(name)), self.path(name))
        process = self.run_application(command, "segment", self.frameless())
        self.assert_refused(process, "bad.mkv")
        self.assertRegex(process.stderr, "not one frame|No valid frames")  # the second: of GStreamer's decoders since 1.28
        process = self.run_installed(
            *command, "dicenetsegment", common.model("segment"), self.path("clip.mp4"), DICENET_PATIENCE="soon"
        )
        self.assert_refused(process, "DICENET_PATIENCE", "'soon'")
        process = self.run_application(command, "segment", common.WITHOUT_DECODER)
        self.assert_refused(process, common.WITHOUT_DECODER, "no video in it that can be decoded")
        self.assertRegex(process.stderr, "(?m)^missing: video/x-unknown decoder: .*gstreamer1.0-libav")

    def test_c(self):
        program = self.path("read-results")
        source = os.path.join(common.PIPELINES, "read-results.c")
        subprocess.run(
            [*COMPILER, "-Wall", "-Wextra", "-Werror", source, "-o", program, *self.flags()], check=True, timeout=60
        )
        self.check_output([program])

    def test_python(self):
        try:
            self.find("**", "GstDicenetMeta-1.0.typelib")
            import gi  # noqa: F401
        except (ImportError, ValueError):
            raise unittest.SkipTest("built without introspection, or no python3-gi") from None
        self.check_output([sys.executable, os.path.join(common.PIPELINES, "read-results.py")])


if __name__ == "__main__":
    common.main()
