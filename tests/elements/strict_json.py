#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks JSON lines with a different parser.

Standard input has pairs of lines: the first must be valid JSON by RFC 8259, without duplicate keys or NaN; the second
is the expected value of "source" and "tags", as hexadecimal UTF-8. Exits with status 1 and an error message otherwise.
"""

import json
import sys


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def unique(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"a key twice: {pairs}")
    return dict(pairs)


def main():
    lines = sys.stdin.buffer.read().split(b"\n")
    if lines.pop() != b"" or not lines or len(lines) % 2:
        sys.exit(f"expected pairs of lines, found {len(lines)} lines")
    for line, wanted in zip(lines[::2], lines[1::2]):
        try:
            # Other readers also split lines at characters other than line feeds.
            text = line.decode("utf-8")
            assert len(text.splitlines()) == 1, "the line has line ends"
            found = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
            wanted = bytes.fromhex(wanted.decode()).decode("utf-8")
            assert found["source"] == wanted and found["tags"]["text"] == wanted, f"expected {wanted!r}"
            assert found["tags"]["number"] == -12500.0
        except (AssertionError, ValueError, KeyError) as error:
            sys.exit(f"{error}: {line!r}")
    print(len(lines) // 2)


if __name__ == "__main__":
    main()
