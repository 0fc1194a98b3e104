# SPDX-License-Identifier: LGPL-2.1-or-later
"""The anchor-free head's targets and loss: which cells learn an object, and what.

Of the cells whose centre is in an object's box, or within a stride of the box's centre, the TOP ones of the highest
quality = sqrt(score of the class) * IoU^6 learn it (as in TOOD, Feng et al., 2021). A cell that several objects chose
learns the one that its box overlaps most. The target of its score is its quality relative to the best one of the
object, times the best IoU: scores rank how well boxes fit, so that NMS keeps the best.

Scores and boxes are those of the network itself, or of a guide: a trained detector with the same cells that saw the
same view. A guide knows from the first step on which cells find an object, and what it finds elsewhere is learnt, too,
except for classes that are known to be absent.
"""

import torch
import torch.nn.functional as F

from boxes import aligned_ious, decode_cells, iou
from data import IGNORE
from losses import present_classes

TOP, POWER = 10, 6
LEAST_IOU = 0.3  # minimum target of an object's best cell: boxes do not fit yet when a run begins
BOX_WEIGHT = 2.0
NEGATIVE = 0.75  # weight of wrong scores, times the square of the score, as in VarifocalNet (Zhang et al., 2021)
CLEAR = 0.1  # minimum score of what a guide finds for its box to be learnt


def inside(centres, boxes):
    """C x M: which centres are in which boxes."""
    return ((centres[:, None] > boxes[:, :2]) & (centres[:, None] < boxes[:, 2:])).all(-1)


def near(cells, boxes):
    """C x M: which cells may learn which objects; a small object has at least the cell that it lies in."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return ((cells[:, None, :2] - middle).abs() < torch.maximum(half, cells[:, None, 2:])).all(-1)


def assign(scores, found, cells, boxes, classes, sure):
    """Targets of one photo's cells. `scores` (C x classes) and `found` (C x 4) are what decides, `sure` (M) the
    confidence in each object. Returns targets (C x classes), the index of the object that each cell learns (C; -1:
    none), and the cells in regions to ignore."""
    target, which = torch.zeros_like(scores), scores.new_full((len(scores),), -1, dtype=torch.long)
    ignored = inside(cells[:, :2], boxes[classes == IGNORE]).any(1)
    real = (classes >= 0).nonzero()[:, 0]
    if not len(real):
        return target, which, ignored
    wanted, label = boxes[real], classes[real]
    overlap = iou(found, wanted)  # C x M
    quality = scores[:, label].clamp(min=1e-4).sqrt() * overlap.clamp(min=1e-2) ** POWER * near(cells, wanted)
    top = quality.topk(min(TOP, len(quality)), 0)
    chosen = torch.zeros_like(quality, dtype=torch.bool).scatter_(0, top.indices, top.values > 0)
    best = torch.where(chosen, overlap + 1e-6, 0.0).max(1)
    chosen &= F.one_hot(best.indices, len(real)).bool() & (best.values > 0)[:, None]
    quality, overlap = quality * chosen, overlap * chosen
    share = quality / quality.amax(0).clamp(min=1e-30) * overlap.amax(0).clamp(min=LEAST_IOU) * sure[real]
    cell = (best.values > 0).nonzero()[:, 0]
    at = best.indices[cell]
    target[cell, label[at]] = share[cell, at]
    which[cell] = real[at]
    return target, which, ignored & (which < 0)


def loss(logits, locations, cells, boxes, classes, labelled, sure, guide=None):
    """Class loss and box loss. `guide`: its scores (N x C x classes) and boxes (N x C x 4) at the cells."""
    logits, found = logits.float(), decode_cells(locations.float(), cells)
    score = logits.detach().sigmoid()
    with torch.no_grad():
        deciding = zip(*(guide or (score, found)), boxes, classes, sure)
        made = [assign(s, f, cells, b, c, w) for s, f, b, c, w in deciding]
        target, which, ignored = (torch.stack(part) for part in zip(*made))
        of_object = which >= 0
        if guide:
            possible = ~labelled | present_classes(classes, labelled.shape[1])
            target = torch.where(of_object[..., None], target, guide[0] * possible[:, None])
            ignored = torch.zeros_like(ignored)  # it says what is there
        worth = target.amax(-1)
        counts = (labelled[:, None] | (target > 0)) & ~ignored[..., None]
        weight = (target + NEGATIVE * score.square() * (1 - target)) * counts
        total = target.sum().clamp(min=1)
        wanted = guide[1].clamp(0, 1) if guide else torch.zeros_like(found)
        photo, cell = of_object.nonzero(as_tuple=True)
        wanted[photo, cell] = boxes[photo, which[photo, cell]]
    of_classes = (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum() / total
    photo, cell = (of_object | (worth > CLEAR)).nonzero(as_tuple=True)
    _, generalised = aligned_ious(found[photo, cell], wanted[photo, cell])
    return of_classes, BOX_WEIGHT * (worth[photo, cell] * (1 - generalised)).sum() / total
