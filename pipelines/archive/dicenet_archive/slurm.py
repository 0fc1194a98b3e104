# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same work as a Slurm job array."""


def add_arguments(parser):
    pass


def submit(arguments, archive):
    pass
