# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics of a network, computed from its results and the ground truth. docs/evaluation.md defines them.

Needs numpy only. Classes that are not annotated in a photo never count: each function takes what is annotated in
addition to the ground truth.
"""

from collections import namedtuple

import numpy as np

# Boxes (n x 4: x0, y0, x1, y1 in pixels of the photo), their classes, and confidences from 0 to 1.
Found = namedtuple("Found", "boxes labels scores")
# Objects; regions to ignore and the class that each may contain (ANY for all); the classes annotated in the photo.
Objects = namedtuple("Objects", "boxes labels ignored ignored_labels known")
ANY = -1

# What has been said with a score: detections, or known classes of photos: their scores, classes, and whether they are
# right (1), wrong (0) or ignored (-1). `there` is the number of objects, or of photos, of each class.
Decisions = namedtuple("Decisions", "scores labels verdicts there")

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
COCO_RECALLS = np.linspace(0, 1, 101)


# Detection


def overlaps(boxes, others, of_first=False):
    """Intersection over union of each of `boxes` with each of `others`, or over the area of the former (`of_first`)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area, other = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, others))
    whole = area[:, None] if of_first else area[:, None] + other[None] - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def match(with_objects, with_ignored, threshold, second_choice):
    """Whether detections of one class in one photo, sorted by decreasing confidence, are right (1), wrong (0) or
    ignored (-1).

    `with_objects` is the overlap of each detection with each object, `with_ignored` the share of it in each region to
    ignore. An object can be matched once. If the object that a detection overlaps most is already matched, VOC counts
    the detection as wrong, while COCO tries the best of the remaining ones (`second_choice`).
    """
    free = np.ones(with_objects.shape[1], bool)
    verdicts = np.zeros(len(with_objects), np.int64)
    for i, row in enumerate(with_objects):
        row = np.where(free, row, -1) if second_choice else row
        best = int(np.argmax(row)) if len(row) else -1
        if best >= 0 and row[best] >= threshold and free[best]:
            free[best] = False
            verdicts[i] = 1
        elif len(with_ignored[i]) and with_ignored[i].max() >= threshold:
            verdicts[i] = -1
    return verdicts


def precision_recall(scores, verdicts, n_objects):
    """Recall and precision after each detection that counts, by decreasing confidence; precision is made monotonic."""
    order = np.argsort(-scores, kind="stable")
    verdicts = verdicts[order][verdicts[order] >= 0]
    right = np.cumsum(verdicts == 1)
    precision = right / np.arange(1, len(right) + 1)
    return right / n_objects, np.maximum.accumulate(precision[::-1])[::-1]


def area_under_curve(recall, precision):
    """Average precision as computed by VOC since 2010."""
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def mean_at_recalls(recall, precision):
    """Average precision as computed by COCO: the mean at 101 recalls."""
    at = np.searchsorted(recall, COCO_RECALLS, side="left")
    return float(np.mean(np.append(precision, 0.0)[at]))


def class_verdicts(found, truths, label, settings):
    """Returns the scores of all detections of a class in photos where it is annotated, a list of verdicts for each of
    `settings` (threshold, second_choice), and the number of objects."""
    scores, verdicts, n_objects = [], [[] for _ in settings], 0
    for f, t in zip(found, truths):
        if label not in t.known:
            continue
        mine = np.flatnonzero(f.labels == label)
        mine = mine[np.argsort(-f.scores[mine], kind="stable")]
        objects = t.boxes[t.labels == label]
        ignored = t.ignored[(t.ignored_labels == ANY) | (t.ignored_labels == label)]
        n_objects += len(objects)
        scores.append(f.scores[mine])
        tables = overlaps(f.boxes[mine], objects), overlaps(f.boxes[mine], ignored, of_first=True)
        for column, (threshold, second_choice) in zip(verdicts, settings):
            column.append(match(*tables, threshold, second_choice))
    if not scores:
        return np.zeros(0), [np.zeros(0, np.int64) for _ in settings], 0
    return np.concatenate(scores), [np.concatenate(column) for column in verdicts], n_objects


def detection(found, truths, n_classes):
    """Per class: `objects`, `ap50` (VOC's area under the curve) and `ap` (COCO's, mean over IoU 0.5 to 0.95); NaN if
    there are no objects. Also `decisions` at IoU 0.5, as in VOC. Takes lists of Found and Objects, one per photo."""
    settings = [(0.5, False)] + [(threshold, True) for threshold in COCO_THRESHOLDS]
    objects, ap50, ap = np.zeros(n_classes, np.int64), np.full(n_classes, np.nan), np.full(n_classes, np.nan)
    of_classes = []
    for label in range(n_classes):
        scores, (voc, *coco), objects[label] = class_verdicts(found, truths, label, settings)
        of_classes.append((scores, np.full(len(scores), label), voc))
        if objects[label]:
            ap50[label] = area_under_curve(*precision_recall(scores, voc, objects[label]))
            curves = (precision_recall(scores, verdicts, objects[label]) for verdicts in coco)
            ap[label] = np.mean([mean_at_recalls(*curve) for curve in curves])
    decisions = Decisions(*map(np.concatenate, zip(*of_classes)), objects)
    return {"objects": objects, "ap50": ap50, "ap": ap, "decisions": decisions}


# Segmentation

IGNORE = 255


def confusion(found, truth, n_classes):
    """Counts of pixels by true class and predicted class, n_classes x (n_classes + 1); the last column is for
    predictions outside of the network's classes. Pixels that are 255 in `truth` are ignored."""
    known = truth != IGNORE
    taken = np.minimum(found[known], n_classes).astype(np.int64)
    pairs = truth[known].astype(np.int64) * (n_classes + 1) + taken
    return np.bincount(pairs, minlength=n_classes * (n_classes + 1)).reshape(n_classes, n_classes + 1)


def segmentation(found, truths, n_classes):
    """Per class: `photos` that contain it, and `iou` over the pixels of all photos; NaN if it neither occurs nor was
    predicted. "overall": the share of all `pixels` that are right. Takes masks of equal size, one pair per photo."""
    counts, photos = np.zeros((n_classes, n_classes + 1), np.int64), np.zeros(n_classes, np.int64)
    for mask, truth in zip(found, truths):
        in_photo = confusion(mask, truth, n_classes)
        counts += in_photo
        photos += in_photo.sum(axis=1) > 0
    right = np.diag(counts)
    union = counts.sum(axis=1) + counts.sum(axis=0)[:n_classes] - right
    iou = np.divide(right, union, out=np.full(n_classes, np.nan), where=union > 0)
    pixels = float(right.sum() / counts.sum()) if counts.any() else np.nan
    return {"photos": photos, "iou": iou, "overall": {"pixels": pixels}}


# Classification


def top_k(scores, truth, k):
    """Whether the true class of each photo is among the k with the highest scores. Takes photos x classes, and the true
    class indices."""
    own = scores[np.arange(len(truth)), truth]
    return np.sum(scores > own[:, None], axis=1) < k


def single_label(scores, truth, n_classes):
    """Per class: `photos`, and the shares of them that are right, `top1` and `top5`; NaN if there are no photos."""
    photos = np.bincount(truth, minlength=n_classes)
    shares = [
        np.divide(
            np.bincount(truth, weights=top_k(scores, truth, k), minlength=n_classes),
            photos,
            out=np.full(n_classes, np.nan),
            where=photos > 0,
        )
        for k in (1, 5)
    ]
    return {"photos": photos, "top1": shares[0], "top5": shares[1]}


def multi_label(scores, present, known):
    """Decisions on what is annotated, from photos x classes: scores, presence, and whether presence is annotated."""
    _, labels = np.nonzero(known)
    return Decisions(scores[known], labels, present[known].astype(np.int64), np.sum(present & known, axis=0))


# Thresholds

# Those that are tried. A lower one would report nearly everything, a higher one nearly nothing.
CANDIDATES = np.arange(5, 96) / 100
# With this number of right decisions, a class's own best threshold counts as much as that of all classes together. Chosen
# on halves of the validation lists and measured on the others, 60 times: against one threshold for all, with 50, the mean
# F1 of dicenet-detect, -detect-small and -classify was 0.4, 0.3 and 0.0 points higher, the overall F1 0.1, -0.4 and 0.3;
# with 0, the former 0.8, 1.6 and -3.2, the latter -1.4, -1.2 and -0.5.
ENOUGH = 50
# For a detector, a wrong box counts as much as this many that are missed: photos of lists are of something, most frames of
# a camera are not.
WRONG = 2


def rates(decisions, thresholds):
    """Per class: `precision`, `recall` and `f1` of what reaches its threshold; and as "overall" the same three from the
    counts of all classes together. `thresholds`: one per class, or one number."""
    n = len(decisions.there)
    reached = decisions.scores >= np.broadcast_to(thresholds, n)[decisions.labels]
    right, said = (
        np.bincount(decisions.labels[reached & those], minlength=n)
        for those in (decisions.verdicts == 1, decisions.verdicts >= 0)
    )
    overall = _rates(*(np.array([np.sum(x)]) for x in (right, said, decisions.there)))
    return {
        **_rates(right, said, decisions.there),
        "overall": {key: float(value[0]) for key, value in overall.items()},
    }


def counts(decisions):
    """How many decisions that reach each of CANDIDATES (rows) are right, and how many count, by class (columns)."""
    n = len(decisions.there)
    reached = np.searchsorted(CANDIDATES, decisions.scores, side="right")  # how many candidates

    def at_least(those):
        table = np.bincount(reached[those] * n + decisions.labels[those], minlength=(len(CANDIDATES) + 1) * n)
        return np.cumsum(table.reshape(-1, n)[::-1], axis=0)[::-1][1:]

    return at_least(decisions.verdicts == 1), at_least(decisions.verdicts >= 0)


def best_threshold(decisions, wrong=1):
    """The threshold with the best F1 of all classes together, in which what is wrong counts `wrong` times, and the F1
    there, which is 0 if nothing is right."""
    right, said = (np.sum(x, axis=1) for x in counts(decisions))
    there = decisions.there.sum()
    best = _best(right, said, there, wrong)
    return float(CANDIDATES[best]), float(2 * right[best] / max(said[best] + there, 1))


def chosen_thresholds(decisions, wrong=1):
    """A threshold for each class, with two decimals: between that with the best F1 of all classes and that with its own
    best F1, as best_threshold() has it, the nearer to the latter the more is right there."""
    right, said = counts(decisions)
    best = np.array([_best(*of_class, wrong) for of_class in zip(right.T, said.T, decisions.there)])
    known = right[best, np.arange(len(best))]
    common, _ = best_threshold(decisions, wrong)
    return np.round(common + known / (known + ENOUGH) * (CANDIDATES[best] - common), 2)


def _best(right, said, there, wrong):
    """The row with the best F1. Of those that are equally good, the middle one is the farthest from worse ones."""
    f1 = 2 * right / np.maximum(right + wrong * (said - right) + there, 1)
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return best[len(best) // 2]


def _rates(right, said, there):
    """A class that is neither present nor predicted has no rates (NaN); one that is present and never right has zeros.
    """
    zeros = np.where(there > 0, 0.0, np.nan)
    recall = np.divide(right, there, out=zeros.copy(), where=there > 0)
    precision = np.divide(right, said, out=zeros.copy(), where=(said > 0) & (there > 0))
    f1 = np.divide(2.0 * right, said + there, out=zeros.copy(), where=there > 0)
    return {"precision": precision, "recall": recall, "f1": f1}
