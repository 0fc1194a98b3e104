# SPDX-License-Identifier: LGPL-2.1-or-later
"""Evaluation during training: the main metrics of models/evaluation."""

import os
import sys

import numpy as np

from data import IGNORE

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "evaluation"))
import metrics  # noqa: E402


def top_k(scores, labels, k):
    """Share of photos whose label is among the k highest scores (N x classes)."""
    return float(metrics.top_k(scores, labels, k).mean())


def multi_label(scores, present, known, names):
    """Overall F1 (over all decisions) and the mean F1 of the classes, from N x classes: probabilities, presence, and
    whether presence is annotated."""
    decisions = metrics.multi_label(scores, present, known)
    found, there = metrics.rates(decisions, 0.5), decisions.there > 0
    return {
        "f1": number(found["overall"]["f1"]),
        "f1_per_class": mean(found["f1"], there),
        **best(decisions, names),
        "classes": by_name(names, found["f1"], there),
    }


def segmentation(masks, truths, names, min_images):
    """Mean intersection over union, and the share of right pixels, of masks (H x W), one per photo. Classes in fewer
    than `min_images` photos do not count. Values in a ground truth that are no class are unknown."""
    truths = [np.where(truth < len(names), truth, metrics.IGNORE) for truth in truths]
    found = metrics.segmentation(masks, truths, len(names))
    counted = found["photos"] >= max(1, min_images)
    return {
        "miou": mean(found["iou"], counted),
        "pixels": number(found["overall"]["pixels"]),
        "classes": by_name(names, found["iou"], counted),
    }


def average_precision(photos, names):
    """mAP at IoU 0.5 and from 0.5 to 0.95. `photos` are tuples (found boxes, classes, scores, true boxes, classes,
    labelled): a class counts in photos where it is labelled."""
    found = [metrics.Found(*photo[:3]) for photo in photos]
    figures = metrics.detection(found, [objects(*photo[3:]) for photo in photos], len(names))
    there = figures["objects"] > 0
    return {
        "ap50": mean(figures["ap50"], there),
        "ap": mean(figures["ap"], there),
        **best(figures["decisions"], names, metrics.WRONG),
        "classes": by_name(names, figures["ap50"], there),
    }


def objects(boxes, classes, labelled):
    regions = classes == IGNORE
    hidden = np.full(regions.sum(), metrics.ANY)
    real = classes >= 0
    return metrics.Objects(boxes[real], classes[real], boxes[regions], hidden, set(np.flatnonzero(labelled)))


def best(decisions, names, wrong=1):
    """The best threshold for all classes, the F1 there, and one threshold for each class: the model's defaults
    (docs/training.md). None of the latter if nothing was found."""
    threshold, f1 = metrics.best_threshold(decisions, wrong)
    thresholds = dict(zip(names, metrics.chosen_thresholds(decisions, wrong).tolist())) if f1 else {}
    return {"best_f1": f1, "best_threshold": threshold, "thresholds": thresholds}


def mean(values, counted):
    return float(values[counted].mean()) if counted.any() else 0.0


def number(value):
    """0 if there was nothing to measure."""
    return float(np.nan_to_num(value))


def by_name(names, values, counted):
    return {name: float(value) for name, value, c in zip(names, values, counted) if c}
