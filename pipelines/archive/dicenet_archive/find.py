# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds recordings in folders."""

import dataclasses
import datetime
import hashlib
import os
import re
import stat

from .errors import UsageError
from .files import readable, shortened, shown

PICTURES = set("avif bmp heic heif j2k jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tif tiff webp".split())
VIDEOS = set(
    "265 264 3g2 3gp amv asf avi divx dv f4v fli flv gxf h264 h265 hevc insv ivf m1v m2t m2ts m2v m4v mj2 mjpeg mjpg mkv "
    "mov mp4 mpe mpeg mpg mts mxf nuv obu ogm ogv qt rm rmvb vob vro webm wmv wtv y4m".split()
)
# Of the same containers.
SOUNDS = set("aac ac3 aif aiff amr ape au flac m4a m4b m4p m4r mka mks mp2 mp3 oga opus spx wav weba wma".split())
# How files of any other name begin that are videos: offset and bytes. Names such as .ts and .dat are used for much else.
BEGINNINGS = [
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI LIST"), (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3"), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b".RMF"),
    (0, b"DKIF"), (0, b"YUV4MPEG2"), (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"), (28, b"\x80theora"),
]  # fmt: skip
COST_OF_ANY = 1 << 20  # bytes: each recording takes some time, however small
PACKET, SYNC = 188, 0x47  # of an MPEG transport stream


@dataclasses.dataclass
class Recording:
    source: str  # absolute
    path: str  # relative to the folder given: where results go
    kind: str  # "video" or "pictures"
    size: int
    modified: float


@dataclasses.dataclass
class Found:
    recordings: list = dataclasses.field(default_factory=list)
    skipped: int = 0  # files that are no recordings
    unreadable: list = dataclasses.field(default_factory=list)  # (folder, reason)


def natural(text):
    """A key that sorts picture-2 before picture-10."""
    return [(part.isdigit(), int(part[:4000]) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", text)]


def ending(name):
    return os.path.splitext(name)[1][1:].lower()


def is_picture(name):
    return ending(name) in PICTURES


def pictures_in(folder):
    """Names of the pictures in a folder, in their order."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_picture(entry.name) and not entry.name.startswith(".")]
    return sorted(names, key=natural)


def is_video(path):
    """Whether a file is a video by its name, or else by how it begins."""
    if ending(path) in VIDEOS - {"mts"}:
        return True
    if ending(path) in SOUNDS:
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(3 * PACKET)
    except OSError:
        return False
    if any(head[offset : offset + len(text)] == text for offset, text in BEGINNINGS):
        return True
    # M2TS has four bytes before each packet.
    return any(len(head) > first + 2 * step and all(head[first + i * step] == SYNC for i in range(3 if first == 0 else 2))
               for first, step in ((0, PACKET), (4, PACKET + 4)))  # fmt: skip


def find(inputs, output):
    """All recordings in `inputs`, sorted, each once; the folder `output` is left out. UsageError where an input is not
    there."""
    found, seen = Found(), set()
    for given in inputs:
        place = os.path.abspath(given)
        try:
            status = os.stat(place)
        except OSError as error:
            raise UsageError(f"{shown(given)}: {error.strerror}: name folders or files that are there") from None
        if stat.S_ISDIR(status.st_mode):
            _walk(place, output, found, seen)
        elif not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{shown(given)}: neither a folder nor a file: cameras are for pipelines/camera.sh")
        elif place not in seen:
            seen.add(place)
            kind = "pictures" if is_picture(place) else "video"
            found.recordings.append(Recording(place, os.path.basename(place), kind, status.st_size, status.st_mtime))
    return found


def _walk(root, output, found, seen):
    """Without recursion, which a deep folder would exhaust. Links are followed, each folder is entered once."""
    waiting, entered = [root], {_identity(output)}
    while waiting:
        folder = waiting.pop()
        identity = _identity(folder)
        if identity in entered:
            continue
        entered.add(identity)
        try:
            with os.scandir(folder) as entries:
                names = sorted((entry.name for entry in entries), key=natural)
        except OSError as error:
            found.unreadable.append((folder, error.strerror))
            continue
        folders = _look(root, folder, names, found, seen)
        waiting += reversed(folders)


def _identity(folder):
    try:
        status = os.stat(folder)
    except OSError:
        return folder
    return status.st_dev, status.st_ino


def _look(root, folder, names, found, seen):
    """Takes the recordings of one folder, and returns the folders in it."""
    folders, pictures = [], []
    for name in names:
        if name.startswith("."):
            continue
        place = os.path.join(folder, name)
        try:
            status = os.stat(place)
        except OSError:  # a link that leads nowhere, a file that has just gone
            found.skipped += 1
            continue
        if stat.S_ISDIR(status.st_mode):
            folders.append(place)
        elif not stat.S_ISREG(status.st_mode) or place in seen:
            found.skipped += place not in seen
        elif is_picture(name):
            pictures.append(status)
        elif is_video(place):
            seen.add(place)
            path = os.path.relpath(place, root)
            found.recordings.append(Recording(place, path, "video", status.st_size, status.st_mtime))
        else:
            found.skipped += 1
    if pictures and folder not in seen:
        seen.add(folder)
        path = os.path.relpath(folder, root) if folder != root else os.path.basename(root) or "pictures"
        found.recordings.append(Recording(folder, path, "pictures", sum(s.st_size for s in pictures),
                                          max(s.st_mtime for s in pictures)))  # fmt: skip
    return folders


def is_same(recording, summary):
    """Whether a summary is of this recording, wherever that was when it was made."""
    return summary.get("size") == recording.size and summary.get("modified") == utc(recording.modified)


def utc(seconds):
    try:
        time = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):  # file systems can hold any number
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def give_places(recordings, summary_of):
    """Gives each recording a path of its own, the same in later runs. Where two folders have a file of the same path,
    the later one's gets a digest of its source. `summary_of` returns a path's summary, or None."""
    taken = set()
    for recording in recordings:
        digest = hashlib.sha256(os.fsencode(recording.source)).hexdigest()[:8]
        stem, suffix = os.path.splitext(recording.path)
        plain, other = shortened(recording.path), shortened(f"{stem}~{digest}{suffix}")
        summary = summary_of(plain) if plain not in taken else None
        there = summary is not None and summary.get("source") != readable(recording.source)
        clash = plain in taken or (there and not is_same(recording, summary))
        recording.path = other if clash else plain
        taken.add(recording.path)


def cost(recording):
    return recording.size + COST_OF_ANY


def shard(recordings, number, count):
    """The part `number` (from 1) of `count`, of about equal sizes; the same for the same recordings."""
    loads = [0] * count
    part = []
    for recording in sorted(recordings, key=lambda r: (-cost(r), os.fsencode(r.path))):
        least = loads.index(min(loads))
        loads[least] += cost(recording)
        if least == number - 1:
            part.append(recording)
    return part
