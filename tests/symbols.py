#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that a library exports the functions that its Debian package lists, and no others.

symbols.py PACKAGE.symbols LIBRARY
"""

import re
import subprocess
import sys

ADVICE = {
    "not listed": "add it, with the version in meson.build (docs/packaging.md)",
    "not exported": "a program that uses it would not start: docs/packaging.md, The ABI",
}


def listed(path):
    with open(path, encoding="utf-8") as file:
        return set(re.findall(r"^ (\w+)@Base ", file.read(), re.M))


def exported(path):
    text = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r" \w ((?:dicenet|gst)_\w+)$", text, re.M))


def main(symbols, library):
    known, there = listed(symbols), exported(library)
    assert known, f"{symbols} lists no functions"
    wrong = [(name, "not listed") for name in there - known] + [(name, "not exported") for name in known - there]
    for name, what in sorted(wrong):
        print(f"{symbols}: {name} is {what}: {ADVICE[what]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
