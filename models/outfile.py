# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output files: they appear only when they are complete, and never overwrite a file unintentionally."""

import contextlib
import os
import secrets
import signal
import sys

from errors import ModelError


def check(path, inputs=(), force=False):
    """Raises ModelError if `path` is one of `inputs`, under any name, or exists and `force` is not set."""
    if _is_device(path):
        return
    for source in inputs:
        if source and os.path.exists(source) and os.path.exists(path) and os.path.samefile(source, path):
            raise ModelError(f"{path}: is read ({source}), and cannot be written to: name another output")
    if _is_descriptor(path):
        return
    if os.path.isdir(path):
        raise ModelError(f"{path}: is a folder; name a file")
    if os.path.exists(path) and not force:
        raise ModelError(f"{path}: is already there; name another output, or overwrite it with --force")


@contextlib.contextmanager
def open_whole(path, mode="wb", **options):
    """Opens a file for writing that appears under `path` only when it is complete; ModelError if it can't be written.
    If `path` is a link, its target is replaced; pipes and devices are written to directly."""
    temporary = None
    try:
        if _is_device(path) or _is_descriptor(path):
            with open(path, mode.replace("w", "a"), **options) as file:
                yield file
            return
        place = os.path.realpath(path)
        folder = os.path.dirname(place)
        # Its name is known before it is there, so that it goes whenever a signal comes.
        temporary = os.path.join(folder, f".dicenet-{secrets.token_hex(8)}")
        with open(temporary, mode.replace("w", "x"), **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
        temporary = None
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be written: {error.strerror or error}; choose another place or make room"
        ) from None
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _is_descriptor(path):
    """Whether it refers to an open file descriptor, which is written to directly."""
    return path.startswith(("/dev/std", "/dev/fd/", "/proc/self/fd/"))


def _is_device(path):
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def run(main):
    """Ends the program with the status that main() returns. Signals end it like errors, so that partial files are
    removed."""

    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # ignored, as with nohup
            signal.signal(number, stop)
    sys.exit(main())
