# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exception that the scripts in this folder show to the user."""


class ModelError(Exception):
    """A file, a tensor or an option is invalid; the message says what to do about it."""
