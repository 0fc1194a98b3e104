# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random views of photos, computed for a whole batch at once, on its device.

Each photo is seen through a window: a rectangle that may be smaller than the photo (a crop), larger (objects become
smaller, surrounded by the mean colour) or of another shape (squeezed). It is resampled to the network's input in one
pass.
"""

from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F

import fused
from data import IGNORE, NO_BOX, UNKNOWN, Batch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHARPEST = 1.25  # photo pixels per input pixel above which pixels are averaged, as Pillow does
LEAST_VISIBLE = 0.35  # visible share of an object; below it, the object is ignored


@dataclass
class Views:
    """A batch as the network gets it."""

    x: torch.Tensor  # N x 3 x H x W, normalised
    inside: torch.Tensor  # bool, N x H x W: where the photo is
    batch: Batch  # its masks (int64, N x H x W), boxes and classes are those of the view


def normalise(pixels):
    """Converts pixels from 0 to 255 to the network's input."""
    mean = 255 * torch.tensor(MEAN, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / (255 * torch.tensor(STD, device=pixels.device).view(3, 1, 1))


def uniform(low, high, *shape, device):
    return low + (high - low) * torch.rand(*shape, device=device)


def log_uniform(low, high, *shape, device="cpu"):
    return uniform(log(low), log(high), *shape, device=device).exp()


def draw_size(width, height, sides, aspects, multiple=32):
    """Random width and height of a batch; a quarter of the time the given ones. `sides` is the range of the factor on
    both, `aspects` the range of an additional factor on width / height."""
    fixed = sides[0] == sides[1] and aspects[0] == aspects[1]
    if fixed or torch.rand(1).item() < 0.25:
        return width, height
    side, stretch = log_uniform(*sides, 1).item(), log_uniform(*aspects, 1).item() ** 0.5
    drawn = width * side * stretch, height * side / stretch
    return tuple(max(multiple, multiple * round(n / multiple)) for n in drawn)


def draw_windows(batch, width, height, recipe):
    """Windows as N x 4: x, y, width, height in the photos' pixels."""
    n, device = len(batch.sizes), batch.sizes.device
    size = batch.sizes
    area = size.prod(1) * log_uniform(*recipe.zoom, n, device=device) ** 2
    # From the photo's own shape, squeezed to the input, to the input's shape, which crops or adds margins.
    towards = uniform(0, 1, n, device=device)
    shape = (1 - towards) * (size[:, 0] / size[:, 1]).log() + towards * log(width / height)
    aspect = shape.exp() * log_uniform(1 / recipe.stretch, recipe.stretch, n, device=device)
    window = torch.stack(((area * aspect).sqrt(), (area / aspect).sqrt()), 1)
    corner = (size - window) * uniform(0, 1, n, 2, device=device)
    if recipe.focus and batch.classes is not None:
        corner = towards_object(batch, corner, window, recipe.focus)
    return torch.cat((corner, window), 1)


def towards_object(batch, corner, window, chance):
    """With this chance, moves the window so that the centre of a random object is in it."""
    real = (batch.classes >= 0).float()
    chosen = torch.multinomial(real + 1e-6, 1)[:, 0]
    rows = torch.arange(len(chosen), device=chosen.device)
    box = batch.boxes[rows, chosen]
    middle = (box[:, :2] + box[:, 2:]) / 2 * batch.sizes
    moved = torch.minimum(torch.maximum(corner, middle - 0.9 * window), middle - 0.1 * window)
    use = (real[rows, chosen] > 0) & (torch.rand(len(chosen), device=chosen.device) < chance)
    return torch.where(use[:, None], moved, corner)


def grid_of(windows, flip, width, height):
    """Positions in the photo, in pixels, of height x width points: N x height x width, x then y."""
    device = windows.device
    u = (torch.arange(width, device=device) + 0.5) / width
    v = (torch.arange(height, device=device) + 0.5) / height
    u = torch.where(flip[:, None], 1 - u, u)
    x = windows[:, 0, None] + u * windows[:, 2, None]
    y = windows[:, 1, None] + v * windows[:, 3, None]
    return x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)


def sample(planes, sizes, x, y, mode):
    """Values of N x C x S x S at pixels x, y of each photo; clamped to the photo's edge."""
    side = planes.shape[-1]
    limit = sizes[:, :, None, None]
    x = torch.minimum(x.clamp(min=0.5), limit[:, 0] - 0.5)
    y = torch.minimum(y.clamp(min=0.5), limit[:, 1] - 0.5)
    grid = torch.stack((x, y), -1) * (2 / side) - 1
    return F.grid_sample(planes.float(), grid, mode, "border", align_corners=False)


def pixels_of(batch, windows, flip, shrink, width, height):
    """The windows' pixels, 0 to 255."""
    pixels = sample(batch.canvas, batch.sizes, *grid_of(windows, flip, width, height), "bilinear")
    if shrink.any():
        few = Batch(batch.canvas[shrink], batch.sizes[shrink])
        fine = sample(few.canvas, few.sizes, *grid_of(windows[shrink], flip[shrink], 2 * width, 2 * height), "bilinear")
        pixels[shrink] = F.avg_pool2d(fine, 2)
    return pixels


def draw_colours(n, strength, device):
    """Random factors from 1 - strength to 1 + strength for brightness, contrast and saturation: n x 3, or None."""
    if not strength:
        return None
    return torch.stack([uniform(1 - strength, 1 + strength, n, device=device) for _ in range(3)], 1)


def recolour(pixels, factors):
    if factors is None:
        return pixels
    brightness, contrast, saturation = factors.t()[..., None, None, None]
    pixels = pixels * brightness
    middle = pixels.mean((1, 2, 3), keepdim=True)
    pixels = middle + (pixels - middle) * contrast
    grey = pixels.mean(1, keepdim=True)
    return (grey + (pixels - grey) * saturation).clamp(0, 255)


def seen_pixels(batch, windows, flip, colours, width, height):
    """The network's input, normalised, and where the photo is."""
    shrink = torch.maximum(windows[:, 2] / width, windows[:, 3] / height) > SHARPEST
    if windows.device.type == "cpu" and fused.library:
        scaled = ([255 * n for n in numbers] for numbers in (MEAN, STD))
        return fused.views(batch, windows, flip, shrink, colours, width, height, *scaled)
    x, y = grid_of(windows, flip, width, height)
    limit = batch.sizes[:, :, None, None]
    inside = (x >= 0) & (y >= 0) & (x < limit[:, 0]) & (y < limit[:, 1])
    pixels = recolour(pixels_of(batch, windows, flip, shrink, width, height), colours)
    return normalise(pixels) * inside[:, None], inside


def seen_boxes(batch, windows, flip):
    """Boxes as fractions of the window, clipped to it, and classes: IGNORE for objects that are hardly visible."""
    photo = batch.sizes.repeat(1, 2)[:, None]
    corner, window = windows[:, :2].repeat(1, 2)[:, None], windows[:, 2:].repeat(1, 2)[:, None]
    boxes = (batch.boxes * photo - corner) / window
    flipped = torch.stack((1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]), -1)
    boxes = torch.where(flip[:, None, None], flipped, boxes)
    cut = boxes.clamp(0, 1)
    whole, seen = ((b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (boxes, cut))
    visible = seen / whole.clamp(min=1e-12)
    classes = batch.classes.clone()
    classes[(visible < LEAST_VISIBLE) & (classes >= 0)] = IGNORE
    classes[seen <= 0] = NO_BOX
    return cut, classes


def draw_flips(n, recipe, device="cpu"):
    return torch.rand(n, device=device) < (0.5 if recipe.flip else 0)


def views(batch, width, height, recipe, drawn=None):
    """A random view of each photo. `recipe` has zoom, stretch, focus, flip and colour, as in config.py. `drawn`: the
    windows and flips, if they are given."""
    windows, flip = drawn or (
        draw_windows(batch, width, height, recipe),
        draw_flips(len(batch.sizes), recipe, batch.sizes.device),
    )
    colours = draw_colours(len(windows), recipe.colour, windows.device)
    x, inside = seen_pixels(batch, windows, flip, colours, width, height)
    seen = Batch(batch.canvas, batch.sizes, labelled=batch.labelled, labels=batch.labels, scores=batch.scores)
    if batch.classes is not None:
        seen.boxes, seen.classes = seen_boxes(batch, windows, flip)
    if batch.masks is not None:
        grid = grid_of(windows, flip, width, height)
        mask = sample(batch.masks[:, None], batch.sizes, *grid, "nearest")[:, 0].round().long()
        seen.masks = torch.where(inside, mask, torch.full_like(mask, UNKNOWN))
    return Views(x, inside, seen)
