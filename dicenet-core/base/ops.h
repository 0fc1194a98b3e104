/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions that the network description and the kernels share. */

typedef enum {
  DICENET_ACTIVATION_NONE,
  DICENET_ACTIVATION_PRELU,
  DICENET_ACTIVATION_RELU,
  DICENET_ACTIVATION_SIGMOID,
} DicenetActivation;

/* An EPP unit is ESPNetv2's EPP without its first and last pointwise convolutions: each channel is scaled, convolved
 * and scaled back at five scales; BatchNorm, PReLU and a 3 x 3 convolution of the five planes into one follow. The
 * first two scales are above the input's, the third is the input's own, the others are below. */
#define DICENET_EPP_BRANCHES 5
#define DICENET_EPP_IDENTITY 2
