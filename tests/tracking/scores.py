# SPDX-License-Identifier: LGPL-2.1-or-later
"""How well tracks follow the truth of a scene."""

import contextlib
import io


def overlap(a, b):
    """Intersection over union of two boxes x, y, w, h."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def simple(frames, tracks):
    """Without other packages: the share of true boxes that a numbered box covers by half, the mean overlap of these,
    how often an object's number changed, and how many numbers there were per object. A box is given to the object that it covers best."""
    last, switches, covered, shares, total, numbers = {}, 0, 0, 0.0, 0, set()
    for frame, boxes in zip(frames, tracks):
        total += len(frame.truth)
        pairs = sorted(
            ((overlap(t[1:], b[1:]), t[0], b[0]) for t in frame.truth for b in boxes), key=lambda p: p[0], reverse=True
        )
        objects, used = set(), set()
        numbers |= {b[0] for b in boxes}
        for share, person, number in pairs:
            if share < 0.5 or person in objects or number in used:
                continue
            objects.add(person)
            used.add(number)
            covered += 1
            shares += share
            switches += last.get(person, number) != number
            last[person] = number
    n_objects = len({t[0] for frame in frames for t in frame.truth})
    return {
        "covered": covered / total,
        "overlap": shares / max(covered, 1),
        "switches": switches,
        "numbers": len(numbers) / n_objects,
    }


def _similarities(truth, boxes):
    import numpy as np

    return np.array([[overlap(t[1:], b[1:]) for b in boxes] for t in truth]).reshape(len(truth), len(boxes))


def standard(frames, tracks, only_idf1=False):
    """MOTA, IDF1 and HOTA by the package trackeval."""
    import numpy as np
    from trackeval import metrics

    objects, numbers = {}, {}
    data = {
        "num_timesteps": len(frames),
        "gt_ids": [np.array([objects.setdefault(t[0], len(objects)) for t in f.truth], int) for f in frames],
        "tracker_ids": [np.array([numbers.setdefault(b[0], len(numbers)) for b in boxes], int) for boxes in tracks],
        "similarity_scores": [_similarities(f.truth, boxes) for f, boxes in zip(frames, tracks)],
    }
    data["num_gt_ids"], data["num_tracker_ids"] = len(objects), len(numbers)
    data["num_gt_dets"] = sum(map(len, data["gt_ids"]))
    data["num_tracker_dets"] = sum(map(len, data["tracker_ids"]))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its settings
        found = {"IDF1": float(metrics.Identity().eval_sequence(data)["IDF1"])}
        if not only_idf1:
            clear = metrics.CLEAR().eval_sequence(data)
            found["MOTA"], found["switches"] = float(clear["MOTA"]), float(clear["IDSW"])
            found["HOTA"] = float(metrics.HOTA().eval_sequence(data)["HOTA"].mean())
    return found
