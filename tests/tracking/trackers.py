# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trackers that follow the objects of a scene: dicenettrack itself, and ByteTrack of the package supervision.

Each returns, for each frame of simulator.make(), a list of (number, x, y, w, h)."""

import os
import subprocess
import warnings

PROGRAM = os.environ.get("DICENET_TRACK", "track")  # tests/tracking/track.c
MAX_LOST = 2  # seconds; dicenettrack's default, and given to others


def ran_on(frames, interval):
    """Each frame, and its age: the number of frames since the detector ran."""
    return [(frame, i % interval) for i, frame in enumerate(frames)]


def dicenettrack(frames, interval, *properties):
    lines = []
    for frame, age in ran_on(frames, interval):
        lines.append(f"frame {frame.pts} {age}")
        if age == 0:
            lines += [f"object {f[0]} {f[1]:.4f} " + " ".join(f"{v:.3f}" for v in f[2:]) for f in frame.found]
    try:
        run = subprocess.run([PROGRAM, *properties], input="\n".join(lines), text=True, capture_output=True, check=True)
    except OSError as error:
        raise SystemExit(f"error: {PROGRAM}: {error.strerror}: set DICENET_TRACK to build/tests/tracking/track") from None
    tracks = {frame.pts: [] for frame in frames}
    for line in run.stdout.splitlines():
        pts, number, *box = line.split()
        tracks[int(pts)].append((int(number), *map(float, box)))
    return [tracks[frame.pts] for frame in frames]


def bytetrack(frames, interval, **settings):
    """Between inferences, boxes stay. It knows frames instead of time, so it is told the rate at which it sees them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import numpy as np
        import supervision

        seconds = (frames[-1].pts - frames[0].pts) / 1e9
        n_updates = (len(frames) + interval - 1) // interval
        tracker = supervision.ByteTrack(frame_rate=n_updates / seconds, lost_track_buffer=30 * MAX_LOST, **settings)
    tracks, last = [], []
    for frame, age in ran_on(frames, interval):
        if age == 0:
            found = np.array([f[1:] for f in frame.found], float).reshape(-1, 5)
            corners = np.hstack([found[:, 1:3], found[:, 1:3] + found[:, 3:5]])
            classes = np.zeros(len(found), int)
            tracked = tracker.update_with_detections(supervision.Detections(corners, None, found[:, 0], classes))
            last = [
                (int(number), x0, y0, x1 - x0, y1 - y0)
                for number, (x0, y0, x1, y1) in zip(tracked.tracker_id, tracked.xyxy)
            ]
        tracks.append(last)
    return tracks
