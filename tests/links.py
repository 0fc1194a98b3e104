#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that links in the documents lead to existing targets, and headings and files that documents and sources name
exist.

links.py PROJECT_ROOT
"""

import os
import re
import sys

CODE = re.compile(r"^```.*?^```$|^(?:    [^\n]*\n)+", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
# A file of this project in backticks, relative to the root, dicenet-core or the document's folder.
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.(?:c|cu|h|json|md|py|sh|toml))`")
DOCUMENT = re.compile(r"\bdocs/[\w-]+\.md\b")
SOURCES = (".c", ".cu", ".cuh", ".h", ".build", ".py", ".sh", ".toml")
LEFT_OUT = re.compile(r"build.*|output|downloads|\..*|__pycache__")


def files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not LEFT_OUT.fullmatch(name)]
        yield from (os.path.relpath(os.path.join(folder, name), root) for name in names)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """Anchors of the headings, as GitHub generates them."""
    found = set()
    for heading in HEADING.findall(CODE.sub("", text)):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def check_link(root, document, link):
    """Returns the error, or None."""
    if re.match(r"[a-z]+:", link):
        return None  # external
    path, _, anchor = link.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
    if not os.path.exists(os.path.join(root, path)):
        return f"{document}: there is no {path}, to which ({link}) leads"
    if anchor and anchor not in anchors(read(root, path)):
        return f"{document}: {path} has no heading for ({link})"
    return None


def check_name(root, document, name):
    places = "", "dicenet-core", os.path.dirname(document)
    if any(os.path.exists(os.path.join(root, place, name)) for place in places):
        return None
    return f"{document}: there is no {name}"


def main(root):
    wrong, checked = [], 0
    for path in files(root):
        if path.endswith(".md"):
            text = read(root, path)
            results = [check_link(root, path, link) for link in LINK.findall(CODE.sub("", text))]
            if path != "CHANGELOG.md":  # it may name files that no longer exist
                results += [check_name(root, path, name) for name in NAMED.findall(text)]
        elif path.endswith(SOURCES):
            results = [check_name(root, path, name) for name in DOCUMENT.findall(read(root, path))]
        else:
            continue
        checked += len(results)
        wrong += filter(None, results)
    print("\n".join(wrong) or f"{checked} links and names, all lead somewhere")
    assert checked > 100, "the links were not found"
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
