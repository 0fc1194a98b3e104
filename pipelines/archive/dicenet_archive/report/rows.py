# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables for notebooks and spreadsheets, as CSV and Parquet. Each row is a recording and a class, or a bin of these."""

import csv
import datetime
import io

from ..errors import ArchiveError
from . import hours as when

# Column and type, in both tables.
COMMON = (("path", str), ("began", datetime.datetime), ("began_estimated", bool))
CLASSES = (
    *COMMON,
    ("state", str),
    ("error", str),
    ("kind", str),
    ("source", str),
    ("width", int),
    ("height", int),
    ("duration", float),
    ("recording_frames", int),
    ("task", str),
    ("class", str),
    ("frames", int),
    ("seconds", float),
    ("objects", int),
    ("tracks", int),
    ("area", float),
    ("best", float),
    ("first", float),
    ("last", float),
)
BINS = (*COMMON, ("task", str), ("class", str), ("time", float), ("length", float), ("value", float))
COLUMNS = {"classes": CLASSES, "bins": BINS}


def class_rows(recordings):
    """A row for each class in each recording. Recordings without any, and failed ones, have one without a class."""
    for recording in recordings:
        about = [*common(recording), recording.state, recording.error or None, recording.kind, recording.source]
        about += [recording.width, recording.height, recording.duration, recording.frames]
        for seen in recording.sightings:
            seconds = when.seconds_seen(recording, seen.timeline)
            objects = seen.objects if seen.task == "detect" else None
            numbers = [seen.frames, seconds, objects, seen.tracks, seen.area, seen.best, seen.first, seen.last]
            yield [*about, seen.task, seen.name, *numbers]
        if not recording.sightings:
            yield about + [None] * (len(CLASSES) - len(about))


def bin_rows(recordings):
    """A row for each bin in which a class was seen; `time` is where it begins in the recording."""
    for recording in recordings:
        for seen in recording.sightings:
            for i, value in enumerate(seen.timeline):
                if value > 0:
                    length = when.bin_length(recording, i)
                    yield [*common(recording), seen.task, seen.name, i * recording.bin, length, float(value)]


def common(recording):
    began = recording.began.astimezone(datetime.timezone.utc) if recording.began else None
    return [recording.path, began, recording.estimated]


ROWS = {"classes": class_rows, "bins": bin_rows}


def write_csv(file, recordings, kind):
    """RFC 4180, in UTF-8."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([name for name, _ in COLUMNS[kind]])
    writer.writerows([cell(value) for value in row] for row in ROWS[kind](recordings))
    text.detach()  # flushes, and leaves the file open


def cell(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}" if value < 1e5 else f"{value:.3f}"
    # Spreadsheets take a text that begins so for a formula, and file names are anybody's.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return "'" + value
    return value


def check_pyarrow():
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ArchiveError(
            f"--parquet needs pyarrow ({error}): run pip install pyarrow (Debian has no package of it), or use --csv"
        ) from None
    return pyarrow


def write_parquet(file, recordings, kind, batch=20_000):
    """A row group for each so many rows: never all of them in memory."""
    pyarrow = check_pyarrow()
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(),
             datetime.datetime: pyarrow.timestamp("ms", tz="UTC")}  # fmt: skip
    schema = pyarrow.schema([(name, types[kind_of]) for name, kind_of in COLUMNS[kind]])
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        rows = []
        for row in ROWS[kind](recordings):
            rows.append(row)
            if len(rows) == batch:
                writer.write_table(to_table(pyarrow, rows, schema))
                rows = []
        if rows:
            writer.write_table(to_table(pyarrow, rows, schema))


def to_table(pyarrow, rows, schema):
    columns = zip(*rows)
    return pyarrow.table(
        [pyarrow.array(list(column), kind) for column, kind in zip(columns, schema.types)], schema=schema
    )
