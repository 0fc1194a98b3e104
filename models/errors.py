# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one exception that the scripts of this folder show to their user."""


class ModelError(Exception):
    """A file, a tensor or an option is not what it has to be; the message says what to do about it."""
