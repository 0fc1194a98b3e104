/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include "ref.h"

/* The EPP unit, scale by scale. Planes of scales above the input's are computed element by element when needed, without
 * memory. Those below are stored, because each of their elements is the mean of many inputs. */

typedef struct {
  const float *x; /* the channel's plane */
  unsigned h, w;
  const DicenetEppBranch *scale;
  const float *kernel; /* 3 x 3 */
  const float *plane;  /* scales below the input's: the kernel's input */
  unsigned is_own;
} Scale;

/* The input of the scale's kernel at row i, column j. */
static float
scaled (const Scale *s, long i, long j)
{
  if (i < 0 || j < 0 || i >= (long) s->scale->h || j >= (long) s->scale->w)
    return 0;
  if (s->plane)
    return s->plane[i * s->scale->w + j];
  if (s->is_own)
    return s->x[i * s->w + j];
  return dicenet_ref_resized (s->x, s->w, s->scale->rows, s->scale->columns, (unsigned) i, (unsigned) j);
}

static float
convolved (const Scale *s, unsigned i, unsigned j)
{
  float sum = 0;

  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++)
      sum += s->kernel[3 * a + b] * scaled (s, (long) i + a - 1, (long) j + b - 1);
  return sum;
}

static float
scaled_back (const Scale *s, unsigned i, unsigned j)
{
  const DicenetAxis *rows = s->scale->rows_back, *columns = s->scale->columns_back;
  float sum = 0;

  if (s->is_own)
    return convolved (s, i, j);
  for (unsigned a = 0; a < rows->taps; a++)
    for (unsigned b = 0; b < columns->taps; b++)
      sum += rows->weight[(size_t) a * rows->out + i] * columns->weight[(size_t) b * columns->out + j] *
             convolved (s, (unsigned) rows->start[i] + a, (unsigned) columns->start[j] + b);
  return sum;
}

static float
prelu (float x, float slope)
{
  return x > 0 ? x : slope * x;
}

/* Adds the contribution of scale k of channel c to the sums of all five scales. */
static void
add_scale (const DicenetPlanes *x, const DicenetEpp *p, unsigned k, unsigned c, float *scratch, float *sums)
{
  const DicenetEppBranch *scale = &p->branches[k];
  const size_t kc = (size_t) k * x->c + c;
  const float *merge = p->merge_weight + ((size_t) c * DICENET_EPP_BRANCHES + k) * 9;
  Scale s = { dicenet_plane (x, c), x->h, x->w, scale, p->weight + 9 * kc, NULL, k == DICENET_EPP_IDENTITY };

  if (k > DICENET_EPP_IDENTITY) {
    dicenet_ref_resize (s.x, x->w, scratch, scale->w, scale->rows, scale->columns, NULL);
    s.plane = scratch;
  }
  for (unsigned i = 0; i < x->h; i++) {
    for (unsigned j = 0; j < x->w; j++) {
      const float value = prelu (scaled_back (&s, i, j) + p->bias[kc], p->slope[kc]);
      for (int a = -1; a <= 1; a++) { /* each element contributes to the nine outputs around it */
        for (int b = -1; b <= 1; b++) {
          const long row = (long) i - a, column = (long) j - b;
          if (row >= 0 && column >= 0 && row < (long) x->h && column < (long) x->w)
            sums[row * x->w + column] += merge[3 * (a + 1) + b + 1] * value;
        }
      }
    }
  }
}

void
dicenet_ref_epp (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetEpp *p, unsigned begin, unsigned end,
                 float *scratch)
{
  for (unsigned c = begin; c < end; c++) {
    float *sums = dicenet_plane (y, c);
    for (size_t i = 0; i < (size_t) y->h * y->w; i++)
      sums[i] = p->merge_bias[c];
    for (unsigned k = 0; k < DICENET_EPP_BRANCHES; k++)
      add_scale (x, p, k, c, scratch, sums);
    for (size_t i = 0; i < (size_t) y->h * y->w; i++)
      sums[i] = prelu (sums[i], p->merge_slope[c]);
  }
}
