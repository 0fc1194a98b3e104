# SPDX-License-Identifier: LGPL-2.1-or-later
"""When something was seen: hours of days in a time zone, for how many seconds."""

import collections
import datetime
import functools
import itertools
import math

# Clocks of time zones differ by whole quarters of an hour.
QUARTER = 900
MAX_QUARTERS = 4 * 24 * 31  # of a recording
EPOCH = datetime.date(1970, 1, 1).toordinal()


class Hours:
    """Hours are numbered from 1970-01-01 00:00 on the clocks of `zone` (None: this computer's)."""

    def __init__(self, zone):
        self.zone = zone
        self.of_quarter = functools.lru_cache(maxsize=None)(self.of_quarter)

    def of_quarter(self, quarter):
        time = datetime.datetime.fromtimestamp(quarter * QUARTER, datetime.timezone.utc).astimezone(self.zone)
        return (time.toordinal() - EPOCH) * 24 + time.hour

    def of(self, timestamp):
        return self.of_quarter(int(timestamp // QUARTER))

    def covered(self, recording):
        """The hours in which it was recorded."""
        begin = recording.began.timestamp()
        quarters = range(int(begin // QUARTER), math.ceil((begin + recording.duration) / QUARTER))[:MAX_QUARTERS]
        return sorted({self.of_quarter(quarter) for quarter in quarters} | {self.of(begin)})

    def seen(self, recording, timeline):
        """Hour -> seconds of the bins in which there was something."""
        begin, found = recording.began.timestamp(), collections.Counter()
        for i, value in enumerate(timeline):
            if value > 0:
                found[self.of(begin + min(i * recording.bin, recording.duration))] += bin_length(recording, i)
        return found


def bin_length(recording, i):
    """The last bin may be a part of one. What has no length, a picture, has bins of none."""
    return max(0.0, min(recording.bin, recording.duration - i * recording.bin))


def seconds_seen(recording, timeline):
    return sum(bin_length(recording, i) for i, value in enumerate(timeline) if value > 0)


def anything(sightings):
    """1 in each bin in which there is one of them, else 0."""
    return [int(any(values)) for values in itertools.zip_longest(*(seen.timeline for seen in sightings), fillvalue=0)]


def stretches(recording, timeline):
    """Begin and end of each stretch of bins with something in them, in seconds."""
    begin = None
    for i, value in enumerate([*timeline, 0]):
        if value > 0 and begin is None:
            begin = i
        elif not value > 0 and begin is not None:
            yield begin * recording.bin, max(begin * recording.bin, min(i * recording.bin, recording.duration))
            begin = None
