#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""300 frames through all elements leave nothing behind, and touch no memory that they should not.

Under valgrind, whose findings count if something of this project is in their stack: what GLib, GStreamer and fontconfig
keep until the end is theirs. In builds with AddressSanitizer, under that.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import common

PROGRAM = os.environ["DICENET_TEST_LEAKS"]
SANITIZED = bool(common.PRELOAD)
OURS = ("libdicenet", "libgstdicenet")
LOST = ("Leak_DefinitelyLost", "Leak_IndirectlyLost")
HARMLESS = ("Leak_PossiblyLost", "Leak_StillReachable")

if not SANITIZED and not shutil.which("valgrind"):
    print("skipped: no valgrind here, nor a build with AddressSanitizer")
    sys.exit(common.SKIPPED)


class Leaks(common.TestCase):
    def run_program(self, *arguments):
        command = [PROGRAM, *map(common.model, ("classify", "detect", "segment")), *arguments]
        changes = {"G_SLICE": "always-malloc", "G_DEBUG": "gc-friendly"}
        if SANITIZED:
            suppressions = os.path.join(common.ROOT, "tests", "elements", "lsan.supp")
            changes["ASAN_OPTIONS"] = "detect_leaks=1:fast_unwind_on_malloc=0"
            changes["LSAN_OPTIONS"] = f"print_suppressions=0:suppressions={suppressions}"
        else:
            self.report = self.path("report.xml")
            command = ["valgrind", "--quiet", "--leak-check=full", "--num-callers=40", "--xml=yes",
                       "--xml-file=" + self.report.replace("%", "%%"), *command]  # fmt: skip
        environment = common.environment(**changes)
        environment.pop("LD_PRELOAD", None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)

    def findings(self):
        """(kind, stack) of each of valgrind's findings that is ours."""
        for error in xml.etree.ElementTree.parse(self.report).getroot().iter("error"):
            stack = [(frame.findtext("obj") or "", frame.findtext("fn") or "?") for frame in error.iter("frame")]
            kind = error.findtext("kind")
            if kind not in HARMLESS and any(os.path.basename(obj).startswith(OURS) for obj, _ in stack):
                yield kind, [f"{os.path.basename(obj)}: {function}" for obj, function in stack]

    def test_nothing_is_lost(self):
        process = self.run_program()
        self.assert_done(process)
        if not SANITIZED:
            self.assertEqual(list(self.findings()), [])

    def test_a_lost_result_is_noticed(self):
        process = self.run_program("leak")
        if SANITIZED:
            self.assertNotEqual(process.returncode, 0)
            self.assertIn("gst_dicenet_result_new", process.stderr)
            return
        self.assert_done(process)
        lost = [stack for kind, stack in self.findings() if kind in LOST]
        self.assertTrue(any("gst_dicenet_result_new" in line for stack in lost for line in stack), lost)


if __name__ == "__main__":
    common.main()
