#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program, the pkg-config files and the plugin have the project's version in meson.build.

test_version.py VERSION PROGRAM BUILD_FOLDER [PLUGIN_FOLDER]
"""

import os
import re
import subprocess
import sys
import tempfile


def program(path):
    process = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    yield "the program", process.stdout.removeprefix("dicenet ").removesuffix("\n")


def pkg_config(build):
    folder = os.path.join(build, "meson-private")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".pc"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                yield name, re.search(r"^Version: (.*)$", file.read(), re.M).group(1)


def plugin(folder):
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "GST_PLUGIN_PATH": folder, "GST_REGISTRY": os.path.join(scratch, "registry")}
        command = ["gst-inspect-1.0", "--plugin", "dicenet"]
        process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    yield "the plugin", re.search(r"^\s*Version\s+(\S+)$", process.stdout, re.M).group(1)


def main(version, path, build, plugin_folder=None):
    found = [*program(path), *pkg_config(build), *(plugin(plugin_folder) if plugin_folder else ())]
    print("\n".join(f"{what}: {number}" for what, number in found))
    assert any(what == "dicenet-1.0.pc" for what, _ in found), "no pkg-config files were found"
    wrong = [what for what, number in found if number != version]
    assert not wrong, f"expected {version} of {', '.join(wrong)}"
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
