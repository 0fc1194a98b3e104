# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs networks on folders of recordings: a results file and a summary of each. The same command goes on where it was
stopped."""


def add_arguments(parser):
    parser.add_argument("inputs", nargs="+", metavar="FOLDER|FILE")
    parser.add_argument("--output", "-o", metavar="DIR", required=True)
