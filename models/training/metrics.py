# SPDX-License-Identifier: LGPL-2.1-or-later
"""How good a network's answers are, while it is trained. What the plugin answers is judged by models/evaluation."""

import numpy as np

from data import IGNORE

THRESHOLDS = np.arange(0.5, 0.96, 0.05)


# Classification


def top_k(scores, labels, k):
    """Share of photos whose label is among the k highest of its scores (N x classes)."""
    k = min(k, scores.shape[1])
    return float((np.argsort(-scores, 1, kind="stable")[:, :k] == labels[:, None]).any(1).mean())


def f1(found, true):
    """2 TP / (2 TP + FP + FN), of bool arrays along the first axis; 0 where nothing is found and nothing true."""
    return 2 * (found & true).sum(0) / np.maximum(found.sum(0) + true.sum(0), 1)


def multi_label(scores, true, names, threshold=0.5):
    """Overall F1 (all decisions alike) and the mean of the classes' F1, of probabilities N x classes."""
    found = scores > threshold
    of_class = f1(found, true)
    present = true.any(0)
    best = max((float(f1((scores > t).ravel(), true.ravel())), t) for t in np.arange(0.1, 0.91, 0.05))
    return {
        "f1": float(f1(found.ravel(), true.ravel())),
        "f1_per_class": float(of_class[present].mean()) if present.any() else 0.0,
        "best_f1": best[0],
        "best_threshold": round(float(best[1]), 2),
        "classes": {name: float(value) for name, value, p in zip(names, of_class, present) if p},
    }


# Segmentation


def intersection_over_union(confusion, images, names, min_images=1):
    """`confusion` counts pixels, true class x found class; `images` the photos that each class is in."""
    common = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - common
    of_class = common / np.maximum(union, 1)
    counted = images >= max(1, min_images)
    return {
        "miou": float(of_class[counted].mean()) if counted.any() else 0.0,
        "pixels": float(common.sum() / max(1, confusion.sum())),
        "classes": {name: float(value) for name, value, c in zip(names, of_class, counted) if c},
    }


# Detection


def overlap(a, b):
    """Intersections of A x 4 with B x 4 boxes, and areas of both."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.maximum(size, 0).prod(2), (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)


def outcomes(boxes, scores, objects, regions):
    """Of one class in one photo: for each threshold and box, strongest first, hit (1), miss (0) or ignored (-1)."""
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    found = np.zeros((len(THRESHOLDS), len(boxes)), np.int64)
    common, area, object_area = overlap(boxes, objects)
    iou = common / np.maximum(area[:, None] + object_area[None] - common, 1e-12)
    ignorable = np.zeros(len(boxes), bool)
    if len(regions):
        ignorable = (overlap(boxes, regions)[0] / np.maximum(area[:, None], 1e-12)).max(1) > 0.5
    for t, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(objects), bool)
        for i in range(len(boxes)):
            best = np.argmax(np.where(free, iou[i], -1)) if free.any() else -1
            if best >= 0 and iou[i, best] >= threshold:
                found[t, i], free[best] = 1, False
            elif ignorable[i]:
                found[t, i] = -1
    return scores[order], found


def area_under(scores, hits, objects):
    """VOC's average precision since 2010: the whole area under precision made monotonous."""
    keep = hits >= 0
    order = np.argsort(-scores[keep], kind="stable")
    hits = hits[keep][order]
    true = np.cumsum(hits)
    precision = true / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * hits).sum() / objects)


def average_precision(photos, names):
    """mAP at 0.5 and from 0.5 to 0.95. Each of `photos` is (found boxes, classes, scores, true boxes, classes,
    labelled): a class counts in photos where it is labelled."""
    of_class = {}
    for c, name in enumerate(names):
        scores, found, objects = [], [], 0
        for boxes, classes, confidence, true, true_classes, labelled in photos:
            if not labelled[c]:
                continue
            mine = classes == c
            objects += int((true_classes == c).sum())
            if mine.any():
                s, f = outcomes(boxes[mine], confidence[mine], true[true_classes == c], true[true_classes == IGNORE])
                scores.append(s)
                found.append(f)
        if objects:
            s, f = (np.concatenate(x, -1) if x else np.zeros(0) for x in (scores, found))
            of_class[name] = [area_under(s, row, objects) for row in f] if len(s) else [0.0] * len(THRESHOLDS)
    table = np.array(list(of_class.values())).reshape(-1, len(THRESHOLDS))
    return {
        "ap50": float(table[:, 0].mean()) if len(table) else 0.0,
        "ap": float(table.mean()) if len(table) else 0.0,
        "classes": {name: row[0] for name, row in of_class.items()},
    }
