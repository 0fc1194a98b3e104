# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far results may be from the double-precision reference, and why. Nowhere else.

Everything is relative to the largest value of the reference's output, because that is what decides: errors of small
logits do not change a result.
"""

# A single-precision network of 60 to 90 layers, its sums in any order and with or without fused multiply-adds, ends
# within some 1e-5 of the exact result. A wrong border pixel, a wrong rounding of a size or a wrong activation is 1e-3
# and more.
LOGITS = 1e-4

# The random detectors among the test material amplify: the last bit of their input is 1e-5 of their largest output, and
# so is every rounding on the way.
DETECTOR = 5e-4

# The reference itself, against outputs that were computed in double precision and stored in single precision. Priors,
# too, which take a handful of operations.
REFERENCE = 1e-6

# Share of pixels with the same class. What differs lies on borders between classes, where two logits are equal but
# for rounding.
ARGMAX = 0.9995

# Boxes: what decides between two outcomes (a score at the threshold, an overlap at the IoU threshold, two equal
# scores) may go either way within these. For suppression done on the same raw outputs in single precision ...
NMS_SAME_INPUT = 1e-5
# ... and on raw outputs that differ by DETECTOR of the largest confidence (about 25): a probability moves by less than
# the logit does, a box edge and an IoU by less than the offset times its variance.
NMS_OTHER_INPUT = 5e-3

# Share of the reference's boxes that must be found again with the same edges and score. Where one decision went the
# other way, the boxes that it suppresses, or no longer does, are different ones.
BOXES = 0.98

# With bfloat16 products. A bfloat16 has 8 bits, so every product is rounded by up to 2^-8, and a sum of hundreds by less
# than that, relative to its terms; through 60 to 90 layers this became 1.5e-2 of the largest logit in the published
# networks and 3.1e-2 in random ones, whose logits are smaller beside what they are made of. Detectors with random weights
# amplify rounding a hundredfold and are not held to anything.
BFLOAT16 = 6e-2
# Share of a golden file's pixels with the same class: 99.47 to 100 % were seen.
BFLOAT16_ARGMAX = 0.99
# Share of the pixels that may change on photos, on average. 0.1 to 0.3 % do where a network sees what it was trained on;
# up to 2.3 % where Cityscapes' see no street at all and little is certain.
BFLOAT16_PIXELS = 0.04
# Share of the photos whose likeliest class may change. Random classifiers tell photos hardly apart: the first of the
# classes is 4e-2 of the largest logit above the second, bfloat16 moves them by 1.5e-2.
BFLOAT16_CLASSES = 0.15

# With float16 or TF32 products, which have 11 bits: an eighth of bfloat16's.
FLOAT16 = 8e-3
