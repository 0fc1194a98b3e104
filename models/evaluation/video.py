#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges a detector or a tagger on clips, in a GStreamer pipeline, by what other detectors, the teachers, see in them.

    video.py MODEL CLIP... [OPTION...]
    video.py --model yolox|nanodet|picodet CLIP... [OPTION...]                # one of the teachers alone, to compare
    meson devenv -C build -w . models/evaluation/video.py MODEL CLIP...       # the plugin in the build folder

The teachers label every tenth frame, once per clip; the model sees all frames. docs/evaluation.md says what the figures
mean, and what the teachers are.
"""

import argparse
import contextlib
import functools
import json
import os
import sys

import evaluate  # reports missing packages; adds models/ to the module path
import clips
import numpy as np
import outfile
from errors import ModelError
from metrics import Found, match, overlaps
from plugin import load, result_of, task_of
from progress import Progress
from sheet import Sheet
from teachers import FOLDER, FUSED, KEPT, TEACHERS, Labels, Teachers, objects_of

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
OVERLAP = 0.5  # intersection over union from which on a detection matches an object
SCORE = 0.35  # from which on what a single teacher says counts


# Who is judged


class Model:
    """A model in the plugin, with the element's defaults except for `properties`."""

    def __init__(self, path_or_name, properties):
        model = load(path_or_name)
        self.path = os.path.abspath(model.get_path())
        self.name = os.path.basename(self.path)
        self.task = task_of(model)
        self.labels = list(model.get_labels())
        self.properties = properties
        if self.task == "segment" or (self.task == "classify" and not model.get_multi_label()):
            kind = "segment" if self.task == "segment" else "give a picture one label"
            raise ModelError(
                f"{path_or_name}: is made to {kind}: expected a detector, or a classifier that gives several labels"
            )
        self.tags = self.task == "classify"

    def frames(self, clip):
        return clips.frames(clip, "dicenet" + self.task, self.path, self.properties)

    def answer(self, sample, _labelled):
        result = result_of(sample, self.task, len(self.labels))
        if self.task == "detect":
            return result
        said = np.flatnonzero(result)
        return Found(np.zeros((len(said), 4)), said, result[said])


class Teacher:
    """One of the teachers alone, in the labelled frames."""

    path = None
    tags = False

    def __init__(self, name, score):
        self.name, self.score = name, score
        self.labels = None

    def frames(self, clip):
        return clips.frames(clip)

    def answer(self, _sample, labelled):
        return labelled and where(labelled[self.name], labelled[self.name].scores >= self.score)


def where(found, chosen):
    return Found(*(part[chosen] for part in found))


def translated(found, classes):
    """With the class `classes[label]` for each label; those that are negative are left out."""
    found = found._replace(labels=classes[found.labels])
    return where(found, found.labels >= 0)


def tags_of(found):
    """The most confident detection of each class."""
    order = np.argsort(-found.scores, kind="stable")
    return where(found, order[np.unique(found.labels[order], return_index=True)[1]])


# Figures


class Tally:
    """Counts by class. `frames` are those in which the model was asked, `labelled` those in which the teachers were."""

    def __init__(self, n_classes):
        self.objects, self.right, self.wrong, self.unseen = (np.zeros(n_classes, np.int64) for _ in range(4))
        self.frames = self.labelled = 0

    def __iadd__(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


class Unseen:
    """Counts the frames in which a class is said, but the teachers see none: neither in the labelled frame before, nor
    in the one after."""

    def __init__(self, n_classes):
        self.count, self._waiting = np.zeros(n_classes, np.int64), np.zeros(n_classes, np.int64)
        self._before = np.zeros(n_classes, bool)

    def add(self, said):
        """A frame between labelled ones."""
        self._waiting += said & ~self._before

    def add_labelled(self, said, seen):
        self.count += np.where(seen, 0, self._waiting) + (said & ~seen)
        self._waiting[:] = 0
        self._before = seen

    def end(self):
        self.count += self._waiting
        self._waiting[:] = 0
        return self.count


def verdicts_on(found, truth, tags):
    """Whether each answer is right (1), wrong (0) or not counted (-1)."""
    verdicts = np.zeros(len(found.labels), np.int64)
    for label in np.unique(found.labels):
        mine = np.flatnonzero(found.labels == label)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")]
        objects, unsure = truth.boxes[truth.labels == label], truth.ignored[truth.ignored_labels == label]
        if tags:
            verdicts[mine] = 1 if len(objects) else -1 if len(unsure) else 0
        else:
            boxes = found.boxes[mine]
            verdicts[mine] = match(overlaps(boxes, objects), overlaps(boxes, unsure), OVERLAP, second_choice=True)
    return verdicts


def counts(labels, n_classes):
    return np.bincount(labels, minlength=n_classes)


class Judge:
    """Judges what one model says of one clip."""

    def __init__(self, candidate, labels, tags, sheet):
        self.candidate, self.labels, self.tags, self.sheet = candidate, labels, tags, sheet
        names = candidate.labels or labels.labels
        self.classes = np.array([labels.labels.index(name) if name in labels.labels else -1 for name in names])
        self.known = frozenset(self.classes[self.classes >= 0].tolist())
        if not self.known:
            raise ModelError(
                f"{candidate.name}: none of its labels ({', '.join(names[:25])}) is one of the teachers' "
                f"({', '.join(labels.labels)})"
            )
        self.n_classes = len(labels.labels)
        self.tally, self.unseen = Tally(self.n_classes), Unseen(self.n_classes)
        self.not_judged = set()

    def run(self, clip, progress):
        marked = iter(self.labels)
        with contextlib.closing(self.candidate.frames(clip)) as frames:
            n = -1
            for n, (sample, share) in enumerate(frames):
                labelled = self._labelled(n, marked)
                found = self.candidate.answer(sample, labelled)
                if found is not None:
                    self._frame(n, sample, found, labelled)
                progress.show(share, count=n)
        if n + 1 != self.labels.frames:
            self._refuse()
        self.tally.unseen += self.unseen.end()
        return self.tally

    def _labelled(self, n, marked):
        if n % self.labels.every:
            return None
        frame, labelled = next(marked, (None, None))
        if frame != n:
            self._refuse()
        return labelled

    def _refuse(self):
        raise ModelError(f"{self.labels.path}: was made when the clip's frames were decoded differently: delete it")

    def _frame(self, n, sample, found, labelled):
        self.not_judged |= set(np.unique(found.labels[self.classes[found.labels] < 0]).tolist())
        found = translated(found, self.classes)
        if self.tags:
            found = tags_of(found)
        self.tally.frames += 1
        said = counts(found.labels, self.n_classes) > 0
        if labelled is None:
            self.unseen.add(said)
            return
        truth = objects_of(labelled[FUSED], self.known)
        seen = counts(np.concatenate([truth.labels, truth.ignored_labels]), self.n_classes) > 0
        self.unseen.add_labelled(said, seen)
        verdicts = verdicts_on(found, truth, self.tags)
        objects = counts(np.unique(truth.labels) if self.tags else truth.labels, self.n_classes)
        right, wrong = (counts(found.labels[verdicts == verdict], self.n_classes) for verdict in (1, 0))
        self.tally.labelled += 1
        self.tally.objects += objects
        self.tally.right += right
        self.tally.wrong += wrong
        if self.sheet:
            missed = int(objects.sum() - right.sum())
            pixels = functools.partial(clips.pixels, sample)
            self.sheet.add(n, pixels, (found, verdicts, truth), int(wrong.sum()), missed)


# Report


def ratio(part, whole):
    return float(part / whole) if whole else None


def figures(tally, objects, right, wrong):
    return {
        "objects": int(objects),
        "precision": ratio(right, right + wrong),
        "recall": ratio(right, objects),
        "false_per_100_frames": 100 * ratio(wrong, tally.labelled),
    }


def report_of(tally, labels):
    """Figures of the classes that occur or are said."""
    classes = {}
    for i in np.flatnonzero(tally.objects + tally.right + tally.wrong + tally.unseen):
        classes[labels[i]] = figures(tally, tally.objects[i], tally.right[i], tally.wrong[i])
        classes[labels[i]]["unseen"] = ratio(tally.unseen[i], tally.frames)
    overall = figures(tally, *(np.sum(x) for x in (tally.objects, tally.right, tally.wrong)))
    return {"frames": tally.frames, "labelled": tally.labelled, "overall": overall, "classes": classes}


def print_report(title, report, tags):
    print(f"{title}: {report['frames']} frames, {report['labelled']} of them labelled; in per cent")
    heads = ["class", "frames" if tags else "objects", "precision", "recall", "false/100 frames", "unseen"]
    rows = [[name, *cells(row), evaluate.percent(row["unseen"])] for name, row in report["classes"].items()]
    evaluate.print_rows([heads] + rows + [["all", *cells(report["overall"]), ""]])


def print_all(report):
    tags = report["kind"] == "tags"
    name = report["model"] + (f" from {report['score']} on" if "score" in report else "")
    for one in report["clips"]:
        print_report(f"{name}: {one['clip']}", one, tags)
        print()
    if len(report["clips"]) > 1:
        print_report(f"{name}: all clips", report, tags)
        print()
    if report["not_judged"]:
        print("Said, but not judged, as the teachers do not know them:", ", ".join(report["not_judged"]))


def cells(row):
    rates = [evaluate.percent(row[name]) for name in ("precision", "recall")]
    return [str(row["objects"]), *rates, f"{row['false_per_100_frames']:.2f}"]


# Command line


def parse_score(text):
    with contextlib.suppress(ValueError):
        if KEPT <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number from {KEPT} to 1")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        usage="%(prog)s MODEL CLIP... [OPTION...]\n       %(prog)s --model TEACHER CLIP... [OPTION...]",
    )
    parser.add_argument("files", nargs="+", metavar="MODEL CLIP", help=".safetensors, or the name of one; clips")
    parser.add_argument("--model", choices=list(TEACHERS), help="instead of MODEL, one of the teachers alone")
    parser.add_argument(
        "--score", type=parse_score, metavar="S", help=f"with --model: count what it is sure of by S ({SCORE}) or more"
    )
    parser.add_argument(
        "--tags", action="store_true", help="judge only which classes are in a frame: detectors beside taggers"
    )
    parser.add_argument(
        "--every", type=evaluate.parse_count, default=10, metavar="N", help="label every Nth frame (10)"
    )
    parser.add_argument(
        "--teachers", default=FOLDER, metavar="DIR", help="the teachers' folder (../shared/teachers)"
    )
    parser.add_argument(
        "--labels",
        default=os.path.join(CACHE, "dicenet", "labels"),
        metavar="DIR",
        help="where labels are kept (~/.cache/dicenet/labels)",
    )
    parser.add_argument(
        "--set",
        type=evaluate.parse_property,
        action="append",
        default=[],
        metavar="PROPERTY=VALUE",
        help="a property of the element: threshold=0.5, say",
    )
    parser.add_argument("--json", metavar="OUT", help="write the figures to this file, too")
    parser.add_argument("--sheet", metavar="OUT", help="draw frames with boxes, spread evenly and worst, as a PNG")
    parser.add_argument("--force", action="store_true", help="overwrite OUT if it is there")
    options = parser.parse_args(argv)
    options.clips = options.files if options.model else options.files[1:]
    if not options.clips:
        parser.error("expected a MODEL and then a CLIP or several; or --model and clips")
    if options.model and options.set:
        parser.error("--set: sets properties of an element, which a teacher is not: see --score")
    if options.score is not None and not options.model:
        parser.error("--score: is for --model; a model has its own threshold, which --set threshold=S changes")
    if options.json and options.sheet and os.path.realpath(options.json) == os.path.realpath(options.sheet):
        parser.error("--json and --sheet: name two files")
    return options


def label(clip, teachers, options):
    """The labels of a clip; makes them if they are not there."""

    def frames_of(path):
        with Progress(f"labelling {os.path.basename(path)}", "frames") as progress, contextlib.closing(clips.frames(path)) as frames:
            for n, (sample, share_done) in enumerate(frames):
                progress.show(share_done, count=n)
                yield functools.partial(clips.pixels, sample)

    return Labels(clip, options.every, teachers, options.labels, frames_of)


def judge(options):
    """Judges with the given options; returns the report, as written to --json, and the sheet or None."""
    candidate = (
        Teacher(options.model, options.score or SCORE) if options.model else Model(options.files[0], options.set)
    )
    for place in filter(None, (options.json, options.sheet)):
        outfile.check(place, (candidate.path, *options.clips), force=True)  # MODEL may be a name
    teachers = Teachers(options.teachers)
    tags = candidate.tags or options.tags
    sheet = Sheet(len(options.clips), tags) if options.sheet else None
    total, reports, not_judged = None, [], set()
    for clip in options.clips:
        labels = label(clip, teachers, options)
        title = f"{candidate.name} on {os.path.basename(clip)}"
        one = Judge(candidate, labels, tags, sheet and sheet.begin(title, labels.count, labels.labels))
        with Progress(title, "frames") as progress:
            tally = one.run(clip, progress)
        not_judged |= {candidate.labels[i] for i in one.not_judged}
        total = total or Tally(len(labels.labels))
        total += tally
        reports.append({"clip": os.path.basename(clip), **report_of(tally, labels.labels)})
    report = {"model": candidate.name, "kind": "tags" if tags else "detect", "every": options.every}
    if options.model:
        report["score"] = candidate.score
    report.update(report_of(total, labels.labels), clips=reports, not_judged=sorted(not_judged))
    return report, sheet


def main(argv=None):
    options = parse(argv)
    try:
        for place in filter(None, (options.json, options.sheet)):
            outfile.check(place, options.files, options.force)
        for clip in options.clips:
            clips.check(clip)
        report, sheet = judge(options)
        print_all(report)
        if options.json:
            with outfile.open_whole(options.json, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=1)
                file.write("\n")
        if sheet:
            with outfile.open_whole(options.sheet) as file:
                sheet.draw().save(file, format="PNG")
    except ModelError as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
