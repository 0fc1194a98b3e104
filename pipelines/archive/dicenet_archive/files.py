# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that appear when they are whole, and stay through a power cut; the lock of an output folder."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import struct
import time

from .errors import ArchiveError

# What makes every further recording fail, too: the run stops.
FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ESTALE}
NAME_MAX = 255
LONGEST_ENDING = len(".jsonl.zst")
WORK = ".dicenet-work"
FLOCK = "hhqqi0q"  # struct flock


def readable(name):
    """A name as text that can be written anywhere: bytes that are no UTF-8 as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def shown(name):
    """A name or a reason for a terminal: on one line, and without what would move its cursor."""
    text = readable(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(path):
    """A relative path whose last part has room for an ending; what is cut off is replaced by its digest."""
    folder, name = os.path.split(path)
    raw = os.fsencode(name)
    if len(raw) + LONGEST_ENDING <= NAME_MAX:
        return path
    digest = "~" + hashlib.sha256(raw).hexdigest()[:8]
    kept = raw[: NAME_MAX - LONGEST_ENDING - len(digest)].decode("utf-8", "ignore")
    return os.path.join(folder, kept + digest)


def sync_folder(path):
    """Makes the names in a folder outlast a power cut. Not all file systems can, and none needs to be told twice."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path):
    """Like os.makedirs(); the new names outlast a power cut."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folder(parent)
    with contextlib.suppress(FileExistsError):  # made by another process meanwhile
        os.mkdir(path)
    sync_folder(parent)


def put_in_place(part, place):
    """Gives a whole, closed file its name."""
    make_folder(os.path.dirname(place))
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(part, place)
    sync_folder(os.path.dirname(place))


def write_text(text, place, part, errors="strict"):
    """Writes a file at once: `part` is its name until it is whole."""
    with open(part, "w", encoding="utf-8", errors=errors) as file:
        file.write(text)
    put_in_place(part, place)


def write_json(value, place, part):
    write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", place, part)


def read_json(path, largest=64 << 20):
    """The object in a file, or None where there is no such file or something else is in it."""
    try:
        with open(path, encoding="utf-8") as file:
            size = os.fstat(file.fileno()).st_size
            value = json.loads(file.read(min(largest, size + 1)))  # what is asked for is allocated first
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_held(descriptor):
    """Whether another process has locked a file. The lock is not taken to find that out: a third one could then take the
    folder for a busy one."""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        return struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
    except OSError:
        return False  # a file system without locks


class Lock:
    """Keeps two runs from the same work. A run without shards has the folder for itself; shards of the same number may
    run together. Locks end with their process, whatever ends it."""

    def __init__(self, output, shard=(1, 1)):
        self.output, self.shard = output, shard
        self.work = os.path.join(output, WORK)
        self.folder = os.path.join(self.work, "{}-of-{}".format(*shard))
        self.held = []

    def take(self, patience=0):
        """Takes the lock, and removes what earlier runs left unfinished. ArchiveError where another run has it for longer
        than `patience`, in seconds."""
        make_folder(self.work)
        while True:
            try:
                return self._take_all()
            except ArchiveError:
                self.release()
                if patience <= 0:
                    raise
            time.sleep(1)
            patience -= 1

    def _take_all(self):
        number, count = self.shard
        if not self._take(f"of-{count}", shared=count > 1):
            raise ArchiveError(self._busy())
        for name in os.listdir(self.work):
            if name.startswith("of-") and name.endswith(".lock") and name != f"of-{count}.lock":
                if not self._is_free(name.removesuffix(".lock")):
                    raise ArchiveError(self._busy())
        if not self._take(f"{number}-of-{count}", shared=False):
            raise ArchiveError(self._busy())
        self._clean()
        make_folder(self.folder)

    def close(self):
        """Gives it back, with nothing left unfinished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self):
        while self.held:
            os.close(self.held.pop())

    def _busy(self):
        what = "shard {} of {}".format(*self.shard) if self.shard[1] > 1 else "another run"
        return (f"{readable(self.output)}: {what} is at work there, or a run with another number of shards: wait for "
                f"it, or name another --output")  # fmt: skip

    def _open(self, name):
        return os.open(os.path.join(self.work, name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _take(self, name, shared):
        descriptor = self._open(name)
        try:
            # Not flock(): workers would inherit that, and keep it where this process was killed.
            fcntl.lockf(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(descriptor)
                return False
            # A file system without locks: its users have to take care themselves, which docs/archive.md says.
        self.held.append(descriptor)
        return True

    def _is_free(self, name):
        """Whether nobody holds it."""
        descriptor = self._open(name)
        try:
            return not is_held(descriptor)
        finally:
            os.close(descriptor)

    def _clean(self):
        """Removes what is left of earlier runs, which can't be at work now: other shards clean up for themselves."""
        for name in os.listdir(self.work):
            own = name == os.path.basename(self.folder)
            if own or not name.endswith((f"-of-{self.shard[1]}", ".lock")):
                shutil.rmtree(os.path.join(self.work, name), ignore_errors=True)
