# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads files whose names somebody gave: at once, or an OSError says why not."""

import errno
import os
import stat


def regular(path, flags):
    """An opener for open(): of regular files, so that nobody waits for a FIFO's writer or reads /dev/zero for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # open() itself refuses folders
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "expected a file, found something that is not a regular file")


def read_bytes(path, most):
    """The content of a regular file of `most` bytes at most."""
    with open(path, "rb", opener=regular) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"expected at most {most} bytes, found {size}")
        return file.read()
