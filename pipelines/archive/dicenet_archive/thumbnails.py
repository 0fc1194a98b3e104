# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames as small JPEGs."""

import base64

from .pipeline import Gst, chain, make

LONGEST = 256  # pixels of the longer side
PATIENCE = 5 * Gst.SECOND


class Thumbnails:
    """One pipeline makes all thumbnails of a process."""

    def __init__(self):
        self.pipeline = Gst.Pipeline.new()
        self.source = make("appsrc", format=Gst.Format.TIME)
        self.size = make("capsfilter")
        self.sink = make("appsink", sync=False, max_buffers=2)
        chain(self.pipeline, self.source, make("videoconvert"), make("videoscale", add_borders=False), self.size,
              make("jpegenc", quality=75), self.sink)  # fmt: skip
        self.pipeline.set_state(Gst.State.PLAYING)

    def make(self, buffer, caps):
        """A data URL, or None."""
        structure = caps.get_structure(0)
        width, height = structure.get_value("width"), structure.get_value("height")
        known, par_n, par_d = structure.get_fraction("pixel-aspect-ratio")
        self.size.set_property(
            "caps", Gst.Caps.from_string(fitting(width, height, par_n if known else 1, par_d if known else 1))
        )
        if self.source.emit("push-sample", Gst.Sample.new(buffer, caps, None, None)) != Gst.FlowReturn.OK:
            return None
        sample = self.sink.emit("try-pull-sample", PATIENCE)
        if sample is None:
            return None
        data = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        return "data:image/jpeg;base64," + base64.b64encode(data).decode()

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def fitting(width, height, par_n, par_d):
    """Caps of the size at which the picture is shown, at most 256 pixels long."""
    shown = width * (par_n / par_d if 1 / 8 <= par_n / par_d <= 8 else 1)
    scale = min(1, LONGEST / max(shown, height))
    return f"video/x-raw,width={max(1, round(shown * scale))},height={max(1, round(height * scale))},pixel-aspect-ratio=1/1"
