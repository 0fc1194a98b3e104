# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records as tensors: photos and masks as bytes on the device, boxes as fractions of their photo.

Decoding JPEGs is too slow to keep a GPU busy, so photos are decoded once if they fit in memory; otherwise threads
decode the next batch in advance.
"""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

import sources
from errors import ModelError

UNKNOWN = 255  # in a mask
IGNORE, NO_BOX = -1, -2  # as a class: a region to ignore, and no box
MEMORY_SHARE = 0.5  # of free memory, for photos


@dataclass
class Batch:
    """Optional fields depend on the records; N photos, at most M boxes."""

    canvas: torch.Tensor  # uint8, N x 3 x S x S, photos in the upper left corner
    sizes: torch.Tensor  # N x 2, widths and heights of the photos
    masks: torch.Tensor = None  # uint8, N x S x S
    boxes: torch.Tensor = None  # N x M x 4: x0, y0, x1, y1 as fractions of the photo
    classes: torch.Tensor = None  # N x M, from 0, or IGNORE, or NO_BOX
    labelled: torch.Tensor = None  # bool, N x classes: all objects of the class are annotated
    labels: torch.Tensor = None  # N, from 0; -1: none
    scores: torch.Tensor = None  # N x M, of the boxes: 1 if they are certain
    indices: torch.Tensor = None  # N, of the photos


def decode(record, names, side, masks):
    """Returns the photo (H x W x 3), its size in the file and, if `masks`, its mask (H x W), scaled down to `side`."""
    try:
        photo = Image.open(io.BytesIO(sources.read_bytes(record.photo)))
        size = photo.size
        shrunk = tuple(max(1, round(n * min(1, side / max(size)))) for n in size)
        photo.draft("RGB", shrunk)  # fast scaling in the JPEG decoder, to no less than this
        photo = photo.convert("RGB").resize(shrunk, Image.BILINEAR)
        mask = np.asarray(mask_of(record, names, size).resize(shrunk, Image.NEAREST)) if masks else None
    except (OSError, ValueError, SyntaxError, KeyError) as error:
        raise ModelError(f"{record.photo}: cannot be read as a picture: {error}") from None
    if masks and (beyond := mask[(mask >= len(names)) & (mask != UNKNOWN)]).size:
        raise ModelError(f"{record.mask}: expected classes from 0 to {len(names) - 1}, or 255, found {beyond.max()}")
    return np.asarray(photo), size, mask


def mask_of(record, names, size):
    if record.mask:
        mask = Image.open(io.BytesIO(sources.read_bytes(record.mask)))
        if mask.mode not in ("P", "L") or mask.size != size:
            raise ModelError(
                f"{record.mask}: expected a palette or grey picture of {size[0]} x {size[1]} with a class in each "
                f"pixel, found {mask.mode} of {mask.size[0]} x {mask.size[1]}"
            )
        return Image.frombytes("L", mask.size, mask.tobytes())
    if record.polygons is None:
        return Image.new("L", size, UNKNOWN)
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    for name, ring in record.polygons:
        if name is None or name in names:
            draw.polygon([tuple(p) for p in zip(ring[::2], ring[1::2])], fill=names.index(name) if name else UNKNOWN)
    return mask


def free_memory(device):
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device.index)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Photos:
    """The photos of `records` with their annotations; `names` are the classes, without a detector's background."""

    def __init__(self, records, names, side, device, masks=False, streamed=None):
        self.records, self.names, self.side, self.device, self.with_masks = records, names, side, device, masks
        self.start_threads()
        self.labels = torch.tensor([names.index(r.label) if r.label in names else -1 for r in records], device=device)
        self.labelled = torch.tensor(
            [[r.boxes is not None and (r.labelled is None or n in r.labelled) for n in names] for r in records],
            device=device,
        )
        if streamed is None:
            streamed = len(records) * side**2 * (3 + masks) > MEMORY_SHARE * free_memory(device)
        self.memory = None if streamed else self.load(np.arange(len(records)), tight=True)

    def __len__(self):
        return len(self.records)

    def start_threads(self):
        """Also called in a forked process, where threads do not exist."""
        self.pool = ThreadPoolExecutor(os.cpu_count())
        self.ahead = ThreadPoolExecutor(1)

    def load(self, indices, tight=False):
        """Decodes photos. With `tight`, the canvas has the size of the largest of them."""
        chosen = [self.records[i] for i in indices]
        decoded = list(self.pool.map(lambda r: decode(r, self.names, self.side, self.with_masks), chosen))
        side = max(max(photo.shape) for photo, _, _ in decoded) if tight else self.side
        canvas = np.zeros((len(decoded), 3, side, side), np.uint8)
        masks = np.full((len(decoded), side, side), UNKNOWN, np.uint8) if self.with_masks else None
        for i, (photo, _, mask) in enumerate(decoded):
            h, w, _ = photo.shape
            canvas[i, :, :h, :w] = photo.transpose(2, 0, 1)
            if masks is not None:
                masks[i, :h, :w] = mask
        boxes, classes, scores = self.boxes(indices, [size for _, size, _ in decoded])
        sizes = np.array([photo.shape[1::-1] for photo, _, _ in decoded], np.float32)
        arrays = dict(canvas=canvas, sizes=sizes, masks=masks, boxes=boxes, classes=classes, scores=scores)
        return Batch(**{k: torch.from_numpy(a).to(self.device) for k, a in arrays.items() if a is not None})

    def boxes(self, indices, sizes):
        """Boxes as fractions, padded to the same number, with their classes and scores."""
        index = {name: i for i, name in enumerate(self.names)}
        found = []
        for i, (w, h) in zip(indices, sizes):
            known = [b for b in self.records[i].boxes or () if b[0] is None or b[0] in index]
            known = [(n, x0 / w, y0 / h, x1 / w, y1 / h, *(s or [1])) for n, x0, y0, x1, y1, *s in known]
            soft = [b for b in self.records[i].soft or () if b[0] is None or b[0] in index]
            found.append([(index.get(name, IGNORE), *rest) for name, *rest in known + soft])
        most = max(1, max(len(f) for f in found))
        padded = np.array([f + [(NO_BOX, 0, 0, 0, 0, 1)] * (most - len(f)) for f in found], np.float32)
        return padded[..., 1:5].clip(0, 1), padded[..., 0].astype(np.int64), padded[..., 5].copy()

    def batch(self, indices):
        at = indices.to(self.device)
        if self.memory is None:
            batch = self.load(indices.tolist())
        else:
            m = self.memory
            batch = Batch(**{key: x[at] for key, x in vars(m).items() if x is not None})
            present = max(1, int((batch.classes != NO_BOX).sum(1).max()))
            for key in ("boxes", "classes", "scores"):
                setattr(batch, key, getattr(batch, key)[:, :present])
        batch.labelled, batch.labels, batch.indices = self.labelled[at], self.labels[at], indices
        return batch

    def batches(self, order):
        """A batch for each tensor of indices in `order`; if photos are decoded on demand, the next batch is decoded
        meanwhile."""
        if self.memory is not None:
            yield from map(self.batch, order)
            return
        pending = None
        for indices in order:
            pending, done = self.ahead.submit(self.batch, indices), pending
            if done:
                yield done.result()
        if pending:
            yield pending.result()


def squeezed(photo, width, height, crop):
    """Resizes a photo to the network's size: all of it, or (`crop`) the centre, 224/256 of its short side."""
    if not crop:
        return photo.resize((width, height), Image.BILINEAR)
    scale = max(width, height) * 256 / 224 / min(photo.size)
    photo = photo.resize([max(round(n * scale), round(m)) for n, m in zip(photo.size, (width, height))], Image.BILINEAR)
    x, y = (photo.width - width) // 2, (photo.height - height) // 2
    return photo.crop((x, y, x + width, y + height))


class Validation:
    """Photos at the network's size, resized by Pillow to match the preprocessing in use, with their annotations."""

    def __init__(self, records, names, width, height, device, masks=False, crop=False):
        self.records, self.names, self.device = records, names, device
        self.labels = np.array([names.index(r.label) if r.label in names else -1 for r in records])
        self.labelled = np.array(
            [[r.boxes is not None and (r.labelled is None or n in r.labelled) for n in names] for r in records]
        )

        def load(record):
            photo, size, mask = decode(record, names, 1 << 16, masks)
            small = squeezed(Image.fromarray(photo), width, height, crop)
            mask = Image.fromarray(mask).resize((width, height), Image.NEAREST) if masks else None
            return np.asarray(small).transpose(2, 0, 1), size, None if mask is None else np.asarray(mask)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            loaded = list(pool.map(load, records))
        self.pixels = torch.from_numpy(np.stack([photo for photo, _, _ in loaded])).to(device)
        self.masks = torch.from_numpy(np.stack([mask for _, _, mask in loaded])).to(device) if masks else None
        index = {name: i for i, name in enumerate(names)}
        self.boxes = []  # per photo: boxes as fractions, and classes
        for record, (_, (w, h), _) in zip(records, loaded):
            known = [b for b in record.boxes or () if b[0] is None or b[0] in index]
            self.boxes.append(
                (
                    np.array([b[1:5] for b in known]).reshape(-1, 4) / (w, h, w, h),
                    np.array([index.get(b[0], IGNORE) for b in known], np.int64),
                )
            )

    def __len__(self):
        return len(self.records)
