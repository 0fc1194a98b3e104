# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors that are shown to the user as they are."""

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses


class ArchiveError(Exception):
    """What was expected, what came and what to do; nothing can go on."""

    status = FAILED


class UsageError(ArchiveError):
    """The command or its options are wrong."""

    status = USAGE
