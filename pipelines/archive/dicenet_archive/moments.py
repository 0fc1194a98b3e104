# SPDX-License-Identifier: LGPL-2.1-or-later
"""The frames on which a recording's classes are seen best."""

MOST = 4  # of a recording, and of a class while it is read
APART = 2.0  # seconds
BETTER = 0.03  # by how much a moment must be stronger to take another's place: each costs a thumbnail
MOST_KEYS = 40


class Moments:
    """Keeps a few moments of each class."""

    def __init__(self):
        self.kept = {}  # task:class -> moments

    def wants(self, key, time, score):
        """Whether add() would keep a moment like this."""
        if key not in self.kept:
            return score > 0 and len(self.kept) < MOST_KEYS
        near = [moment["score"] for moment in self.kept[key] if abs(moment["time"] - time) < APART]
        if near or len(self.kept[key]) < MOST:
            return score > max(near, default=0) + (BETTER if near else 0)
        return score > min(moment["score"] for moment in self.kept[key]) + BETTER

    def add(self, key, moment):
        far = [other for other in self.kept.get(key, ()) if abs(other["time"] - moment["time"]) >= APART]
        self.kept[key] = sorted([moment, *far], key=strength)[:MOST]

    def strongest(self):
        """At most four, of different classes first, in the order of time."""
        every = sorted((moment for moments in self.kept.values() for moment in moments), key=strength)
        chosen = []
        for new_class in True, False:
            for moment in every:
                if len(chosen) < MOST and fits(moment, chosen, new_class):
                    chosen.append(moment)
        return sorted((moment for moment in chosen), key=lambda moment: moment["time"])


def strength(moment):
    return -moment["score"], moment["time"]


def fits(moment, chosen, new_class):
    return all(abs(moment["time"] - other["time"]) >= APART for other in chosen) and not (
        new_class and any(moment["class"] == other["class"] for other in chosen)
    )
