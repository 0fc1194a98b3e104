#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges JSON lines with a parser that is not ours.

Of standard input, every first line must be JSON as RFC 8259 has it, no key twice, no NaN, and every second one is the
text in hexadecimal UTF-8 that "source" and "tags" must hold. Exits with 1 and the fault otherwise.
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
            # Other readers of lines end them at more than line feeds.
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
