# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page: what page.html shows of an archive. It is one file without any other: style, script and pictures are in it,
and its policy allows nothing else."""

import base64
import collections
import datetime
import hashlib
import itertools
import json
import os
import pathlib

from ..errors import ArchiveError
from . import drawing
from . import hours as when
from .archive import MAX_SHAPES, Archive
from .colours import PALETTE, colour_of
from .fields import Fields, printable
from .kinds import ORDER, TASKS, Kinds, by_name, greatest, number_of, share
from .words import amount, clock, count, day_and_time

try:
    import jinja2
    import markupsafe
except ImportError:
    jinja2 = None

MARK = '<meta name="generator" content="dicenet-archive report">'
MAX_LISTED = 10_000  # recordings that have a row
MAX_FAILURES = 1000
MAX_KINDS = 200  # classes of tasks on the page
MAX_LANES = 12  # of a recording's timeline
MAX_STRETCHES = 20  # of a class, as text
STRIP_LANES = 4  # and classes of the small timeline in a row
MAX_CHIPS = 6
MAX_SETTINGS = 20_000  # characters


def check_jinja():
    if jinja2 is None:
        raise ArchiveError(
            "the page needs Jinja2: install python3-jinja2, or run pip install jinja2; --no-page writes --csv and --parquet "
            "without"
        )


class Page:
    """What page.html asks for."""

    def __init__(self, archive: Archive, zone, written):
        self.archive, self.written, self.unfinished = archive, written, archive.unfinished
        self.zone = zone
        self.zone_name = str(zone or f"this computer's time zone, {written.tzname()}")
        self.hours = when.Hours(zone)
        self.done = [recording for recording in archive.recordings if recording.state == "done"]
        self.failed = [recording for recording in archive.recordings if recording.state == "failed"]
        self.kinds = Kinds(self.done, self.hours, MAX_KINDS)
        self.listed = sorted(self.done, key=lambda recording: recording.path)[:MAX_LISTED]

    def name(self):
        return printable(os.path.basename(os.path.realpath(self.archive.folder)), 80) or "/"

    def totals(self):
        return {
            "recordings": len(self.done),
            "duration": sum(recording.duration for recording in self.done),
            "frames": sum(recording.frames for recording in self.done),
            "failed": len(self.failed),
            "worked": sum(recording.seconds for recording in self.done),
            "first": min((recording.began for recording in self.done if recording.began), default=None),
            "last": max((recording.began for recording in self.done if recording.began), default=None),
            "estimated": sum(recording.estimated for recording in self.done),
            "undated": sum(recording.began is None for recording in self.done),
        }

    def networks(self):
        fields = Fields(self.archive.settings, lambda text: None)
        return [each.text("name", 80) or each.text("element", 80) for each in fields.objects("networks", 16)]

    def settings(self):
        text = json.dumps(self.archive.settings, indent=2, ensure_ascii=False)
        return "\n".join(printable(line, 200) for line in text[:MAX_SETTINGS].split("\n"))

    def failures(self):
        return self.failed[:MAX_FAILURES]

    def shapes(self, kind):
        """Name, recordings, counts in total and by class, over all recordings."""
        found = {}
        for recording in self.done:
            for name, label, counts in getattr(recording, kind):
                entry = found.setdefault(name, {"recordings": 0, "classes": collections.defaultdict(lambda: [0, 0])})
                entry["recordings"] += label is None
                entry["classes"][label] = [a + b for a, b in zip(entry["classes"][label], counts)]
        return sorted(found.items())[: 4 * MAX_SHAPES]

    def index(self):
        """What the script sorts and filters by; rows in the order of the table's."""
        names = ("key", "task", "name", "words", "group", "colour")
        return {
            "classes": [{name: getattr(kind, name) for name in names} for kind in self.kinds.list],
            "rows": [self.row(recording) for recording in self.listed],
        }

    def row(self, recording):
        """`classes`: index of the class -> figures; `moments`: classes and scores in each picture."""
        row = {
            "length": round(recording.duration, 2),
            "any": self.figures(recording, when.anything(recording.sightings), 0, 0),
            "classes": {},
        }
        if recording.began:
            row["began"] = round(recording.began.timestamp())
            row["hours"] = self.hours.covered(recording)
        for seen in self.kinds.sightings(recording):
            if seen.key in self.kinds.index_of:
                figures = self.figures(recording, seen.timeline, greatest(seen), seen.best)
                row["classes"][self.kinds.index_of[seen.key]] = figures
        row["moments"] = [self.shown_in(moment) if moment.thumbnail else [] for moment in recording.moments]
        return row

    def shown_in(self, moment):
        """Index and score of each class in a picture: of its own, and of its boxes'."""
        scores = {f"{moment.task}:{moment.name}": moment.score}
        for name, score, _ in moment.boxes:
            key = f"detect:{name}"
            scores[key] = max(score, scores.get(key, 0))
        found = ((self.kinds.index_of.get(key), score) for key, score in scores.items())
        return [[index, round(score, 3)] for index, score in found if index is not None]

    def figures(self, recording, timeline, number, best):
        hours = self.by_hour(recording, timeline) if recording.began else []
        return [round(when.seconds_seen(recording, timeline), 2), round(number, 3), round(best, 3), hours]

    def by_hour(self, recording, timeline):
        return [[hour, round(seconds, 2)] for hour, seconds in sorted(self.hours.seen(recording, timeline).items())]

    # Parts of a recording

    def seconds_seen(self, recording):
        return when.seconds_seen(recording, when.anything(recording.sightings))

    def chips(self, recording):
        return list(itertools.islice(by_name(recording), MAX_CHIPS))

    def names(self, recording):
        return len({seen.name for seen in recording.sightings})

    def strip(self, recording):
        """Colour, group and path of each of the first classes, in a row's small timeline: STRIP x 4 per class."""
        for lane, (name, _, timeline) in enumerate(itertools.islice(by_name(recording), STRIP_LANES)):
            path = drawing.strip_path(recording, timeline, lane * 4)
            if path:
                yield colour_of(name), self.kinds.group_of.get(name, -1), path

    def day_path(self, kind):
        top = max(kind.by_hour)
        return drawing.step_path([seconds / top for seconds in kind.by_hour])

    def lanes(self, recording):
        """Those of the same class one below the other."""
        order = list(dict.fromkeys(seen.name for seen in recording.sightings))
        key = lambda seen: (order.index(seen.name), ORDER.index(seen.task))  # noqa: E731
        return sorted(recording.sightings, key=key)[:MAX_LANES]

    def words(self, seen):
        words = [TASKS[seen.task]] if self.kinds.is_mixed else []
        return ", ".join(words + ([count(seen.tracks, "track")] if seen.tracks is not None else []))

    def lane_path(self, seen):
        """An area below the values, one wide per bin and 100 high."""
        return drawing.step_path([value / (greatest(seen) or 1) for value in seen.timeline])

    def stretches(self, recording, seen):
        found = list(when.stretches(recording, seen.timeline))
        return found[:MAX_STRETCHES], max(0, len(found) - MAX_STRETCHES)

    def link(self, recording, time=0.0):
        """Where a browser on this computer finds the recording. Whatever the source's name is, this is a file."""
        if not os.path.isabs(recording.source):
            return None
        return pathlib.PurePosixPath(recording.source).as_uri() + (f"#t={time:.2f}" if time else "")

    def on_clock(self, recording, time):
        began = recording.began.astimezone(datetime.timezone.utc)
        return (began + datetime.timedelta(seconds=time)).astimezone(self.zone).strftime("%H:%M:%S")


def read_part(name):
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def hash_of(text):
    """As a policy names the only style or script that it allows."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def render(page):
    """Yields the page's text in parts."""
    loader = jinja2.FileSystemLoader(os.path.dirname(__file__))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, amount=amount, when=day_and_time, grouped=lambda number: f"{number:,}")
    style, script = read_part("page.css") + colour_rules(), read_part("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {hash_of(style)}; script-src {hash_of(script)}; "
    stream = environment.get_template("page.html").stream(
        page=page,
        mark=markupsafe.Markup(MARK),
        policy=markupsafe.Markup(policy + "base-uri 'none'; form-action 'none'"),
        style=markupsafe.Markup(style),
        script=markupsafe.Markup(script),
        number_of=number_of,
        greatest=greatest,
        colour_of=colour_of,
        count=count,
        STRIP=drawing.STRIP,
        boxes=drawing.boxes,
        share=share,
    )
    stream.enable_buffering(100)
    return stream


def colour_rules():
    light = "".join(f".k{i}{{--k:{colours[0]};--on-picture:{colours[1]}}}" for i, colours in enumerate(PALETTE))
    dark = "".join(f".k{i}{{--k:{colours[1]}}}" for i, colours in enumerate(PALETTE))
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"
