# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same work as a Slurm job array. Each job does a part of the list that was made at submission; one that is requeued
goes on where it was stopped."""

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys

from . import settings as settings_of
from .errors import DONE, ArchiveError, UsageError
from .files import make_folder, shown, write_text

FOLDER = "slurm"
DEFAULT_JOBS = 8


def add_arguments(parser):
    group = parser.add_argument_group("on a cluster")
    group.add_argument("--slurm", action="store_true", help="submit the work as a job array, and end")
    group.add_argument("--array-size", type=settings_of.whole, metavar="N", help=f"jobs (default: {DEFAULT_JOBS})")
    group.add_argument("--partition", metavar="NAME", help="where they run")
    group.add_argument("--sbatch", action="append", default=[], metavar="OPTION",
                       help="another option of sbatch: --sbatch=--time=8:00:00; --workers N asks for N processors")  # fmt: skip


def check(arguments):
    """UsageError for options that don't go together."""
    if not arguments.slurm and (arguments.array_size or arguments.partition or arguments.sbatch):
        raise UsageError("--array-size, --partition and --sbatch are for --slurm")
    if arguments.slurm and arguments.shard != (1, 1):
        raise UsageError("--slurm makes the shards itself: leave --shard out")
    if arguments.slurm and shutil.which("sbatch") is None:
        raise UsageError("--slurm needs the program sbatch, which is not in PATH: run this where jobs are submitted")
    for option in arguments.sbatch:
        if not option.startswith("-"):
            raise UsageError(
                f"--sbatch takes an option of sbatch, such as --sbatch=--time=8:00:00, not '{shown(option)}'"
            )


def submit(arguments, archive):
    """Submits what is to be done, and returns the exit status."""
    recordings = archive.prepare()
    if not recordings:
        return archive.tell_end()
    jobs = min(arguments.array_size or DEFAULT_JOBS, len(recordings))
    folder = os.path.join(archive.output, FOLDER)
    make_folder(folder)
    name = f"{os.getpid()}-{len(os.listdir(folder))}"
    listing, script = (os.path.join(folder, name + ending) for ending in (".jsonl", ".sh"))
    lines = "".join(json.dumps(dataclasses.asdict(recording)) + "\n" for recording in recordings)
    write_text(lines, listing, listing + ".part")
    write_text(script_of(arguments, archive, listing, jobs), script, script + ".part", errors="surrogateescape")
    number = run_sbatch(arguments, folder, script, jobs)
    print(f"job {number}: {len(recordings)} recordings in {jobs} parts; squeue --job {number} shows them, and "
          f"{shown(folder)}/{number}_*.log what they say. When they have ended, the same command does what is left")  # fmt: skip
    return DONE


def script_of(arguments, archive, listing, jobs):
    command = [sys.executable, os.path.realpath(sys.argv[0]), "run", *words_of(arguments, archive), f"--list={listing}"]
    return f'#!/bin/sh\n# A part of a job array of dicenet-archive.\nexec {shlex.join(command)} --shard="$SLURM_ARRAY_TASK_ID/{jobs}"\n'


def words_of(arguments, archive):
    """The options that make the same settings on another machine."""
    networks = {network["element"].removeprefix("dicenet"): network for network in archive.settings["networks"]}
    words = [f"--output={archive.output}", f"--networks={','.join(networks)}", f"--interval={arguments.interval}",
             f"--lines={arguments.lines}", f"--zones={arguments.zones}", f"--compress={arguments.compress}",
             f"--stall-timeout={arguments.stall_timeout}"]  # fmt: skip
    for task, network in networks.items():
        words.append(f"--model-{task}={network['model']}")
        if network["threshold"] is not None:
            words.append(f"--threshold-{task}={network['threshold']:.9f}")
    words += [f"--set={word}" for word in arguments.properties]
    words += [f"--{name}" for name in ("track", "annotated") if getattr(arguments, name)]
    words += ["--retry-failed"] * arguments.retry_failed
    words += [f"--{name}={getattr(arguments, name)}" for name in ("workers", "memory") if getattr(arguments, name)]
    return words


def run_sbatch(arguments, folder, script, jobs):
    command = ["sbatch", "--parsable", "--job-name=dicenet-archive", f"--array=1-{jobs}", "--requeue", "--open-mode=append",
               f"--output={folder.replace('%', '%%')}/%A_%a.log", f"--chdir={folder}"]  # fmt: skip
    if arguments.partition:
        command.append(f"--partition={arguments.partition}")
    if arguments.workers:
        command.append(f"--cpus-per-task={arguments.workers}")
    said = subprocess.run([*command, *arguments.sbatch, script], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace")  # fmt: skip
    if said.returncode:
        raise ArchiveError(f"nothing was submitted: {shown(said.stderr.strip())}")
    return said.stdout.strip().split(";")[0]
