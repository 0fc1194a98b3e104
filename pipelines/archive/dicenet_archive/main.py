# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: dicenet-archive [run|report] ..."""

import argparse
import importlib
import sys

from .errors import ArchiveError

# Each is a module with add_arguments(parser) and main(arguments), which returns the exit status.
COMMANDS = {
    "run": "run networks on recordings (what is done without a command)",
    "report": "make a report of what they found",
}


def main(words):
    """Runs a command and returns its exit status."""
    name, words = (words[0], words[1:]) if words[:1] and words[0] in COMMANDS else ("run", words)
    command = importlib.import_module(f".{name}", __package__)
    parser = argparse.ArgumentParser(f"dicenet-archive {name}".removesuffix(" run"), allow_abbrev=False,
                                     description=command.__doc__, epilog=epilog(name),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    command.add_arguments(parser)
    try:
        return command.main(parser.parse_args(words))
    except ArchiveError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


def epilog(name):
    others = "\n".join(f"  dicenet-archive {other}: {text}" for other, text in COMMANDS.items() if other != name)
    return f"There is also\n{others}\n\nA folder that is called like a command is written ./run."
