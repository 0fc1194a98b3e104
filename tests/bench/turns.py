# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a pipeline to its end, as fast as it can, in a process of its own, and measures that.

    turns.py PIPELINE

The pipeline has an element called sink. Prints JSON: frames per second and processor time per frame from the first
result to the last, the process's memory, and the time from its start to the first result.
"""

import json
import os
import resource
import subprocess
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

STARTED = time.monotonic()
PATIENCE = 600  # seconds


def quoted(text):
    """As a value in a description of a pipeline."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def measure(description):
    """What a turn prints."""
    command = [sys.executable, os.path.abspath(__file__), description]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit((done.stderr.strip().splitlines() or ["error: the pipeline's process ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


class Count:
    """Frames at a pad, with the clock and the processor time at the first and the last one."""

    def __init__(self, pad):
        self.frames, self.first, self.last = 0, None, None
        pad.add_probe(Gst.PadProbeType.BUFFER, self.arrive)

    def arrive(self, _pad, _info):
        self.frames += 1
        self.last = time.monotonic(), time.process_time()
        self.first = self.first or self.last
        return Gst.PadProbeReturn.OK


def main(description):
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(description)
    except GLib.Error as error:
        return f"error: {error.message}"
    count = Count(pipeline.get_by_name("sink").get_static_pad("sink"))
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(PATIENCE * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failed = message is not None and message.type == Gst.MessageType.ERROR
    why = message.parse_error()[0].message if failed else f"no end within {PATIENCE} seconds" if not message else ""
    pipeline.set_state(Gst.State.NULL)
    if why or count.frames < 2:
        return f"error: {why or 'expected a clip of at least two frames'}"
    (wall, cpu), frames = (last - first for first, last in zip(count.first, count.last)), count.frames - 1
    found = {"frames/s": frames / wall, "CPU ms": 1e3 * cpu / frames, "MB": memory / 1024}
    print(json.dumps(found | {"first ms": 1e3 * (count.first[0] - STARTED)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
