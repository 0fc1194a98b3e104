# SPDX-License-Identifier: LGPL-2.1-or-later
"""Matching of SSD's priors with objects, and decoding of detections, of the anchor-free head, too. Boxes are x0, y0,
x1, y1 as fractions."""

import functools

import torch

import fused
import ssd
from data import IGNORE

EXCLUDED = -1  # a prior that is excluded from the loss
NEAR = 0.4  # minimum overlap of a prior with its object
CANDIDATES = 200  # maximum number per class if there is no C compiler
COVERED = 0.5  # minimum overlap with a region to ignore that excludes a prior
STRIDES = (8, 16, 32, 64)  # of the maps of the anchor-free head
MOST_LOCATION = 6  # its locations are clamped to -6..6


@functools.lru_cache(maxsize=64)
def priors(height, width, sizes):
    """All priors, P x 4, for an input of this size; `sizes`: a tuple like ssd.prior_sizes()."""
    return torch.from_numpy(ssd.priors(width, height, sizes)).float()


def corners(boxes):
    return torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), -1)


def decode(locations, priors):
    middle = priors[:, :2] + 0.1 * locations[..., :2] * priors[:, 2:]
    return corners(torch.cat((middle, priors[:, 2:] * (0.2 * locations[..., 2:]).exp()), -1))


@functools.lru_cache(maxsize=64)
def cells(height, width):
    """All cells of the anchor-free head for an input of this size, C x 4: centre x and y, and the stride of the map in
    x and y, as fractions."""
    found = []
    for stride in STRIDES:  # ceil (size / 2) per level is ceil (size / stride)
        y, x = ((torch.arange(-(-n // stride)) + 0.5) * (stride / n) for n in (height, width))
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
        found.append(torch.cat((centres, centres.new_tensor((stride / width, stride / height)).expand_as(centres)), 1))
    return torch.cat(found)


def decode_cells(locations, cells):
    """Boxes, not clipped: their sides lie stride * exp(location) from the cell's centre."""
    centres, strides = cells[:, :2], cells[:, 2:]
    distances = locations.clamp(-MOST_LOCATION, MOST_LOCATION).exp()
    return torch.cat((centres - strides * distances[..., :2], centres + strides * distances[..., 2:]), -1)


def areas(boxes):
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def overlaps(a, b):
    """Areas of intersection of ... x A x 4 with ... x B x 4: ... x A x B."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    x = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    y = (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    return x * y


def over_union(common, a, b):
    return common / (areas(a)[..., :, None] + areas(b)[..., None, :] - common).clamp(min=1e-12)


def iou(a, b):
    return over_union(overlaps(a, b), a, b)


def aligned_ious(a, b):
    """IoU and generalised IoU of pairs of boxes, K x 4. The latter is lower by the share of the enclosing box that
    neither covers (Rezatofighi et al., 2019)."""
    common = overlaps(a[:, None], b[:, None])[:, 0, 0]
    union = (areas(a) + areas(b) - common).clamp(min=1e-12)
    hull = areas(torch.cat((torch.minimum(a, b)[:, :2], torch.maximum(a, b)[:, 2:]), 1)).clamp(min=1e-12)
    overlap = common / union
    return overlap, overlap - (hull - union) / hull


def match(priors, boxes, classes):
    """Target of each prior: class + 1 (0: background, or EXCLUDED), and the index of its box in the photo; both N x P.

    `boxes` N x M x 4, `classes` N x M from 0; negative if there is no object, IGNORE (-1) for regions to ignore.
    """
    spans = corners(priors)
    # Loops over photos: most have few boxes, but one photo of a batch may have many.
    found = [match_photo(spans, *photo) for photo in zip(boxes, classes)]
    return tuple(torch.stack(parts) for parts in zip(*found))


def match_photo(spans, boxes, classes):
    """match() for one photo. For priors without an object, the box index is arbitrary."""
    there = (classes >= IGNORE).nonzero()[:, 0]
    if not len(there):
        return classes.new_zeros(len(spans)), classes.new_zeros(len(spans))
    boxes, classes = boxes[there], classes[there]
    common = overlaps(spans, boxes)  # P x M
    found = over_union(common, spans, boxes)
    found = torch.where(classes >= 0, found, torch.full_like(found, -1))
    # The best prior of each object is matched whatever the overlap.
    best = torch.zeros_like(found).scatter_(0, found.argmax(0, keepdim=True), 2.0)
    overlap, which = (found + best * (classes >= 0)).max(1)
    target = torch.where(overlap >= NEAR, classes[which] + 1, torch.zeros_like(which))
    covered = common / areas(spans)[:, None].clamp(min=1e-12)
    ignored = ((covered > COVERED) & (classes == IGNORE)).any(1)
    target[ignored & (target == 0)] = EXCLUDED
    return target, there[which]


def nms(boxes, scores, threshold):
    """Indices of the boxes that greedy NMS keeps, by decreasing score."""
    order = scores.sort(descending=True, stable=True).indices
    if fused.load():
        return order[fused.suppress(boxes[order], threshold)]
    order, kept = order[:CANDIDATES], []
    close = iou(boxes[order], boxes[order]) > threshold
    left = torch.ones(len(order), dtype=torch.bool)
    for i in range(len(order)):
        if left[i]:
            kept.append(i)
            left &= ~close[i]
    return order[kept]


def detections(confidences, locations, priors, threshold=0.01, iou_threshold=0.45, most=100):
    """Boxes, classes (from 0) and scores per photo, as arrays: the most confident ones, as in models/evaluation."""
    photos = zip(decode(locations.float(), priors).cpu(), confidences.float().softmax(-1)[..., 1:].cpu())
    return [strongest(*photo, threshold, iou_threshold, most) for photo in photos]


def cell_detections(confidences, locations, cells, threshold=0.01, iou_threshold=0.45, most=100):
    """detections() of the anchor-free head."""
    photos = zip(decode_cells(locations.float(), cells).clamp(0, 1).cpu(), confidences.float().sigmoid().cpu())
    return [strongest(*photo, threshold, iou_threshold, most) for photo in photos]


def strongest(boxes, scores, threshold, iou_threshold, most):
    """detections() of one photo, from P boxes and their scores for all classes, P x classes."""
    found = []
    for c, of_class in enumerate(scores.t()):
        at = (of_class >= threshold).nonzero()[:, 0]
        at = at[nms(boxes[at], of_class[at], iou_threshold)]
        found.append((boxes[at], torch.full_like(at, c), of_class[at]))
    boxes, classes, scores = (torch.cat(parts) for parts in zip(*found))
    order = scores.sort(descending=True, stable=True).indices[:most]
    return [x[order].numpy() for x in (boxes, classes, scores)]
