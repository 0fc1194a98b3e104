# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values of JSON that nobody vouches for: each is checked and bounded, and what is wrong is left out and noted."""

import base64
import binascii
import datetime
import json
import math
import os
import re
import stat

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
DATA_URI = "data:image/jpeg;base64,"
MAX_THUMBNAIL = 128 << 10  # characters of its data URI
MAX_SIDE = 512  # pixels of a thumbnail, which a browser needs memory for, however small the file
# Before and after these, calculations with time zones may overflow.
FIRST_TIME = datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)
LAST_TIME = datetime.datetime(2200, 1, 1, tzinfo=datetime.timezone.utc)


class Wrong(Exception):
    """What was expected and what came."""


def read_json(path, limit):
    """The object in a regular file of at most `limit` bytes. Raises Wrong; OSError, FileNotFoundError among them."""
    # A pipe or a device would not end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Wrong("it is not a regular file")
        data = file.read(min(limit, status.st_size) + 1)  # what is asked for is allocated first
    if len(data) > limit:
        raise Wrong(f"it has more than {limit} bytes")
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Wrong(f"it is not JSON: {printable(str(error), 100)}") from None
    if not isinstance(value, dict):
        raise Wrong(f"expected a JSON object, not {kind_of(value)}")
    return value


def printable(text, limit):
    """The text without what could not be written or would look like something else, and shortened."""
    text = CONTROL.sub(" ", text[: limit + 1].encode("utf-8", "replace").decode("utf-8"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def kind_of(value):
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def is_number(value, low=0.0, high=1e15):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


class Fields:
    """The members of one JSON object. `complain` is called with a text about each that is not as expected."""

    def __init__(self, members, complain):
        self.members = members
        self.complain = complain

    def take(self, name, is_right, expected, default):
        value = self.members.get(name)
        if value is None:
            return default
        if not is_right(value):
            self.complain(f"{name}: expected {expected}, not {kind_of(value)}{self.shown(value)}")
            return default
        return value

    @staticmethod
    def shown(value):
        return f" ({value:.6g})" if isinstance(value, float) and math.isfinite(value) else ""

    def number(self, name, default=0.0, high=1e15):
        return self.take(name, lambda value: is_number(value, 0, high), f"a number from 0 to {high:g}", default)

    def count(self, name, default=0):
        return int(self.number(name, default))

    def text(self, name, limit, default=""):
        return printable(self.take(name, lambda value: isinstance(value, str), "a text", default), limit)

    def choice(self, name, allowed, default):
        return self.take(name, lambda value: isinstance(value, str) and value in allowed, f"one of {allowed}", default)

    def items(self, name, limit):
        return self.bounded(name, self.take(name, lambda value: isinstance(value, list), "a list", []), limit)

    def texts(self, name, limit, length):
        return [printable(text, length) for text in self.items(name, limit) if isinstance(text, str)]

    def object(self, name, limit):
        value = self.take(name, lambda value: isinstance(value, dict), "an object", {})
        return dict(self.bounded(name, list(value.items()), limit))

    def objects(self, name, limit):
        """The members of each object of a list."""
        return [Fields(item, self.complain) for item in self.items(name, limit) if isinstance(item, dict)]

    def bounded(self, name, items, limit):
        if len(items) > limit:
            self.complain(f"{name}: only the first {limit} of {len(items)} are taken")
        return items[:limit]

    def time(self, name, zone):
        """A point in time; one that does not say its time zone is in `zone`. None without, or if it is no time."""
        text = self.text(name, 64)
        if not text:
            return None
        try:
            time = datetime.datetime.fromisoformat(text)
            time = time if time.tzinfo else time.replace(tzinfo=zone)
            if FIRST_TIME <= time <= LAST_TIME:
                return time.astimezone(zone)
        except (ValueError, OverflowError):
            pass
        self.complain(f"{name}: expected a time such as 2026-11-30T03:27:04Z, from 1970 to 2200")
        return None


def jpeg_size(data):
    """The width and height that a JPEG file says it has; None if it is none."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame's header
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        if length < 2:
            return None
        at += 2 + length
    return None


def check_thumbnail(text):
    """Width and height of the picture in a data URI. Raises Wrong if it is not a small JPEG."""
    if not text.startswith(DATA_URI):
        raise Wrong(f"expected {DATA_URI}...")
    if len(text) > MAX_THUMBNAIL:
        raise Wrong(f"it has more than {MAX_THUMBNAIL} characters")
    try:
        size = jpeg_size(base64.b64decode(text[len(DATA_URI) :], validate=True))
    except (binascii.Error, ValueError):
        raise Wrong("it is not base64") from None
    if size is None:
        raise Wrong("it is not a JPEG file")
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise Wrong(f"expected at most {MAX_SIDE} x {MAX_SIDE} pixels, not {size[0]} x {size[1]}")
    return size
