# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done with each recording: from options, and as archive.json keeps it."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess

from .errors import ArchiveError, UsageError
from .files import readable, shown

TASKS = ["classify", "detect", "segment"]
NAME = "archive.json"
COMPRESS = ["none", "gzip", "zstd"]
SAME = ["networks", "interval", "tracking", "lines", "zones", "annotated", "compress"]


def add_arguments(parser):
    group = parser.add_argument_group("what is looked for")
    group.add_argument(
        "--networks", metavar="LIST", default=",".join(TASKS), help="which to run (default: %(default)s)"
    )
    for task in TASKS:
        group.add_argument(f"--model-{task}", metavar="MODEL", help=f"file or name (default: dicenet-{task})")
    for task in TASKS[:2]:
        group.add_argument(f"--threshold-{task}", type=fraction, metavar="T", help="from 0 to 1 (default: the model's)")
    group.add_argument("--set", action="append", default=[], metavar="NETWORK.PROPERTY=VALUE", dest="properties",
                       help="any other property of a network's element: detect.precision=int8")  # fmt: skip
    group.add_argument("--interval", type=whole, default=1, metavar="N", help="infer every N-th frame only")
    group.add_argument("--track", action="store_true", help="number objects (dicenettrack)")
    group.add_argument("--lines", default="", metavar="LINES", help="count objects that cross them (dicenetcount): "
                       "door:0.1,0.5,0.9,0.5; implies --track")  # fmt: skip
    group.add_argument("--zones", default="", metavar="ZONES", help="count objects in them; implies --track")
    group = parser.add_argument_group("what is written")
    group.add_argument("--annotated", action="store_true", help="a video with what was found, without sound, too")
    group.add_argument("--compress", choices=COMPRESS, default="none", help="of results (default: %(default)s)")


def fraction(text):
    if not re.fullmatch(r"[01]|[01]?\.[0-9]{1,9}", text) or float(text) > 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, not '{shown(text)}'")
    return float(text)


def whole(text):
    if not re.fullmatch("[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, not '{shown(text)}'")
    return int(text)


def seconds(text):
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,3})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, not '{shown(text)}'")
    return float(text)


def from_arguments(arguments):
    """The settings; UsageError where they can't be meant."""
    chosen = [name.strip() for name in arguments.networks.split(",")]
    unknown = [name for name in chosen if name not in TASKS]
    if unknown or len(set(chosen)) != len(chosen):
        raise UsageError(f"--networks takes some of {','.join(TASKS)}, each once, not '{arguments.networks}'")
    properties = read_properties(arguments.properties, chosen)
    if (arguments.lines or arguments.zones or arguments.track) and "detect" not in chosen:
        raise UsageError("--track, --lines and --zones need a detector: add detect to --networks")
    if arguments.compress == "zstd":
        check_zstd()
    return {
        "networks": [network(task, arguments, properties[task]) for task in TASKS if task in chosen],
        "interval": arguments.interval,
        "tracking": bool(arguments.track or arguments.lines or arguments.zones),
        "lines": arguments.lines,
        "zones": arguments.zones,
        "annotated": arguments.annotated,
        "compress": arguments.compress,
    }


def read_properties(words, chosen):
    properties = {task: {} for task in TASKS}
    for word in words:
        match = re.fullmatch(r"([a-z]+)\.([a-z][a-z0-9-]*)=(.+)", word)
        if not match or match[1] not in chosen:
            raise UsageError(f"--set takes NETWORK.PROPERTY=VALUE with one of {', '.join(chosen)}, not '{shown(word)}'")
        if match[2] in ("model", "threads", "inference-mode", "inference-interval", "overlay", "post-messages"):
            raise UsageError(f"--set can't change {match[2]}: --help tells of other options")
        properties[match[1]][match[2]] = match[3]
    return properties


def check_zstd():
    try:
        import zstandard  # noqa: F401
    except ImportError:
        raise UsageError("--compress zstd needs python3-zstandard: install it, or use gzip") from None


def network(task, arguments, properties):
    model = getattr(arguments, f"model_{task}") or f"dicenet-{task}"
    path = find_model(model, task)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return {
        "element": f"dicenet{task}",
        "name": os.path.basename(path).removesuffix(".safetensors"),
        "model": os.path.abspath(path),
        "sha256": digest,
        "threshold": getattr(arguments, f"threshold_{task}", None),
        "properties": properties,
    }


def find_model(model, task):
    """The file of a model for a task. UsageError where there is none."""
    program = shutil.which("dicenet")
    if program is None:
        raise ArchiveError(
            "the program dicenet is not in PATH: install the project, or run this in meson devenv -C build"
        )
    said = subprocess.run([program, "info", "--json", model], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace")  # fmt: skip
    if said.returncode:
        raise UsageError(f"--model-{task}: " + said.stderr.strip().removeprefix("dicenet info: "))
    about = json.loads(said.stdout)
    if about["task"] != task:
        raise UsageError(f"--model-{task}: {about['model']} is a model for --model-{about['task']}")
    return about["model"]


def differences(old, new):
    """What of the settings differs, in words."""
    words = []
    networks = [{n.get("element", "?").removeprefix("dicenet"): n for n in s.get("networks", ())} for s in (old, new)]
    if list(networks[0]) != list(networks[1]):
        words.append(f"--networks: {','.join(networks[0])} there, {','.join(networks[1])} now")
    for task in networks[0].keys() & networks[1].keys():
        one, other = networks[0][task], networks[1][task]
        words += [f"{what} of {task}: {one.get(what)} there, {other.get(what)} now"
                  for what in ("name", "threshold", "properties") if one.get(what) != other.get(what)]  # fmt: skip
        if one.get("name") == other.get("name") and one.get("sha256") != other.get("sha256"):
            words.append(f"the model {one.get('name')} of {task} is another file by now")
    words += [
        f"{what}: {old.get(what)} there, {new.get(what)} now" for what in SAME[1:] if old.get(what) != new.get(what)
    ]
    return [shown(word) for word in words]


def text_of(settings):
    return {key: readable(value) if isinstance(value, str) else value for key, value in settings.items()}
