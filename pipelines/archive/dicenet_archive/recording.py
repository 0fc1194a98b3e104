# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the networks on one recording."""

import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import time

from . import pipeline as gst
from .files import readable
from .find import pictures_in
from .pipeline import Failure, Gst
from .summary import Summary

TICK = Gst.SECOND // 5
LOOK_SECONDS = 40  # dicenet-probe ends after 30
LONGEST_LINE = 16 << 20
FRAMERATE = re.compile(r"framerate=\(fraction\)\d+/\d+")
PLAIN = {
    "This file contains no playable streams.": "it has no streams that can be played: it may have been cut off before its "
    "index was written, or be damaged",
    "Could not determine type of stream.": "it is of no kind that GStreamer knows: it may be no video, or be damaged",
}
EMPTY = "it is empty: 0 bytes"
PLAYLIST = "it is a list of other files or addresses, which is not followed"
NO_PICTURE = "there is no picture in it that can be decoded here"
NO_FRAMES = "not one frame came from it: it may be damaged"


class Results:
    """The networks of a pipeline, and the lines and frames that come out of them."""

    def __init__(self, pipeline, settings, threads, annotated, source):
        self.frames = collections.deque()
        self.json = gst.make("dicenetjson", source=source)
        # The next frame is inferred while this one's line is read; no more frames wait.
        self.sink = gst.make("appsink", sync=False, max_buffers=1)
        self.json.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._keep)
        networks = gst.make_networks(settings, threads)
        self.first = networks[0]
        if annotated:
            tee, lines, drawn = gst.make("tee"), gst.make("queue"), gst.make("queue")
            gst.chain(pipeline, *networks, tee, lines, self.json, self.sink)
            gst.chain(pipeline, drawn, gst.make("dicenetoverlay"), *gst.make_encoder(),
                      gst.make("filesink", location=annotated))  # fmt: skip
            tee.link(drawn)
        else:
            gst.chain(pipeline, *networks, self.json, self.sink)

    def _keep(self, pad, info):
        self.frames.append((info.get_buffer(), pad.get_current_caps()))
        return Gst.PadProbeReturn.OK

    def pull(self):
        """A line and its frame, or None after a while without."""
        sample = self.sink.emit("try-pull-sample", TICK)
        if sample is None:
            return None
        buffer = sample.get_buffer()
        if buffer.get_size() > LONGEST_LINE:
            raise Failure(f"its results have a line of {buffer.get_size()} bytes, more than {LONGEST_LINE}")
        return buffer.extract_dup(0, buffer.get_size()), buffer.duration, self.frames.popleft()

    def ended(self):
        return self.sink.get_property("eos")


class Run:
    """One recording: `out` takes its lines, `progress(frames, fraction)` hears of each frame."""

    def __init__(self, task, settings, threads, thumbnails, out, annotated, progress):
        self.task, self.settings, self.threads = task, settings, threads
        self.thumbnails, self.out, self.progress = thumbnails, out, progress
        self.annotated, self.eos = annotated, False
        self.summary = Summary(settings["tracking"])
        self.started, self.claimed = None, 0.0
        self.pipeline = Gst.Pipeline.new()

    def run(self):
        """Returns the recording's summary, as far as it is known here. Failure, OutOfRoom, OSError."""
        try:
            (self._pictures if self.task["kind"] == "pictures" else self._video)()
            if self.summary.frames == 0:
                raise Failure(NO_FRAMES)
        finally:
            self.pipeline.set_state(Gst.State.NULL)
        if self.task["kind"] == "video":
            self._tell_early_end()
        return {"started": self.started, **self.summary.as_json()}

    def _results(self, source=None):
        return Results(self.pipeline, self.settings, self.threads, self.annotated, source)

    def _take(self, line, duration, frame):
        self.out.write(line)
        seconds = duration / 1e9 if 0 < duration < 3600 * Gst.SECOND else 0.0
        made = []

        def thumbnail():
            if not made:
                made.append(self.thumbnails.make(*frame))
            return made[0]

        self.summary.add(json.loads(line), seconds, thumbnail)
        end = self.summary.end
        self.progress(self.summary.frames, min(1.0, end / self.claimed) if self.claimed else 0.0)

    def _check(self):
        self.eos |= gst.drain(self.pipeline.get_bus(), self.summary.warn, self._read_tags)

    def _read_tags(self, tags):
        self.started = self.started or gst.started_at(tags)

    def _end(self):
        """Waits for the annotated file: its last frames may still be on their way."""
        self._check()
        while self.annotated and not self.eos:
            time.sleep(0.02)
            self._check()

    # --- videos ---

    def _video(self):
        descriptor = os.open(self.task["source"], os.O_RDONLY | os.O_CLOEXEC)
        try:
            check_size(descriptor)
            self._play(gst.make("filesrc", location=location_of(self.task["source"], descriptor)))
        except Failure as failure:
            raise Failure(self._explain(str(failure), descriptor)) from None
        finally:
            self.pipeline.set_state(Gst.State.NULL)
            os.close(descriptor)

    def _play(self, source):
        decoder, chain = gst.make_decoder(self.threads), gst.upright()
        gst.chain(self.pipeline, source, decoder)
        results = self._results(readable(self.task["source"]))
        gst.chain(self.pipeline, *chain)
        if not chain[-1].link(results.first):
            raise Failure("its frames can't be given to the networks")
        videos = Videos(decoder, chain[0].get_static_pad("sink"))
        self.pipeline.set_state(Gst.State.PLAYING)
        while True:
            pulled = results.pull()
            if pulled:
                if self.summary.frames % 100 == 0:
                    self.claimed = max(self.claimed, length_of(self.pipeline))
                self._take(*pulled)
                continue
            if videos.playlist:
                raise Failure(PLAYLIST)
            if videos.none:  # before the error that follows from it
                raise Failure("there is no video in it that can be decoded here")
            self._check()
            if results.ended():
                break
        if videos.count > 1:
            self.summary.warn(f"it has {videos.count} videos: the first is taken")
        self._end()

    def _explain(self, reason, descriptor):
        """The words of dicenet-probe, which knows more of what is missing."""
        if self.summary.frames:
            return f"{reason} (after {self.summary.frames} frames)"
        program = shutil.which("dicenet-probe")
        if program is None or reason in (EMPTY, PLAYLIST):
            return PLAIN.get(reason, reason)
        name = f"/proc/self/fd/{descriptor}"
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run([program, name], pass_fds=[descriptor], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=LOOK_SECONDS, text=True, errors="replace")  # fmt: skip
            last = said.stderr.strip().splitlines()[-1:]
            if said.returncode == 1 and last and last[0].startswith("error: "):
                reason = last[0].removeprefix("error: ").replace(f"{name}: ", "").replace(name, "it")
        return PLAIN.get(reason, reason)

    def _tell_early_end(self):
        """GStreamer takes a file that is cut off for one that has ended."""
        end = self.summary.end
        if self.claimed - end > self.claimed / 10 + 1.5:
            self.summary.warn(f"it says that it lasts {self.claimed:.1f} s, and its picture ends at {end:.1f} s: it may be "
                              "cut off or damaged")  # fmt: skip

    # --- pictures ---

    def _pictures(self):
        source = self.task["source"]
        folder = os.path.isdir(source)
        names = [os.path.join(source, name) for name in pictures_in(source)] if folder else [source]
        self.claimed = float(len(names))
        feed = gst.make("appsrc", format=Gst.Format.TIME, max_buffers=2)
        gst.chain(self.pipeline, feed)
        results = self._results()
        if not feed.link(results.first):
            raise Failure("pictures can't be given to the networks")
        self.pipeline.set_state(Gst.State.PLAYING)
        failures = []
        for name in names:
            try:
                sample = decode_picture(name, self.threads)
            except (Failure, OSError) as failure:
                failures.append(f"{readable(os.path.basename(name))}: {reason_of(failure)}")
                self.progress(self.summary.frames, 0.0)
                continue
            self._feed(feed, results, sample, readable(name))
        feed.emit("end-of-stream")
        self._end()
        if failures and self.summary.frames == 0:
            raise Failure(
                failures[0].split(": ", 1)[1] if not folder else f"none of its pictures can be read; {failures[0]}"
            )
        for failure in failures[:5]:
            self.summary.warn(failure)
        if len(failures) > 5:
            self.summary.warn(f"{len(failures)} of {len(names)} pictures can't be read")

    def _feed(self, feed, results, sample, name):
        """Pictures have a second each, and their lines say which they are of."""
        caps = Gst.Caps.from_string(FRAMERATE.sub("framerate=1/1", sample.get_caps().to_string()))
        buffer = sample.get_buffer().copy()
        buffer.pts, buffer.duration = self.summary.frames * Gst.SECOND, Gst.SECOND
        feed.emit("push-sample", Gst.Sample.new(buffer, caps, None, None))
        while (pulled := results.pull()) is None:
            self._check()
        line, duration, frame = pulled
        self._take(b'{"source":' + json.dumps(name).encode() + b"," + line.removeprefix(b"{"), duration, frame)


class Videos:
    """Links a decoder's first video."""

    def __init__(self, decoder, sink):
        self.count, self.none, self.playlist, self.sink = 0, False, False, sink
        decoder.connect("autoplug-continue", self._goes_on)
        decoder.connect("pad-added", self._added)
        decoder.connect("no-more-pads", self._ended)

    def _goes_on(self, _decoder, _pad, caps):
        self.playlist = self.playlist or gst.is_playlist(caps)
        return gst.goes_on(caps)

    def _added(self, _decoder, pad):
        caps = pad.get_current_caps() or pad.query_caps(None)
        if caps.is_empty() or caps.is_any() or caps.get_structure(0).get_name() != "video/x-raw":
            return
        self.count += 1
        if not self.sink.is_linked():
            pad.link(self.sink)

    def _ended(self, _decoder):
        self.none = not self.sink.is_linked()


def check_size(descriptor):
    if os.fstat(descriptor).st_size == 0:
        raise Failure(EMPTY)


def reason_of(error):
    if isinstance(error, OSError):
        return f"it can't be read: {error.strerror or error}"
    return str(error)


def location_of(name, descriptor):
    """A name that GStreamer takes, which knows UTF-8 only."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"/proc/self/fd/{descriptor}"
    return name


def length_of(pipeline):
    """What the container says, in seconds, or 0."""
    known, length = pipeline.query_duration(Gst.Format.TIME)
    return length / 1e9 if known and length > 0 else 0.0


def decode_picture(name, threads):
    """The first frame of a file, upright."""
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    pipeline = Gst.Pipeline.new()
    try:
        check_size(descriptor)
        decoder, chain = gst.make_decoder(threads), [gst.make("videoconvert"), gst.flip()]
        sink = gst.make("appsink", sync=False, max_buffers=1, caps=Gst.Caps.from_string("video/x-raw"))
        gst.chain(pipeline, gst.make("filesrc", location=location_of(name, descriptor)), decoder)
        gst.chain(pipeline, *chain, sink)
        videos = Videos(decoder, chain[0].get_static_pad("sink"))
        pipeline.set_state(Gst.State.PLAYING)
        while (sample := sink.emit("try-pull-sample", TICK)) is None:
            if videos.none:
                raise Failure(NO_PICTURE)
            gst.drain(pipeline.get_bus(), lambda text: None)
            if sink.get_property("eos"):
                raise Failure(NO_PICTURE)
        return sample
    finally:
        pipeline.set_state(Gst.State.NULL)
        os.close(descriptor)
