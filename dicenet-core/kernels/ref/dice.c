/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

#include <string.h>

/* y[j] += k * x[j + shift], zeros outside. */
static void
add_shifted (const float *restrict x, float *restrict y, unsigned w, int shift, float k)
{
  const unsigned begin = shift < 0 ? 1 : 0, end = shift > 0 ? w - 1 : w;
  for (unsigned j = begin; j < end; j++)
    y[j] += k * x[(int) j + shift];
}

/* d[c,h,w] = sum over i, j of kc[c,i,j] * x[c, h+i, w+j] */
void
dicenet_ref_dimconv_depth (const float *x, unsigned h, unsigned w, const float kernel[9], float *out)
{
  memset (out, 0, (size_t) h * w * sizeof *out);
  for (unsigned row = 0; row < h; row++)
    for (int i = -1; i <= 1; i++)
      if ((int) row + i >= 0 && (int) row + i < (int) h)
        for (int j = -1; j <= 1; j++)
          add_shifted (x + (size_t) ((int) row + i) * w, out + (size_t) row * w, w, j, kernel[3 * (i + 1) + j + 1]);
}

/* y[c,h,w] = sum over i, j of kh[h,i,j] * x[c+i, h, w+j]: a kernel per row, over channels and width */
void
dicenet_ref_dimconv_height (const float *const x[3], unsigned h, unsigned w, const float *kernels, float *out)
{
  memset (out, 0, (size_t) h * w * sizeof *out);
  for (int i = 0; i < 3; i++)
    if (x[i] != NULL)
      for (unsigned row = 0; row < h; row++)
        for (int j = 0; j < 3; j++)
          add_shifted (x[i] + (size_t) row * w, out + (size_t) row * w, w, j - 1,
                       kernels[9 * (size_t) row + (size_t) (3 * i + j)]);
}

/* z[c,h,w] = sum over i, j of kw[w,i,j] * x[c+j, h+i, w]: a kernel per column, over height and channels */
void
dicenet_ref_dimconv_width (const float *const x[3], unsigned h, unsigned w, const float *kernels, float *out)
{
  memset (out, 0, (size_t) h * w * sizeof *out);
  for (unsigned row = 0; row < h; row++) {
    for (int i = -1; i <= 1; i++) {
      if ((int) row + i < 0 || (int) row + i >= (int) h)
        continue;
      for (int j = 0; j < 3; j++) {
        if (x[j] == NULL)
          continue;
        const float *in = x[j] + (size_t) ((int) row + i) * w, *k = kernels + 3 * (i + 1) + j;
        for (unsigned column = 0; column < w; column++)
          out[(size_t) row * w + column] += k[9 * (size_t) column] * in[column];
      }
    }
  }
}

static float
prelu (float x, float slope)
{
  return x > 0 ? x : slope * x;
}

void
dicenet_ref_local_fusion (const float *const branches[3], const DicenetPlanes *y, const DicenetFusion *f, unsigned c)
{
  const size_t n = (size_t) y->h * y->w;
  float *out = dicenet_plane (y, c);

  for (size_t i = 0; i < n; i++) {
    float sum = f->fuse_bias[c];
    for (unsigned b = 0; b < 3; b++) {
      const size_t bc = (size_t) b * y->c + c;
      sum +=
          f->fuse_weight[bc] * prelu (f->branch_scale[bc] * branches[b][i] + f->branch_bias[bc], f->branch_slope[bc]);
    }
    out[i] = prelu (sum, f->fuse_slope[c]);
  }
}
