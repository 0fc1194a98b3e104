# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loss functions."""

import torch
import torch.nn.functional as F

from boxes import aligned_ious, decode, match
from data import UNKNOWN

BOX_WEIGHT = 4  # weight of the box loss relative to the class loss, which makes them about equal
LEAST_WORTH = 0.1  # minimum weight of a box in the box loss
NEGATIVES = 3  # per positive prior
LEAST_NEGATIVES = 8  # minimum per photo, also without objects


def ssd(confidences, locations, priors, boxes, classes, labelled, scores=None):
    """SSD's class loss and box loss, with targets that depend on how well the priors' current boxes fit.

    All priors near an object predict a box, and NMS keeps the one with the highest score. Therefore the target of a
    score is how well its box fits, and boxes that fit well have the largest weight in the box loss (as in TOOD, Feng et
    al., 2021, but by IoU alone). The box loss is generalised IoU instead of SSD's smooth L1 distance of offsets.

    Negatives are the hardest priors without an object of each photo. If a class is not labelled in a photo, there may
    be objects without a box: a prior without an object may then predict background or any such class, and only the
    probability of labelled classes counts as wrong.

    `scores` (N x M) are the confidences of a teacher in the objects; an object with a confidence below 1 has its score
    targets and its weight in the box loss multiplied by it.
    """
    target, which = match(priors, boxes, classes)
    positive = target > 0
    photo, prior = positive.nonzero(as_tuple=True)
    objects = which[photo, prior]
    found, wanted = decode(locations[photo, prior].float(), priors[prior]), boxes[photo, objects]
    overlap, generalised = aligned_ious(found, wanted)
    fit = fits(overlap, photo * boxes.shape[1] + objects)
    worth = fit.clamp(min=LEAST_WORTH)
    if scores is not None:
        fit, worth = fit * scores[photo, objects], worth * scores[photo, objects]
    box_loss = (worth * (1 - generalised)).sum() / worth.sum().clamp(min=1)

    possible = F.pad(~labelled, (1, 0), value=True)  # N x classes, the background first
    is_object = torch.zeros(target.shape, device=fit.device).index_put((photo, prior), fit)
    photo, prior = (positive | hard_negatives(confidences, possible, target)).nonzero(as_tuple=True)
    log_p, share = confidences[photo, prior].float().log_softmax(-1), is_object[photo, prior]
    as_object = -log_p.gather(1, target[photo, prior, None])[:, 0]
    class_loss = (share * as_object + (1 - share) * nothing_there(log_p, possible[photo])).sum()
    return class_loss / fit.sum().clamp(min=1), BOX_WEIGHT * box_loss


@torch.no_grad()
def fits(quality, groups):
    """Score targets of positive priors from the IoU of their boxes; `groups` is the index of each one's object. The
    target is the IoU for the best prior of an object, and falls off with the square of the IoU for the others."""
    count = int(groups.max()) + 1 if len(groups) else 0
    best = quality.new_zeros(count).scatter_reduce(0, groups, quality, "amax")[groups]
    return quality.square() / best.clamp(min=1e-6)


def nothing_there(log_p, possible):
    """The loss of a prior without an object."""
    return -log_p.masked_fill(~possible, float("-inf")).logsumexp(-1)


@torch.no_grad()
def hard_negatives(confidences, possible, target):
    """The hardest negatives of each photo, the priors with the highest loss as background: bool, N x P."""
    negative = target == 0
    wanted = (NEGATIVES * (target > 0).sum(1, keepdim=True)).clamp(LEAST_NEGATIVES, target.shape[1])
    hardness = nothing_there(confidences.float().log_softmax(-1), possible[:, None])
    hardness.masked_fill_(~negative, float("-inf"))
    least = hardness.topk(int(wanted.max()), 1).values.gather(1, wanted - 1)
    return negative & (hardness >= least)


def present_classes(classes, count, scores=None):
    """Which of `count` classes occur: bool, N x count; with the `scores` (N x M) of the objects, the largest one of
    each class, 0 if it does not occur."""
    at = torch.where(classes >= 0, classes, torch.full_like(classes, count))
    if scores is None:
        seen = torch.zeros(len(classes), count + 1, dtype=torch.bool, device=classes.device)
        return seen.scatter_(1, at, True)[:, :count]
    seen = torch.zeros(len(classes), count + 1, device=classes.device)
    return seen.scatter_reduce_(1, at, scores, "amax")[:, :count]


def multi_label(logits, target, known):
    """Binary cross-entropy over the classes whose presence is `known`."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def segmentation(logits, masks):
    """Cross-entropy over pixels whose class is known; 0 if there are none."""
    known = (masks != UNKNOWN).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), masks, ignore_index=UNKNOWN, reduction="sum") / known


def distillation(logits, teacher, where):
    """Kullback-Leibler divergence of the network's classes from a teacher's, over pixels `where`, bool N x H x W."""
    p, q = teacher.float().log_softmax(1), logits.float().log_softmax(1)
    return ((p.exp() * (p - q)).sum(1) * where).sum() / where.sum().clamp(min=1)

