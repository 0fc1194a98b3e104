# SPDX-License-Identifier: LGPL-2.1-or-later
"""Classification, detection and segmentation: loss of a batch, and evaluation."""

import numpy as np
import torch

import anchorfree
import boxes
import dicenet
import guide
import judging
import losses
import ssd
from augment import normalise, views
from data import IGNORE, NO_BOX
from errors import ModelError
from network import Network

EVALUATION_BATCH = 32
# Biases of the anchor-free head in the beginning: scores of 0.01, boxes of four strides.
FIRST_LOGIT, FIRST_LOCATION = -4.6, 0.7


class Task:
    """`names` are the network's classes; `data_names` those of the photos."""

    background = None
    masks = False
    has_priors = False

    def __init__(self, config, names):
        self.config, self.names = config, names
        self.data_names = names

    def network(self):
        c = self.config
        net = dicenet.build(
            Network(
                task=c.task,
                scale=c.scale,
                classes=len(self.names),
                kernel_width=c.kernel_size,
                kernel_height=c.kernel_size,
                pyramid=c.pyramid,
                decoder_width=c.decoder_width,
                backbone=c.backbone,
                **self.head(),
            )
        )
        initialise(net)
        return net

    def head(self):
        """What the network's description has besides, of a detector's head."""
        return {}

    def check(self, records):
        """Raises ModelError if the task can't be learnt from `records`."""

    def prepare(self, records, root):
        """Reads what the task needs besides photos, for `records` below `root`; ModelError."""

    def views(self, batch, size):
        return views(batch, *size, self.config)

    def chunks(self, net, validation):
        """The network's outputs for all photos, in chunks."""
        net.eval()
        with torch.no_grad():
            for pixels in validation.pixels.split(EVALUATION_BATCH):
                yield net(normalise(pixels.float()))


def initialise(net):
    """He's initialisation by fan-out; small weights for the heads."""
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            fan = module.out_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            head = name.startswith(("cls_layers", "loc_layers", "classifier")) or module.bias is not None
            torch.nn.init.normal_(module.weight, 0, 0.01 if head else (2 / fan) ** 0.5)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)


class SingleLabel(Task):
    shown = ("top1", "top5")

    def network(self):
        net = super().network()
        net.classifier[1].p = self.config.dropout
        return net

    def check(self, records):
        if not all(r.label in self.names for r in records):
            raise ModelError("expected one label for each photo: a folder for each class, or multi_label = true")

    def loss(self, net, batch, size, _):
        logits = net(self.views(batch, size).x).float()
        smoothing = self.config.label_smoothing
        return {"loss": torch.nn.functional.cross_entropy(logits, batch.labels, label_smoothing=smoothing)}

    def evaluate(self, net, validation):
        scores = torch.cat(list(self.chunks(net, validation))).cpu().numpy()
        return {f"top{k}": judging.top_k(scores, validation.labels, k) for k in (1, 5)}


class MultiLabel(SingleLabel):
    shown = ("f1", "f1_per_class")

    def check(self, records):
        if not any(r.boxes is not None for r in records):
            raise ModelError("expected boxes, which say what classes a photo has: a COCO file or a VOC folder")

    def loss(self, net, batch, size, _):
        view = self.views(batch, size)
        seen = view.batch.classes
        count = len(self.names)
        hidden = torch.where(seen == IGNORE, batch.classes, torch.full_like(seen, NO_BOX))
        present = losses.present_classes(seen, count, view.batch.scores)
        known = batch.labelled & ((present > 0) | ~losses.present_classes(hidden, count))
        return {"loss": losses.multi_label(net(view.x), present, known)}

    def evaluate(self, net, validation):
        scores = torch.cat(list(self.chunks(net, validation))).sigmoid().cpu().numpy()
        true = np.array([[(classes == c).any() for c in range(len(self.names))] for _, classes in validation.boxes])
        return judging.multi_label(scores, true, validation.labelled, self.names)


class Detect(Task):
    shown = ("ap50", "ap")
    has_priors = True

    def __init__(self, config, names):
        super().__init__(config, names)
        self.data_names = names[1:]
        self.background = 0
        self.prior_sizes = tuple(config.prior_sizes or ssd.prior_sizes(min(config.size)))

    def check(self, records):
        if not any(r.boxes for r in records):
            raise ModelError("expected boxes: a COCO file or a VOC folder with Annotations")

    def priors(self, size, device):
        return boxes.priors(size[1], size[0], self.prior_sizes).to(device)

    def loss(self, net, batch, size, _):
        view = self.views(batch, size)
        seen = view.batch
        confidences, locations = net(view.x)
        priors = self.priors(size, view.x.device)
        known = seen.boxes, seen.classes, batch.labelled, seen.scores
        of_classes, of_boxes = losses.ssd(confidences, locations, priors, *known)
        return {"loss": of_classes + of_boxes, "loss_classes": of_classes, "loss_boxes": of_boxes}

    def found(self, confidences, locations):
        return boxes.detections(confidences, locations, self.priors(self.config.size, confidences.device))

    def evaluate(self, net, validation):
        photos, i = [], 0
        for outputs in self.chunks(net, validation):
            for found in self.found(*outputs):
                photos.append((*found, *validation.boxes[i], validation.labelled[i]))
                i += 1
        return judging.average_precision(photos, self.data_names)


class AnchorFree(Detect):
    has_priors = False
    guide = None

    def head(self):
        c = self.config
        return {"head": c.head, "head_width": c.head_width, "context_width": c.context_width}

    def network(self):
        net = super().network()
        for branches, bias in ((net.cls, FIRST_LOGIT), (net.loc, FIRST_LOCATION)):
            for branch in branches:
                torch.nn.init.constant_(branch[-1].bias, bias)
        return net

    def prepare(self, records, root):
        if self.config.guide:
            self.guide = guide.Guide(self.config.guide, records, root, self.data_names)

    def loss(self, net, batch, size, _):
        drawn = self.guide.draw(batch.indices, batch.sizes.device) if self.guide else None
        view = views(batch, *size, self.config, drawn and drawn[:2])
        seen, device = view.batch, view.x.device
        known = seen.boxes, seen.classes, batch.labelled, seen.scores
        guided = [x.to(device) for x in self.guide.at(drawn[2], *size)] if self.guide else None
        cells = boxes.cells(size[1], size[0]).to(device)
        of_classes, of_boxes = anchorfree.loss(*net(view.x), cells, *known, guided)
        return {"loss": of_classes + of_boxes, "loss_classes": of_classes, "loss_boxes": of_boxes}

    def found(self, confidences, locations):
        cells = boxes.cells(*self.config.size[::-1]).to(confidences.device)
        return boxes.cell_detections(confidences, locations, cells)


class Segment(Task):
    shown = ("miou", "pixels")
    masks = True

    def __init__(self, config, names):
        super().__init__(config, names)
        self.background = names.index("background") if "background" in names else -1
        # The decoder's width is half the number of classes: unused classes widen it.
        self.names = names + [f"unused {k}" for k in range(len(names), config.least_classes)]

    def check(self, records):
        if not any(r.mask or r.polygons for r in records) and not self.config.teacher:
            raise ModelError("expected masks: folders images and masks, VOC's SegmentationClass, or COCO's polygons")

    def loss(self, net, batch, size, teacher):
        view = self.views(batch, size)
        half = net.half(view.x)
        supervised = losses.segmentation(dicenet.up(half, *view.x.shape[2:]), view.batch.masks)
        if teacher is None:
            return {"loss": supervised}
        with torch.no_grad():
            wanted = teacher.half(view.x)
        where = view.inside[:, ::2, ::2]
        imitation = losses.distillation(half, wanted, where)
        total = supervised + self.config.distill * imitation
        return {"loss": total, "loss_masks": supervised, "loss_teacher": imitation}

    def evaluate(self, net, validation):
        masks = [mask for logits in self.chunks(net, validation) for mask in logits.argmax(1).byte().cpu().numpy()]
        return judging.segmentation(masks, validation.masks.cpu().numpy(), self.names, self.config.min_images)


def make(config, names):
    """Creates the task of `config`; `names` are those of the data, to which background is added if the network needs
    it."""
    if config.task == "detect" or (config.task == "segment" and config.classes is None):
        names = ["background"] + [name for name in names if name != "background"]
    if len(names) < (1 if config.task == "classify" else 2):
        raise ModelError('the data does not name its classes: expected classes = ["background", ...], or --classes')
    kinds = {
        "classify": MultiLabel if config.multi_label else SingleLabel,
        "detect": AnchorFree if config.head == "anchor-free" else Detect,
        "segment": Segment,
    }
    return kinds[config.task](config, names)
