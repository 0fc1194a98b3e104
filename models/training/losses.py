# SPDX-License-Identifier: LGPL-2.1-or-later
"""What training makes small."""

import torch
import torch.nn.functional as F

from boxes import aligned_ious, decode, match
from data import UNKNOWN

BOX_WEIGHT = 4  # of the loss of boxes beside that of classes, which makes them about as large
LEAST_WORTH = 0.1  # of a box that fits badly, when boxes learn
NEGATIVES = 3  # for each prior that stands for an object
LEAST_NEGATIVES = 8  # in a photo, also where nothing is


def ssd(confidences, locations, priors, boxes, classes, labelled, scores=None):
    """SSD's loss of classes and that of boxes, but what a prior is to learn depends on how well it finds its object now.

    All priors near an object find a box, and suppression keeps that with the highest score. So a score learns how well
    its box fits, and a box that fits well is worth most to the loss of boxes (as in TOOD, Feng et al., 2021, by IoU
    alone). Boxes learn by generalised IoU, where SSD has the smooth L1 distance of offsets.

    The background's negatives are the hardest ones of each photo. Where a class is not labelled in a photo, its objects
    are there without a box: a prior without an object may then take it for background or for any such class, and only
    what is known to be absent counts as wrong.

    An object of which a teacher is sure by less than 1 (`scores`, N x M) is learnt by as much: so far its priors shall
    be sure themselves, and so much its boxes count.
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
    """What the scores of priors shall be that find boxes of this IoU: `groups` has a number for each object. The best
    one's of an object is its IoU, and the others' fall off with the square of theirs."""
    count = int(groups.max()) + 1 if len(groups) else 0
    best = quality.new_zeros(count).scatter_reduce(0, groups, quality, "amax")[groups]
    return quality.square() / best.clamp(min=1e-6)


def nothing_there(log_p, possible):
    """The loss of a prior without an object."""
    return -log_p.masked_fill(~possible, float("-inf")).logsumexp(-1)


@torch.no_grad()
def hard_negatives(confidences, possible, target):
    """Of each photo's priors without an object, those that are the furthest from saying so: bool, N x P."""
    negative = target == 0
    wanted = (NEGATIVES * (target > 0).sum(1, keepdim=True)).clamp(LEAST_NEGATIVES, target.shape[1])
    hardness = nothing_there(confidences.float().log_softmax(-1), possible[:, None])
    hardness.masked_fill_(~negative, float("-inf"))
    least = hardness.topk(int(wanted.max()), 1).values.gather(1, wanted - 1)
    return negative & (hardness >= least)


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

