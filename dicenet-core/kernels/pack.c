/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack.h"

#include <math.h>
#include <string.h>

static size_t
block_of (const DicenetDense *conv, unsigned i, unsigned block, unsigned blocks)
{
  const unsigned group = conv->cout / conv->groups;
  return (size_t) (i / group) * blocks + i % group / block;
}

/* Position of output channel @i in its block. */
static unsigned
lane_of (const DicenetDense *conv, unsigned i, unsigned block)
{
  return i % (conv->cout / conv->groups) % block;
}

static size_t
inputs_of (const DicenetDense *conv)
{
  return (size_t) (conv->cin / conv->groups) * conv->kernel * conv->kernel;
}

size_t
dicenet_blocks_floats (const DicenetDense *conv)
{
  return (size_t) conv->groups * dicenet_conv_blocks (conv->cout, conv->groups) * inputs_of (conv) * DICENET_BLOCK;
}

void
dicenet_pack_blocks (const DicenetDense *conv, const float *plain, float *to)
{
  const unsigned blocks = dicenet_conv_blocks (conv->cout, conv->groups);
  const size_t m = inputs_of (conv);

  memset (to, 0, dicenet_blocks_floats (conv) * sizeof *to);
  for (unsigned i = 0; i < conv->cout; i++) {
    float *block = to + block_of (conv, i, DICENET_BLOCK, blocks) * m * DICENET_BLOCK;
    for (size_t k = 0; k < m; k++)
      block[k * DICENET_BLOCK + lane_of (conv, i, DICENET_BLOCK)] = plain[i * m + k];
  }
}

size_t
dicenet_winograd_floats (const DicenetDense *conv)
{
  return dicenet_blocks_floats (conv) / 9 * 16;
}

/* Element @k of G g G'. */
static float
transformed (const float *g, unsigned k)
{
  static const double rows[4][3] = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };
  double sum = 0;

  for (unsigned a = 0; a < 3; a++)
    for (unsigned b = 0; b < 3; b++)
      sum += rows[k / 4][a] * (double) g[3 * a + b] * rows[k % 4][b];
  return (float) sum;
}

void
dicenet_pack_winograd (const DicenetDense *conv, const float *plain, float *to)
{
  const unsigned blocks = dicenet_conv_blocks (conv->cout, conv->groups), channels = conv->cin / conv->groups;

  memset (to, 0, dicenet_winograd_floats (conv) * sizeof *to);
  for (unsigned i = 0; i < conv->cout; i++) {
    float *block = to + block_of (conv, i, DICENET_BLOCK, blocks) * 16 * channels * DICENET_BLOCK;
    for (unsigned k = 0; k < 16 * channels; k++)
      block[(size_t) k * DICENET_BLOCK + lane_of (conv, i, DICENET_BLOCK)] =
          transformed (plain + ((size_t) i * channels + k % channels) * 9, k / channels);
  }
}

void
dicenet_pack_bf16 (const DicenetDense *conv, const float *plain, DicenetBf16 *to)
{
  const unsigned blocks = dicenet_bf16_blocks (conv->cout, conv->groups), channels = conv->cin / conv->groups;
  const unsigned taps = conv->kernel * conv->kernel;
  const size_t size = dicenet_bf16_pairs (channels, 1, conv->kernel) * 2 * DICENET_BF16_BLOCK;

  memset (to, 0, dicenet_bf16_weights (conv->cin, conv->cout, conv->groups, conv->kernel) * sizeof *to);
  for (unsigned i = 0; i < conv->cout; i++) {
    DicenetBf16 *block = to + block_of (conv, i, DICENET_BF16_BLOCK, blocks) * size;
    for (unsigned c = 0; c < channels; c++) {
      for (unsigned t = 0; t < taps; t++) {
        const size_t pair = (size_t) (c / 2) * taps + t;
        block[(pair * DICENET_BF16_BLOCK + lane_of (conv, i, DICENET_BF16_BLOCK)) * 2 + c % 2] =
            dicenet_bf16_round (plain[((size_t) i * channels + c) * taps + t]);
      }
    }
  }
}

static float
largest (const float *x, size_t n)
{
  float most = 0;

  for (size_t i = 0; i < n; i++)
    most = fabsf (x[i]) > most ? fabsf (x[i]) : most;
  return most;
}

/* Scale of an output channel with @m weights; 0 if it is dead. */
static float
int8_scale (const float *plain, size_t m)
{
  const float scale = largest (plain, m) / 127;
  return isfinite (scale) && scale > 1e-30f ? scale : 0;
}

static int
int8_weight (float value, float scale)
{
  const int rounded = (int) lrintf (value / scale);
  return rounded > 127 ? 127 : rounded < -127 ? -127 : rounded;
}

/* Output channel @i: its weights from @block on, and their sum. */
static int32_t
pack_int8_channel (const DicenetDense *conv, unsigned i, const float *plain, float scale, int8_t *block)
{
  const unsigned taps = conv->kernel * conv->kernel, lane = lane_of (conv, i, DICENET_INT8_BLOCK);
  int32_t sum = 0;

  for (size_t k = 0; k < inputs_of (conv) && scale > 0; k++) {
    const size_t channel = k / taps, unit = channel / DICENET_INT8_QUAD * taps + k % taps;
    const int weight = int8_weight (plain[k], scale);
    block[(unit * DICENET_INT8_BLOCK + lane) * DICENET_INT8_QUAD + channel % DICENET_INT8_QUAD] = (int8_t) weight;
    sum += weight;
  }
  return sum;
}

void
dicenet_pack_int8 (const DicenetDense *conv, const float *plain, void *to)
{
  const unsigned blocks = dicenet_int8_blocks (conv->cout, conv->groups);
  const size_t channels = (size_t) conv->groups * blocks * DICENET_INT8_BLOCK, m = inputs_of (conv);
  const size_t unit_floats = dicenet_int8_units (conv->cin, conv->groups, conv->kernel) * DICENET_INT8_BLOCK;
  float *scales = to, *weights = scales + 2 * channels;
  int32_t *sums = (int32_t *) (scales + channels);

  memset (to, 0, dicenet_int8_floats (conv->cin, conv->cout, conv->groups, conv->kernel) * sizeof *scales);
  for (unsigned i = 0; i < conv->cout; i++) {
    const size_t block = block_of (conv, i, DICENET_INT8_BLOCK, blocks);
    const size_t at = block * DICENET_INT8_BLOCK + lane_of (conv, i, DICENET_INT8_BLOCK);
    const float *channel = plain + i * m;
    scales[at] = int8_scale (channel, m);
    sums[at] = pack_int8_channel (conv, i, channel, scales[at], (int8_t *) (weights + block * unit_floats));
  }
}

void
dicenet_correct_int8 (const DicenetDense *conv, const float *plain, const float *means, float *bias)
{
  const size_t m = inputs_of (conv), taps = (size_t) conv->kernel * conv->kernel;

  for (unsigned i = 0; i < conv->cout; i++) {
    const float *channel = plain + i * m, *inputs = means + i / (conv->cout / conv->groups) * (m / taps);
    const float scale = int8_scale (channel, m);
    double lost = 0;
    for (size_t k = 0; k < m && scale > 0; k++)
      lost +=
          ((double) channel[k] - (double) int8_weight (channel[k], scale) * (double) scale) * (double) inputs[k / taps];
    bias[i] += (float) lost;
  }
}

void
dicenet_pack_columns (unsigned n, const float *plain, float *to)
{
  const size_t stride = dicenet_padded_stride (n);

  for (size_t tap = 0; tap < 9; tap++)
    for (size_t i = 0; i < stride; i++)
      to[tap * stride + i] = i < n ? plain[9 * i + tap] : 0;
}

void
dicenet_pack_transposed (unsigned n, const float *plain, float *to)
{
  for (size_t i = 0; i < 9 * (size_t) n; i++)
    to[i] = plain[i / 9 * 9 + i % 3 * 3 + i % 9 / 3];
}

/* Adds the contribution of a branch, weight * PReLU (scale * x + bias). */
static void
add_branch (const DicenetBranches *plain, size_t at, unsigned branch, DicenetFusion *to)
{
  const float scale = plain->branch_scale[at], bias = plain->branch_bias[at], slope = plain->branch_slope[at],
              weight = plain->fuse_weight[at], offset = bias / scale;

  if (fabsf (offset) < 1e30f) {
    to->offset[branch] = offset;
    to->positive[branch] = weight * scale * (scale > 0 ? 1 : slope);
    to->negative[branch] = weight * scale * (scale > 0 ? slope : 1);
  } else /* the scale is 0 or as good as 0 */
    to->bias += weight * (bias > 0 ? bias : bias * slope);
}

void
dicenet_pack_fusion (unsigned channels, const DicenetBranches *plain, DicenetFusion *to)
{
  for (unsigned c = 0; c < channels; c++) {
    to[c] = (DicenetFusion){ .bias = plain->fuse_bias[c], .slope = plain->fuse_slope[c] };
    for (unsigned b = 0; b < 3; b++)
      add_branch (plain, (size_t) b * channels + c, b, &to[c]);
  }
}
