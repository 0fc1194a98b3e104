# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tolerances of results relative to the double-precision reference, with reasons. They are defined only here.

All are relative to the largest value of the reference's output, as this is what matters: errors of small logits do not
change a result.
"""

# A single-precision network of 60 to 90 layers, with sums in any order and with or without fused multiply-adds, is
# within some 1e-5 of the exact result. A wrong border pixel, rounding of a size or activation causes 1e-3 or more.
LOGITS = 1e-4

# The random detectors in the test material amplify errors: the last bit of their input is 1e-5 of their largest output,
# and so is each rounding.
DETECTOR = 5e-4

# The reference itself, against outputs computed in double precision and stored in single precision. Also for priors,
# which take few operations.
REFERENCE = 1e-6

# Share of pixels with the same class. Differences are at borders between classes, where two logits are nearly equal.
ARGMAX = 0.9995

# Boxes: a decision between two outcomes (a score at the threshold, an overlap at the IoU threshold, two equal scores)
# may differ within these margins. For NMS of the same raw outputs in single precision ...
NMS_SAME_INPUT = 1e-5
# ... and of raw outputs that differ by DETECTOR of the largest confidence (about 25): a probability changes by less
# than its logit, a box edge and an IoU by less than the offset times its variance.
NMS_OTHER_INPUT = 5e-3

# Share of the reference's boxes that must be found with the same edges and score. If one decision differs, so do the
# boxes that it suppresses.
BOXES = 0.98

# With bfloat16 products. A bfloat16 has 8 bits, so every product is rounded by up to 2^-8, and a sum of hundreds by less
# than that, relative to its terms; through 60 to 90 layers this became 1.5e-2 of the largest logit in the published
# networks and 3.1e-2 in random ones, whose logits are smaller beside what they are made of. Detectors with random weights
# amplify rounding a hundredfold and are not held to anything.
BFLOAT16 = 6e-2
# Share of a golden file's pixels with the same class: 99.47 to 100 % were measured.
BFLOAT16_ARGMAX = 0.99
# Share of pixels that may change on photos, on average. It is 0.1 to 0.3 % for photos similar to the training data; up
# to 2.3 % for networks trained on Cityscapes with photos without streets, where confidences are low.
BFLOAT16_PIXELS = 0.04
# Share of photos whose likeliest class may change. Random classifiers hardly distinguish photos: the difference of the
# first two classes is 4e-2 of the largest logit, and bfloat16 changes them by 1.5e-2.
BFLOAT16_CLASSES = 0.15

# With 8-bit integers in the range of each tensor: 9.1e-2 of the largest logit was measured in the published networks,
# 1.3e-1 in random ones.
INT8 = 0.2
# 99.5 to 100 % were measured, 92.9 % for a picture of 191 x 175.
INT8_ARGMAX = 0.9
# On photos: 0.7 to 1.3 %; up to 7.7 % for networks trained on Cityscapes with photos without streets.
INT8_PIXELS = 0.15
# Random classifiers: 0 and 20 %.
INT8_CLASSES = 0.4

# With float16 or TF32 products, which have 11 bits: 1.9e-3 was measured in the published networks and most random ones,
# 7.4e-3 in one of these.
FLOAT16 = 1.2e-2
# 99.87 to 100 % were measured, the least in a picture of 64 x 48.
FLOAT16_ARGMAX = 0.998
