# SPDX-License-Identifier: LGPL-2.1-or-later
"""Classes over all recordings. Several networks may know a class of the same name: then there is a kind for each network's
task, and one for any of them."""

import collections
import dataclasses

from . import hours as when
from .archive import Sighting
from .colours import colour_of

ANY = "any"
# The first that saw a class says most about it.
TASKS = {ANY: "", "detect": "objects", "classify": "whole picture", "segment": "area"}
ORDER = list(TASKS)


@dataclasses.dataclass
class Kind:
    """`group` is the same for all of a name; `words` tell tasks apart, where there are several."""

    task: str
    name: str
    group: int = 0
    words: str = ""
    recordings: int = 0
    seconds: float = 0.0
    most: float = 0.0
    best: float = 0.0
    by_hour: list = dataclasses.field(default_factory=lambda: [0.0] * 24)
    first: tuple | None = None  # of the first and the last recording: when it began, and its path
    last: tuple | None = None

    @property
    def key(self):
        return f"{self.task}:{self.name}"

    @property
    def colour(self):
        return colour_of(self.name)

    def add(self, recording, seen, hours):
        self.recordings += 1
        self.seconds += when.seconds_seen(recording, seen.timeline)
        self.most = max(self.most, greatest(seen))
        self.best = max(self.best, seen.best)
        if recording.began:
            this = recording.began, recording.path
            self.first, self.last = min(self.first or this, this), max(self.last or this, this)
            for hour, seconds in hours.seen(recording, seen.timeline).items():
                self.by_hour[hour % 24] += seconds


def greatest(seen):
    """What the class's number is: objects at once, the share of the picture, or the score."""
    return seen.objects if seen.task in (ANY, "detect") else max(seen.timeline, default=seen.best)


def number_of(seen, value):
    """It, for people."""
    if seen.task in (ANY, "detect"):
        return f"{value:,.0f}" if value else ""
    return share(value)


def share(value):
    return "<1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


class Kinds:
    """All kinds of some recordings, those seen longest first; of a name, those of ORDER's order."""

    def __init__(self, recordings, hours, limit):
        tasks = collections.defaultdict(set)
        for recording in recordings:
            for seen in recording.sightings:
                tasks[seen.name].add(seen.task)
        self.several = {name for name, found in tasks.items() if len(found) > 1}
        self.is_mixed = len(set().union(*tasks.values())) > 1
        self.list = self.sorted(self.collect(recordings, hours))[:limit]
        self.index_of = {kind.key: i for i, kind in enumerate(self.list)}
        self.group_of = {kind.name: kind.group for kind in self.list}

    def collect(self, recordings, hours):
        found = {}
        for recording in recordings:
            for seen in self.sightings(recording):
                found.setdefault(seen.key, Kind(seen.task, seen.name)).add(recording, seen, hours)
        return found.values()

    def sorted(self, kinds):
        groups = collections.defaultdict(list)
        for kind in kinds:
            kind.words = TASKS[kind.task] if self.is_mixed else ""
            groups[kind.name].append(kind)
        best_first = sorted(groups.items(), key=lambda group: (-max(kind.seconds for kind in group[1]), group[0]))
        for i, (_, group) in enumerate(best_first):
            group.sort(key=lambda kind: ORDER.index(kind.task))
            for kind in group:
                kind.group = i
        return [kind for _, group in best_first for kind in group]

    def sightings(self, recording):
        """Those of each task, and those of any."""
        by_name = collections.defaultdict(list)
        for seen in recording.sightings:
            by_name[seen.name].append(seen)
        return recording.sightings + [union(name, group) for name, group in by_name.items() if name in self.several]


def union(name, sightings):
    """Of the same class by several tasks."""
    return Sighting(
        task=ANY,
        name=name,
        frames=max(seen.frames for seen in sightings),
        objects=max((seen.objects for seen in sightings if seen.task == "detect"), default=0),
        tracks=None,
        area=None,
        best=max((seen.best for seen in sightings if seen.task != "segment"), default=0.0),
        first=min(seen.first for seen in sightings),
        last=max(seen.last for seen in sightings),
        timeline=when.anything(sightings),
    )


def by_name(recording):
    """Name, the sighting that says most, and the timeline of all, of each class in a recording."""
    groups = {}
    for seen in recording.sightings:
        groups.setdefault(seen.name, []).append(seen)
    for name, group in groups.items():
        yield name, min(group, key=lambda seen: ORDER.index(seen.task)), when.anything(group)
