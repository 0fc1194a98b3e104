# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times elements of a pipeline."""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402


class Stopwatch:
    """Times one buffer at a time between two pads of an element, by `clock`, which returns nanoseconds."""

    def __init__(self, element, clock):
        self.clock, self.begin, self.milliseconds = clock, 0, []
        element.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self.arrive)
        element.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.leave)

    def arrive(self, _pad, _info):
        self.begin = self.clock()
        return Gst.PadProbeReturn.OK

    def leave(self, _pad, _info):
        self.milliseconds.append((self.clock() - self.begin) / 1e6)
        return Gst.PadProbeReturn.OK
