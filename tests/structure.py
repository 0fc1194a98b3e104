#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that layers include lower layers only, elements include public headers only, tasks are named only where
allowed, and functions of classes are named after them.

    structure.py PROJECT_ROOT
"""

import os
import re
import sys

# What each folder may include in addition to itself; the layers are those of docs/architecture.md.
PUBLIC = {"dicenet-core/dicenet"}
BASE = PUBLIC | {"dicenet-core/base"}
KERNELS = PUBLIC | {"dicenet-core/base", "dicenet-core/kernels"}
FILE = BASE | {"dicenet-core/file"}
GRAPH = FILE | {"dicenet-core/graph"}
PREPOST = BASE | KERNELS | {"dicenet-core/prepost"}
BACKEND = GRAPH | KERNELS | {"dicenet-core/backend"}
TASKS = BACKEND | PREPOST | {"dicenet-core/tasks"}
ALLOWED = {
    "dicenet-core/dicenet": PUBLIC,
    "dicenet-core/base": BASE,
    "dicenet-core/kernels": KERNELS,
    "dicenet-core/file": FILE,
    "dicenet-core/graph": GRAPH,
    "dicenet-core/prepost": PREPOST,
    "dicenet-core/backend": BACKEND,
    "dicenet-core/cpu": BACKEND | PREPOST | {"dicenet-core/cpu"},
    "dicenet-core/tasks": TASKS,
    "dicenet-core/api": TASKS | {"dicenet-core/api", "dicenet-core/cpu"},
    "dicenet-core/tools": TASKS | {"dicenet-core/api", "dicenet-core/cpu", "dicenet-core/tools"},
    "cuda": BACKEND | PREPOST | {"cuda"},
    "gst": PUBLIC | {"gst", "gst/counting", "gst/inference", "gst/overlay", "gst/tracking", "gst/video", "gst/meta"},
    "gst/counting": PUBLIC | {"gst/counting", "gst/video", "gst/meta"},
    "gst/inference": PUBLIC | {"gst/inference", "gst/overlay", "gst/video", "gst/meta"},
    "gst/overlay": {"gst/overlay", "gst/video", "gst/meta"},  # draws any results
    "gst/tracking": {"gst/tracking", "gst/video", "gst/meta"},  # follows any objects
    "gst/video": {"gst/video", "gst/meta"},
    "gst/meta": {"gst/meta"},
    "gst/publish": {"gst/publish"},  # lines of text, whatever they say
}
# Files that may name a single task, in addition to the task's own file.
NAMES_TASKS = {
    "dicenet-core/dicenet/model.h": "the enumeration",
    "dicenet-core/api/model.c": "a value for calls on no model",
    "gst/gstdicenetmask.c": "shows masks only",
    "gst/inference/gstdicenetclassify.c": "an element for each task",
    "gst/inference/gstdicenetdetect.c": "an element for each task",
    "gst/inference/gstdicenetsegment.c": "an element for each task",
    "gst/inference/gstdicenetengine.c": "what each is called",
    "gst/overlay/gstdicenetoverlay.c": "objects of others are drawn like detections",
    "gst/meta/gstdicenetanalytics.c": "what others call a classification becomes a result",
    "gst/tracking/gstdicenetsources.c": "which of our metas have objects",
    "gst/meta/gst/dicenet/gstdicenetmeta.h": "the enumeration",
    "gst/meta/gstdicenetregion.c": "likewise",
    "gst/meta/gstdicenetmeta.c": "detections are GstVideoRegionOfInterestMeta, too",
    "gst/meta/gstdicenetserial.c": "checks what another process says",
}
TASK = re.compile(r"\b(?:GST_)?DICENET_TASK_[A-Z]+")
METHOD = re.compile(r"^  (?:\w+_class|[A-Z_]+_CLASS \(klass\)|info)->(\w+?)(?:_func)? = ([a-z]\w*);$", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    return max((f for f in ALLOWED if path == f or path.startswith(f + "/")), key=len, default=None)


def target(root, source, kind, name):
    """The folder of an included file, or None if it is not in this project."""
    candidates = [os.path.join(os.path.dirname(source), name)] if kind == '"' else []
    candidates += [os.path.join("dicenet-core", name), os.path.join("gst", name), os.path.join("gst", "meta", name)]
    for candidate in map(os.path.normpath, candidates):
        if os.path.exists(os.path.join(root, candidate)):
            return folder_of(os.path.dirname(candidate))
    return None


def sources(root):
    """Path and text of each source file."""
    for top in ("dicenet-core", "cuda", "gst"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in files:
                if name.endswith((".c", ".h", ".cu", ".cuh")):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        yield os.path.relpath(os.path.join(folder, name), root), file.read()


def project_includes(root, texts):
    """Source, what it includes, and the folder of that, of each include of a project file."""
    for source, text in texts.items():
        for kind, included in INCLUDE.findall(text):
            to = target(root, source, kind, included)
            if to is not None:
                yield source, included, to


def check_includes(includes):
    for source, included, to in includes:
        folder = folder_of(os.path.dirname(source))
        if to not in ALLOWED[folder]:
            yield f"{source} includes {included}: {to} is not below {folder}"


def read_map(root):
    """The table of folders in docs/architecture.md, the lowest layer first: folder -> row."""
    with open(os.path.join(root, "docs", "architecture.md"), encoding="utf-8") as file:
        table = file.read().split("| folder | |\n|---|---|\n")[1].split("\n\n")[0]
    rows = {}
    for number, line in enumerate(table.splitlines()):
        for name in re.findall(r"`(\w+/)`", line.split("|")[1]):
            rows[name.rstrip("/")] = number
    return rows


def part_of(folder):
    """What the map calls a folder."""
    return folder.removeprefix("dicenet-core/").split("/")[0]


def check_map(root, includes):
    """Includes that go from a row of the table to a later one, and folders that only one of both knows."""
    rows = read_map(root)
    folders = set(map(part_of, ALLOWED)) - {"dicenet"}
    for name in sorted(folders ^ set(rows)):
        yield f"{name}/: in {'tests/structure.py' if name in folders else 'docs/architecture.md'} only"
    for source, included, to in includes:
        here, there = rows.get(part_of(os.path.dirname(source))), rows.get(part_of(to))
        if None not in (here, there) and there > here:
            yield f"{source} includes {included}, which docs/architecture.md has above it"


def check_tasks(texts):
    named = {source for source, text in texts.items() if TASK.search(text)}
    elsewhere = {source for source in named if folder_of(os.path.dirname(source)) != "dicenet-core/tasks"}
    for source in sorted(elsewhere - set(NAMES_TASKS)):
        yield f"{source} names a task, which dicenet-core/tasks/ is the place for"
    for source in sorted(set(NAMES_TASKS) - named):
        yield f"{source} names no task any more: take it off the list"


def check_methods(texts):
    """Functions whose names would not identify their class in a backtrace; also returns the number of functions
    checked."""
    wrong, checked = [], 0
    for source, text in texts.items():
        if not source.startswith("gst/") or not source.endswith(".c"):
            continue
        prefix = os.path.basename(source).removesuffix(".c").replace("gstdicenet", "gst_dicenet_")
        found = METHOD.findall(text)
        for what, used in found:
            # gst_dicenet_mqtt_sink_event is in gstdicenetmqttsink.c.
            if used.replace("_", "") != f"{prefix}_{what}".replace("_", ""):
                wrong.append(f"{source}: {used} should be {prefix}_{what}")
        checked += len(found)
    return wrong, checked


def main(root):
    texts = dict(sources(root))
    includes = list(project_includes(root, texts))
    misnamed, n_methods = check_methods(texts)
    wrong = [*check_includes(includes), *misnamed, *check_tasks(texts), *check_map(root, includes)]
    print("\n".join(wrong) or f"{len(includes)} includes, all downwards; {n_methods} functions of classes, well named")
    assert len(includes) > 100 and n_methods > 40, "the includes or the functions were not found"
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
