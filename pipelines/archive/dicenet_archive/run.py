# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs networks on folders of recordings: a results file and a summary of each. What is done is not done again: the same
command goes on where it was stopped, and takes new files."""

import argparse
import contextlib
import datetime
import errno
import json
import os
import re
import signal
import sys
import time

from . import settings as settings_of
from . import slurm
from .errors import DONE, FAILED, ArchiveError, UsageError
from .files import FATAL, WORK, Lock, make_folder, read_json, shown, write_json
from .find import COST_OF_ANY, Found, Recording, cost, find, give_places, is_same, shard, utc
from .machine import memory_of_worker, processors
from .pool import MIB, Pool, Stop
from .progress import Progress, span
from .worker import Names, head

MOST_LISTED = 100
JOB_PATIENCE = 60  # seconds


def add_arguments(parser):
    parser.add_argument("inputs", nargs="*", metavar="FOLDER|FILE", help="recordings: videos, folders with pictures")
    parser.add_argument("--output", "-o", metavar="DIR", required=True, help="folder for all that is written")
    settings_of.add_arguments(parser)
    group = parser.add_argument_group("how")
    group.add_argument("--workers", type=settings_of.whole, metavar="N", help="processes (default: one per processor)")
    group.add_argument("--memory", type=settings_of.whole, metavar="MIB", help="most memory of a worker: a recording that "
                       "needs more fails (default: 80 %% of the machine's, shared)")  # fmt: skip
    group.add_argument("--stall-timeout", type=settings_of.seconds, default=120, metavar="SECONDS",
                       help="a recording that makes no progress for so long fails (default: %(default)s)")  # fmt: skip
    group.add_argument("--retry-failed", action="store_true", help="do those again that failed before")
    group.add_argument("--shard", type=shard_of, default=(1, 1), metavar="K/N", help="only the K-th of N parts of about "
                       "equal size: run the others elsewhere with the same DIR")  # fmt: skip
    parser.add_argument("--list", help=argparse.SUPPRESS)  # what --slurm found
    slurm.add_arguments(parser)


def shard_of(text):
    match = re.fullmatch("([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"expected K/N, such as 1/4, with K from 1 to N, not '{shown(text)}'")
    return int(match[1]), int(match[2])


class Stopped(BaseException):
    """By a signal."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


def stop(number, _frame):
    raise Stopped(number)


def main(arguments):
    sys.stdout.reconfigure(errors="backslashreplace")
    # Installed programs are beside this one.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), os.path.dirname(os.path.realpath(sys.argv[0]))])
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        if signal.getsignal(number) != signal.SIG_IGN:  # as with nohup
            signal.signal(number, stop)
    if not arguments.list and not arguments.inputs:
        raise UsageError("name the folders or files to look at")
    slurm.check(arguments)
    archive = None
    try:
        archive = Archive(arguments)
        return slurm.submit(arguments, archive) if arguments.slurm else archive.run()
    except Stopped as stopped:
        print("stopped: what is done stays, and the same command goes on from there", file=sys.stderr)
        return stopped.status
    except Stop as error:
        raise ArchiveError(archive.no_room(error)) from None
    except OSError as error:
        raise ArchiveError(archive.no_room(error) if archive and archive.is_own(error) else str(error)) from None


class Archive:
    """An output folder and what is to be done for it."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.output = os.path.abspath(arguments.output)
        self.settings = settings_of.from_arguments(arguments)
        self.check_output()
        self.lock = Lock(self.output, arguments.shard)
        self.found, self.todo, self.failed, self.kept = None, [], [], 0
        self.progress, self.known = None, {}
        self.size_done = self.frames_done = 0

    # --- the output folder ---

    def check_output(self):
        """Refuses a folder of something else."""
        if os.path.lexists(self.output) and not os.path.isdir(self.output):
            raise UsageError(f"--output {shown(self.output)} is not a folder: name one")
        names = set(os.listdir(self.output)) - {WORK} if os.path.isdir(self.output) else set()
        if names and settings_of.NAME not in names:
            raise UsageError(f"--output {shown(self.output)} is not empty, and not an archive's: name another folder")
        for given in self.arguments.inputs:
            if os.path.realpath(given) == os.path.realpath(self.output):
                raise UsageError(f"--output {shown(self.output)} is what is to be read: name another folder")

    def write_settings(self, version):
        """Writes archive.json, or sees that it says the same."""
        if not os.path.exists(self.place()):
            now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            value = {"format": 1, "version": version, "created": now, **settings_of.text_of(self.settings)}
            write_json(value, self.place(), os.path.join(self.lock.folder, "archive.part"))
        self.check_settings()

    def place(self):
        return os.path.join(self.output, settings_of.NAME)

    def check_settings(self):
        old = read_json(self.place())
        if old is None:
            raise ArchiveError(f"{shown(self.place())} can't be read: it is no JSON object; name another --output")
        different = settings_of.differences(old, self.settings)
        if different:
            raise UsageError(f"{shown(self.output)} was begun with other settings ({'; '.join(different)}): use the same, "
                             "or name another --output")  # fmt: skip

    def summary_of(self, path):
        """What of a summary says whether its recording is done, or None. All of it, with pictures, would be much to keep."""
        if path not in self.known:
            summary = read_json(os.path.join(self.output, "summaries", path + ".json"))
            self.known[path] = summary and {
                key: summary.get(key) for key in ("source", "size", "modified", "state", "error")
            }
        return self.known[path]

    def is_own(self, error):
        """Whether an OSError is about what is written here."""
        name = os.fsencode(error.filename or b"")
        return error.errno in FATAL or name.startswith(os.fsencode(self.output))

    def no_room(self, error):
        if isinstance(error, OSError):
            where = f" {shown(str(error.filename))}" if error.filename else ""
            error = f"{error.strerror}{where}"
        what = "make room" if os.strerror(errno.ENOSPC) in str(error) or "space" in str(error) else "mend that"
        kept = f"; the {self.done_now()} recordings that are done stay done" if self.done_now() else ""
        return (
            f"{shown(self.output)}: nothing more can be written: {error}: {what}, and run the same command again{kept}"
        )

    def done_now(self):
        return self.kept + (self.progress.done if self.progress else 0)

    # --- what there is to do ---

    def look(self):
        """Finds recordings, and those among them that are still to be done."""
        if os.path.exists(self.place()):
            self.check_settings()
        if self.arguments.list:
            self.found = Found([Recording(**json.loads(line)) for line in read_list(self.arguments.list)])
        else:
            self.found = find(self.arguments.inputs, self.output)
            give_places(self.found.recordings, self.summary_of)
        for recording in shard(self.found.recordings, *self.arguments.shard):
            summary = self.summary_of(recording.path)
            state = summary.get("state") if summary and is_same(recording, summary) else None
            if state == "done":
                self.kept += 1
            elif state == "failed" and not self.arguments.retry_failed:
                self.failed.append((recording.path, summary.get("error") or "unknown"))
            else:
                self.todo.append(recording)
        self.tell_found()
        self.todo.sort(key=cost)  # the largest first, from the end: they would keep one processor busy at the end

    def tell_found(self):
        kinds = f"{len(self.todo)} recordings to do, {self.kept} done before, {len(self.failed)} failed before"
        print(f"{kinds}; {self.found.skipped} other files skipped", flush=True)
        for folder, reason in self.found.unreadable[:MOST_LISTED]:
            print(f"can't look into {shown(folder)}: {reason}")

    # --- doing it ---

    def run(self):
        make_folder(self.output)
        # A requeued job may begin before all have heard that its node is gone.
        self.lock.take(JOB_PATIENCE if self.arguments.list else 0)
        try:
            self.look()
            if self.todo or not os.path.exists(self.place()):
                self.work(self.todo)
            return self.tell_end()
        finally:
            self.lock.close()

    def prepare(self):
        """Does all but the work, and returns what there is to do."""
        make_folder(self.output)
        self.lock.take()
        try:
            self.look()
            self.work([])
            return self.todo
        finally:
            self.lock.close()

    def work(self, todo):
        count = min(self.arguments.workers or processors(), max(1, len(todo)))
        memory = self.arguments.memory * MIB if self.arguments.memory else memory_of_worker(count)
        order = {"settings": self.settings, "output": self.output, "threads": max(1, processors() // count)}
        self.progress = Progress(len(todo), sum(map(cost, todo)))
        tasks = [task_of(recording) for recording in todo]
        try:
            with Pool(order, self.lock, count, memory, self.arguments.stall_timeout, self.ended, self.moved) as pool:
                self.write_settings(pool.check())
                pool.run(tasks)
        finally:
            self.progress.close()

    def moved(self, frames, size):
        self.progress.show(self.size_done + size, self.frames_done + frames)

    def ended(self, task, event):
        self.size_done += task["size"] + COST_OF_ANY
        frames = event["frames"] if event["state"] == "done" else self.frames_written(task)
        if frames:
            self.frames_done += frames
            self.progress.done += 1
            return
        reason = event["reason"]
        self.progress.failed += 1
        self.failed.append((task["place"], reason))
        self.progress.line(f"failed: {shown(task['place'])}: {shown(reason)}")
        self.write_failed(task, reason)

    def frames_written(self, task):
        """How many frames a recording has whose worker ended after its summary was written, before it could tell; else 0."""
        summary = read_json(Names(self.output, task["place"], self.settings).summary) or {}
        same = all(summary.get(key) == task[key] for key in ("size", "modified"))
        return summary.get("frames") if same and summary.get("state") == "done" else 0

    def write_failed(self, task, reason):
        names = Names(self.output, task["place"], self.settings)
        summary = {**head(task, "failed", reason), "width": 0, "height": 0, "duration": 0.0, "frames": 0, "seconds": 0.0,
                   "networks": [], "classes": {}, "bin": 1.0, "timeline": {}, "counts": None, "moments": [],
                   "warnings": []}  # fmt: skip
        try:
            write_json(summary, names.summary, os.path.join(self.lock.folder, "failed.part"))
            for stale in names.results, names.annotated:  # of the recording as it was before
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(stale)
        except OSError as error:
            if error.errno in FATAL:
                raise
            self.progress.line(f"{shown(task['place'])}: that can't be written down: {error.strerror}")

    def tell_end(self):
        done = self.progress.done if self.progress else 0
        if self.progress:
            seconds = max(1e-3, time.monotonic() - self.progress.begin)
            print(f"{done} recordings done in {span(seconds)}: {self.frames_done:,} frames, "
                  f"{self.frames_done / seconds:.1f} per second")  # fmt: skip
        if not self.failed and not self.found.unreadable:
            print(f"all {self.kept + done} recordings are done: {shown(self.output)}")
            return DONE
        if self.failed:
            print(f"{len(self.failed)} failed (--retry-failed does them again):")
        for path, reason in self.failed[:MOST_LISTED]:
            print(f"  {shown(path)}: {shown(reason)}")
        if len(self.failed) > MOST_LISTED:
            print(f"  and {len(self.failed) - MOST_LISTED} more: the report lists all")
        return FAILED


def task_of(recording):
    return {"source": recording.source, "place": recording.path, "kind": recording.kind, "size": recording.size,
            "modified": utc(recording.modified)}  # fmt: skip


def read_list(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readlines()
    except OSError as error:
        raise UsageError(f"--list {shown(path)}: {error.strerror}") from None
