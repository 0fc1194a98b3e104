#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example applications, as their readers build and run them: against what `meson install` put down."""

import glob
import os
import re
import shlex
import subprocess
import sys
import unittest

import common

FRAMES = 4
COMPILER = shlex.split(os.environ.get("CC", "cc"))


class Applications(common.TestCase):
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

    def run_application(self, command, task, clip):
        plugin = os.path.dirname(self.find("**", "libgstdicenet.so"))
        paths = {"GST_PLUGIN_PATH": plugin, "LD_LIBRARY_PATH": self.libraries, "GST_REGISTRY": self.path("registry"),
                 "GI_TYPELIB_PATH": os.path.join(self.libraries, "girepository-1.0")}  # fmt: skip
        return subprocess.run([*command, f"dicenet{task}", common.model(task), clip], env=common.environment(**paths),
                              capture_output=True, text=True, timeout=60)  # fmt: skip

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

    def test_c(self):
        program = self.path("read-results")
        source = os.path.join(common.PIPELINES, "read-results.c")
        subprocess.run([*COMPILER, "-Wall", "-Wextra", "-Werror", source, "-o", program, *self.flags()], check=True, timeout=60)
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
