# SPDX-License-Identifier: LGPL-2.1-or-later
"""What training makes small."""

import torch
import torch.nn.functional as F

from boxes import match
from data import UNKNOWN

NEGATIVES = 3  # for each prior that stands for an object
LEAST_NEGATIVES = 8  # in a photo, also where nothing is


def ssd(confidences, locations, priors, boxes, classes, labelled):
    """SSD's losses of classes and of boxes, each over the number of priors that stand for objects.

    The background's negatives are the hardest ones of each photo. Where a class is not labelled in a photo, its objects
    are there without a box: a prior without an object may then take it for background or for any such class, and only
    what is known to be absent counts as wrong.
    """
    target, offsets = match(priors, boxes, classes)
    log_p = confidences.float().log_softmax(-1)
    possible = F.pad(~labelled, (1, 0), value=True)  # N x classes, the background first
    nothing = -log_p.masked_fill(~possible[:, None], float("-inf")).logsumexp(-1)
    positive, negative = target > 0, target == 0
    wanted = (NEGATIVES * positive.sum(1, keepdim=True)).clamp(min=LEAST_NEGATIVES)
    hardness = nothing.detach().masked_fill(~negative, float("-inf"))
    rank = hardness.argsort(1, descending=True).argsort(1)
    hard = negative & (rank < wanted)
    count = positive.sum().clamp(min=1)
    found = -log_p.gather(2, target.clamp(min=0)[..., None])[..., 0]
    class_loss = (found * positive + torch.where(hard, nothing, torch.zeros_like(nothing))).sum() / count
    box_loss = F.smooth_l1_loss(locations.float(), offsets, reduction="none").sum(-1)
    return class_loss, (box_loss * positive).sum() / count


def present_classes(classes, count):
    """Which of `count` classes are seen: bool, N x count."""
    seen = torch.zeros(len(classes), count + 1, dtype=torch.bool, device=classes.device)
    return seen.scatter_(1, torch.where(classes >= 0, classes, torch.full_like(classes, count)), True)[:, :count]


def multi_label(logits, target, known):
    """Binary cross-entropy over the classes that are `known` to be there or not."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def segmentation(logits, masks):
    """Cross-entropy over pixels whose class is known; 0 where there are none."""
    known = (masks != UNKNOWN).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), masks, ignore_index=UNKNOWN, reduction="sum") / known


def distillation(logits, teacher, where):
    """How far the network's classes are from a teacher's (Kullback-Leibler), over pixels `where`, bool N x H x W."""
    p, q = teacher.float().log_softmax(1), logits.float().log_softmax(1)
    return ((p.exp() * (p - q)).sum(1) * where).sum() / where.sum().clamp(min=1)

