# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads files that the user names, without blocking: raises OSError if that is not possible."""

import errno
import os
import stat


def regular(path, flags):
    """An opener for open() that accepts regular files only, to avoid blocking on a FIFO or reading /dev/zero endlessly.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # open() itself rejects folders
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "expected a file, found something that is not a regular file")


def read_bytes(path, most):
    """The content of a regular file of at most `most` bytes."""
    with open(path, "rb", opener=regular) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"expected at most {most} bytes, found {size}")
        return file.read()
