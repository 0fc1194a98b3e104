/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Words that the description of a network and the kernels that compute it have in common. */

typedef enum {
  DICENET_ACTIVATION_NONE,
  DICENET_ACTIVATION_PRELU,
  DICENET_ACTIVATION_RELU,
  DICENET_ACTIVATION_SIGMOID,
} DicenetActivation;

/* An EPP unit (ESPNetv2's EPP without its pointwise ends): each channel is scaled, convolved and scaled back at
 * five scales, then follow BatchNorm, PReLU, and a 3 x 3 convolution of those five into one. The first two scales are
 * above the input's, the third is its own, the others are below. */
#define DICENET_EPP_BRANCHES 5
#define DICENET_EPP_IDENTITY 2
