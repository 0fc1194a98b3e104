# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a page of what dicenet-archive found: what was seen when, in which recordings, with pictures. It is one file,
opens in any browser and needs no network. While a run goes on, it has what is done so far."""

import argparse
import datetime
import os
import signal
import sys
import zoneinfo

from ..errors import DONE, UsageError
from . import archive, output, page, rows


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="the --output folder of a run")
    parser.add_argument("--output", "-o", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--no-page", action="store_true", help="write only --csv and --parquet")
    parser.add_argument("--csv", metavar="FILE", help="write a table as CSV, too")
    parser.add_argument("--parquet", metavar="FILE", help="write a table as Parquet, too (needs pyarrow)")
    parser.add_argument("--rows", choices=list(rows.ROWS), default="classes",
                        help="a row of these tables is a recording and class (the default), or a bin of its timeline")  # fmt: skip
    parser.add_argument("--timezone", type=time_zone, metavar="NAME", dest="zone",
                        help="for hours and days, such as Europe/Berlin or UTC (default: this computer's)")  # fmt: skip
    parser.add_argument("--pictures", type=megabytes, default=24, metavar="MB",
                        help="how much of the page pictures may take (default: 24)")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="overwrite other files than a former page")


def time_zone(name):
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"expected a time zone such as Europe/Berlin or UTC, not '{name}'") from None


def megabytes(text):
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"expected a whole number of megabytes from 0 to 1000, not '{text}'")
    return number


def main(arguments):
    """Writes what is asked for; returns the exit status. Raises ArchiveError."""
    sys.stdout.reconfigure(errors="backslashreplace")  # for names that are no UTF-8, as standard error has it
    for number in signal.SIGTERM, signal.SIGHUP:  # nothing half-written stays, as with Ctrl-C
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    places = choose_places(arguments)
    if arguments.parquet:
        rows.check_pyarrow()
    if not arguments.no_page:
        page.check_jinja()
    pictures = 0 if arguments.no_page else arguments.pictures * 1_000_000
    found = archive.read_archive(arguments.folder, arguments.zone, pictures)
    for text in found.warnings.texts:
        print(f"warning: {text}", file=sys.stderr)
    if found.warnings.more:
        print(f"warning: and {found.warnings.more} more", file=sys.stderr)
    for place, write in places:
        with output.replacing(place) as file:
            write(file, found)
        print(place)
    return DONE


def choose_places(arguments):
    """Each file with what writes it."""
    places = []
    if not arguments.no_page:
        path = os.path.join(arguments.folder, "report.html") if arguments.output is None else arguments.output
        places.append((path, lambda file, found: write_page(file, found, arguments.zone)))
    elif arguments.output is not None:
        raise UsageError("--output is the page, which --no-page leaves out: give one of them")
    if arguments.csv is not None:
        places.append((arguments.csv, lambda file, found: rows.write_csv(file, found.recordings, arguments.rows)))
    if arguments.parquet is not None:
        places.append(
            (arguments.parquet, lambda file, found: rows.write_parquet(file, found.recordings, arguments.rows))
        )
    if not places:
        raise UsageError("--no-page leaves nothing to write: give --csv or --parquet, too")
    if len({os.path.realpath(path) for path, _ in places}) < len(places):
        raise UsageError("two of the files to write are the same one: give different names")
    if os.path.isdir(arguments.folder):
        for i, (path, _) in enumerate(places):
            is_ours = is_page if i == 0 and not arguments.no_page else lambda path: False
            output.check_place(path, arguments.folder, arguments.force, is_ours)
    return places


def is_page(path):
    try:
        with open(path, "rb") as file:
            return page.MARK.encode() in file.read(300)
    except OSError:
        return False


def write_page(file, found, zone):
    written = datetime.datetime.now(datetime.timezone.utc).astimezone(zone)
    for part in page.render(page.Page(found, zone, written)):
        file.write(part.encode())
