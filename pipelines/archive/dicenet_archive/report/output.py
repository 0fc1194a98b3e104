# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that appear whole or not at all, and overwrite nothing that is not theirs."""

import contextlib
import os
import secrets

from .. import settings, slurm
from ..errors import ArchiveError, UsageError
from ..files import WORK


def check_place(path, folder, force, is_ours=lambda path: False):
    """Raises UsageError if writing to `path` would destroy something, a part of the archive in `folder` above all."""
    real, archive = os.path.realpath(path), os.path.realpath(folder)
    places = "results", "summaries", "annotated", slurm.FOLDER, WORK, settings.NAME
    kept = [os.path.join(archive, name) for name in places]
    if any(real == name or real.startswith(name + os.sep) for name in kept):
        raise UsageError(f"{path}: this is a place of the archive itself: write the report to another one")
    if os.path.isdir(path):
        raise UsageError(f"{path}: expected a file's name, but this is a folder")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise UsageError(f"{path}: its folder does not exist: make it first")
    if os.path.lexists(path) and not force and not is_ours(path):
        raise UsageError(f"{path}: exists, and is no page of this command: --force overwrites it")


@contextlib.contextmanager
def replacing(path):
    """A binary file to write to, which takes the place of `path` at the end, and is gone if anything fails."""
    part = None
    try:
        # Its name is known before it is there, so that it goes whenever a signal comes.
        part = os.path.join(os.path.dirname(path), f".dicenet-{secrets.token_hex(8)}.part")
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        part = None
    except OSError as error:
        raise ArchiveError(f"{path}: cannot write it: {error.strerror or error}") from None
    finally:
        if part is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
