# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that does one recording after the other, and tells its parent by lines of JSON: a decoder that crashes takes
one recording with it."""

import contextlib
import ctypes
import errno
import gzip
import json
import os
import signal
import time

from .errors import ArchiveError, UsageError
from .files import FATAL, put_in_place, readable, write_json

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
NAME = b"archive-worker"  # as ps -o comm and top show it
TELL_SECONDS = 0.5
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class Template:
    """What workers need, in the process that they are forked from, so that it is in memory once: GStreamer and, for
    networks on the processor, models with their weights. ArchiveError where that can't be had."""

    def __init__(self, settings):
        try:
            from .pipeline import Gst, make_networks
        except ImportError as error:
            raise ArchiveError(f"{error}: install python3-gi and gir1.2-gstreamer-1.0, and run this with Debian's own "
                               "Python (/usr/bin/python3)") from None  # fmt: skip
        with quiet():
            Gst.init(None)
            # A fork has only one thread, and no context of a GPU. These elements have neither, and are never used.
            self.elements = [element for element in make_networks(settings, 1) if stays_on_processor(element)]
            for element in self.elements:
                start(element)

    def close(self):
        stop(self.elements)


def stays_on_processor(element):
    if not element.find_property("backend"):
        return False
    if element.get_property("backend").value_nick == "auto":
        element.set_property("backend", "cpu")
    return element.get_property("backend").value_nick == "cpu"


@contextlib.contextmanager
def quiet():
    """Libraries print to nowhere, except where somebody looks for a fault."""
    if os.environ.get("GST_DEBUG"):
        yield
        return
    kept = os.dup(2)
    to_nowhere(2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def to_nowhere(*descriptors):
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def run(parent, orders, events):
    """In a forked process: reads an order from the pipe `orders`, then tasks until that ends, and tells what becomes of
    them by the pipe `events`. Returns the exit status."""
    protect(parent)
    to_nowhere(*((0, 1) if os.environ.get("GST_DEBUG") else (0, 1, 2)))
    talk = os.fdopen(events, "w", encoding="utf-8")

    def tell(**event):
        talk.write(json.dumps(event) + "\n")
        talk.flush()

    try:
        with os.fdopen(orders, "rb") as lines:
            work(lines, tell)
    except BrokenPipeError:
        return 1
    except ArchiveError as error:
        tell(event="refused", reason=str(error), status=error.status)
        return 1
    return 0


def protect(parent):
    """Ends with the parent, however that ends; signals are the parent's to handle."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NAME, NAME)
    if os.getppid() != parent:  # it ended before that was set
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def work(lines, tell):
    worker = Worker(json.loads(lines.readline()), tell)
    tell(event="ready", version=worker.version)
    for line in lines:
        worker.do(json.loads(line))
    worker.close()


class Worker:
    def __init__(self, order, tell):
        from .pipeline import Gst, make, make_encoder, make_networks
        from .thumbnails import Thumbnails

        self.settings, self.threads, self.output, self.part = (
            order[key] for key in ("settings", "threads", "output", "part")
        )
        self.tell = tell
        make("dicenetjson")
        self.version = Gst.Registry.get().find_plugin("dicenet").get_version()
        # Never used: they keep the models in memory from one recording to the next.
        self.warm = make_networks(self.settings, self.threads)
        for element in self.warm:
            start(element)
        if self.settings["annotated"]:
            make_encoder()
        self.thumbnails = Thumbnails()

    def close(self):
        stop(self.warm)
        self.thumbnails.close()

    def do(self, task):
        """Does a recording. Its summary is written last: what has one is whole."""
        from .pipeline import Failure, OutOfRoom

        began = time.monotonic()
        try:
            summary = self._run(task)
            self.tell(event="done", frames=summary["frames"], seconds=time.monotonic() - began)
        except Failure as failure:
            self._failed(str(failure))
        except FileExistsError as error:
            self._failed(f"its results can't be written: {readable(error.filename or '')} is in the way")
        except (OutOfRoom, OSError) as error:
            self._file_error(error)
        except Exception as error:  # of one recording, whatever it is: the others go on
            self._failed(f"{type(error).__name__}: {error}")

    def _failed(self, reason):
        self.tell(event="failed", reason=reason)

    def _file_error(self, error):
        number = getattr(error, "errno", errno.ENOSPC)
        root = os.path.join(os.fsencode(self.output), b"")
        names = [
            os.fsencode(name) for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name
        ]
        ours = not isinstance(error, OSError) or not names or any(name.startswith(root) for name in names)
        text = getattr(error, "strerror", None) or str(error)
        if ours and number in FATAL:
            self.tell(event="stop", reason=text)
        elif ours:
            self._failed(f"its results can't be written: {text}")
        else:
            self._failed(f"it can't be read: {text}")

    def _run(self, task):
        from .recording import Run

        began = time.monotonic()
        names = Names(self.output, task["place"], self.settings)
        annotated = self.part + ".mkv" if self.settings["annotated"] else None
        with open_lines(self.part, self.settings["compress"]) as out:
            run = Run(task, self.settings, self.threads, self.thumbnails, out, annotated, Teller(self.tell))
            found = run.run()
        if task["kind"] == "video" and os.stat(task["source"]).st_size != task["size"]:
            found["warnings"].append("it changed while it was read: the next run does it again")
        put_in_place(self.part, names.results)
        if annotated:
            put_in_place(annotated, names.annotated)
        summary = {
            **head(task, "done", None),
            "seconds": round(time.monotonic() - began, 3),
            "networks": [network["name"] for network in self.settings["networks"]],
            **found,
        }
        write_json(summary, names.summary, self.part)
        return summary


def head(task, state, error):
    """The beginning of a summary."""
    return {
        "format": 1,
        "source": readable(task["source"]),
        "path": readable(task["place"]),
        "size": task["size"],
        "modified": task["modified"],
        "started": None,
        "state": state,
        "error": error,
        "kind": task["kind"],
    }


class Names:
    """Where a recording's results go."""

    def __init__(self, output, place, settings):
        self.results = os.path.join(output, "results", place + ".jsonl" + ENDINGS[settings["compress"]])
        self.summary = os.path.join(output, "summaries", place + ".json")
        self.annotated = os.path.join(output, "annotated", place + ".mkv")


class Teller:
    """Tells the parent how far a recording is, not too often."""

    def __init__(self, tell):
        self.tell, self.last = tell, 0.0

    def __call__(self, frames, fraction):
        now = time.monotonic()
        if now - self.last >= TELL_SECONDS:
            self.last = now
            self.tell(event="progress", frames=frames, fraction=fraction)


class open_lines:
    """A file for lines, compressed or not; the same lines make the same bytes."""

    def __init__(self, part, compress):
        self.raw = open(part, "wb")
        if compress == "gzip":
            self.file = gzip.GzipFile(filename="", mode="wb", fileobj=self.raw, mtime=0)
        elif compress == "zstd":
            import zstandard

            self.file = zstandard.ZstdCompressor().stream_writer(self.raw, closefd=False)
        else:
            self.file = self.raw

    def __enter__(self):
        return self.file

    def __exit__(self, kind, *_rest):
        try:
            if kind is None or self.file is self.raw:
                self.file.close()
        finally:
            self.raw.close()


def start(element):
    """Takes an element to where it has loaded its model. UsageError where it can't."""
    from .pipeline import Gst

    bus = Gst.Bus.new()
    element.set_bus(bus)
    if element.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.FAILURE:
        message = bus.pop_filtered(Gst.MessageType.ERROR)
        raise UsageError(message.parse_error().gerror.message if message else f"{element.get_name()} does not start")
    element.set_bus(None)


def stop(elements):
    from .pipeline import Gst

    for element in elements:
        element.set_state(Gst.State.NULL)
