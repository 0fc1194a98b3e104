# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparisons of results with the reference's. Each raises AssertionError, or prints the difference."""

import numpy as np

import reference
import tolerances


def close(what, found, expected, tolerance):
    """Checks that the largest difference is at most `tolerance` of the largest expected value."""
    assert found.shape == expected.shape, f"{what}: expected shape {expected.shape}, found {found.shape}"
    assert np.isfinite(found).all(), f"{what}: not all values are finite"
    largest = np.abs(expected).max()
    error = np.abs(found.astype(np.float64) - expected).max() / largest
    print(f"  {what} {found.shape}: error {error:.1e} of the largest, {largest:.4g} (at most {tolerance:.0e})")
    assert error <= tolerance, f"{what}: error {error:.2e} of the largest value, {largest:.4g}; at most {tolerance:.0e}"


def same_classes(what, found, expected, least):
    """Checks that two maps of classes agree on nearly all pixels."""
    assert found.shape == expected.shape, f"{what}: expected shape {expected.shape}, found {found.shape}"
    share = np.mean(found == expected)
    print(f"  {what} {found.shape}: {share:.4%} equal (at least {least:.2%})")
    assert share >= least, f"{what}: {share:.4%} of the pixels agree; at least {least:.2%}"


def suppressed(what, found, raw, margin, threshold, iou_threshold=0.45, max_per_class=200, head="ssd"):
    """Checks that `found` (boxes, labels, scores) is the result of greedy per-class NMS of `raw` (confidences,
    locations, priors), except for decisions within `margin` of the other outcome, and that scores decrease."""
    boxes, labels, scores = found
    confidences, locations, priors = raw
    all_boxes, all_scores = reference.candidates(head, confidences, locations, priors)
    assert len(boxes) == len(labels) == len(scores), f"{what}: boxes, labels and scores are not equally many"
    assert np.isin(labels, np.arange(1, all_scores.shape[1])).all(), f"{what}: a label is not one of the classes"
    assert (np.diff(scores) <= 0).all(), f"{what}: not the strongest first"
    for label in range(1, all_scores.shape[1]):
        mine = labels == label
        above = np.flatnonzero(all_scores[:, label] >= threshold - margin)
        candidates = all_boxes[above], all_scores[above, label]
        where = f"{what}, class {label}"
        kept = identify(where, boxes[mine], scores[mine], *candidates, margin)
        check_greedy(where, kept, *candidates, margin, threshold, iou_threshold, max_per_class)
    print(f"  {what}: {len(boxes)} boxes are as suppression leaves them (margin {margin:.0e})")


def identify(what, boxes, scores, candidate_boxes, candidate_scores, margin):
    """The candidate of each box; no candidate is used twice."""
    free = np.ones(len(candidate_scores), bool)
    kept = []
    for box, score in zip(boxes, scores):
        distance = np.maximum(np.abs(candidate_boxes - box).max(axis=1), np.abs(candidate_scores - score))
        distance[~free] = np.inf
        best = np.argmin(distance) if len(distance) else None
        known = best is not None and distance[best] <= margin
        assert known, f"{what}: the box {box} with score {score} is none of the decoded ones"
        free[best] = False
        kept.append(best)
    return np.array(kept, np.int64)


def check_greedy(what, kept, boxes, scores, margin, threshold, iou_threshold, limit):
    """The result of greedy NMS is a set in which no two boxes overlap, and for every box that is left out the set
    contains one with at least its score that overlaps with it, or is full."""
    assert len(kept) <= limit, f"{what}: {len(kept)} boxes, at most {limit}"
    left_out = np.setdiff1d(np.flatnonzero(scores >= threshold + margin), kept)
    if not len(kept):
        assert not len(left_out), f"{what}: nothing was kept of {len(left_out)} boxes above the threshold"
        return
    overlaps = np.array([reference.iou(boxes[k], boxes) for k in kept])
    among_kept = overlaps[:, kept] - np.eye(len(kept)) * 2
    assert among_kept.max() <= iou_threshold + margin, f"{what}: two kept boxes overlap by {among_kept.max():.4f}"
    stronger = scores[kept][:, None] >= scores[left_out] - margin
    explained = ((overlaps[:, left_out] > iou_threshold - margin) & stronger).any(axis=0)
    if len(kept) == limit:
        explained |= scores[left_out] <= scores[kept].min() + margin
    missing = scores[left_out][~explained]
    assert not len(missing), f"{what}: {len(missing)} boxes are missing, the strongest scores {missing.max():.4f}"


def found_again(what, found, expected, margin):
    """Checks that nearly all expected boxes were found with the same label, edges and score."""
    boxes, labels, scores = found
    matched = 0
    for box, label, score in zip(*expected):
        mine = labels == label
        near = np.abs(boxes[mine] - box).max(axis=1) <= margin
        matched += np.any(near & (np.abs(scores[mine] - score) <= margin))
    share = matched / len(expected[0]) if len(expected[0]) else 1.0
    print(f"  {what}: {matched} of {len(expected[0])} expected boxes, {len(boxes)} found")
    assert share >= tolerances.BOXES, f"{what}: {share:.2%} of the expected boxes, at least {tolerances.BOXES:.0%}"
