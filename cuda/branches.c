/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "branches.h"

/* Scaling, kernels and scaling back for one output position: the factor of each input position for each of a kernel's
 * nine weights. */
typedef struct {
  const gfloat *kernels;
  const DicenetAxis *there, *back;
  gdouble (*sums)[9]; /* by input position */
  guint first, end;   /* range of positions that are not 0 */
} Position;

static void
add_kernel (Position *p, guint kernel, gdouble factor)
{
  for (guint t = 0; t < p->there->taps; t++) {
    const guint at = (guint) p->there->start[kernel] + t;
    const gdouble weight = factor * (gdouble) p->there->weight[(gsize) t * p->there->out + kernel];
    if (weight == 0)
      continue;
    for (guint k = 0; k < 9; k++)
      p->sums[at][k] += weight * (gdouble) p->kernels[(gsize) kernel * 9 + k];
    p->first = MIN (p->first, at);
    p->end = MAX (p->end, at + 1);
  }
}

static void
collect (Position *p, guint i, guint n)
{
  for (guint at = 0; at < n; at++)
    for (guint k = 0; k < 9; k++)
      p->sums[at][k] = 0;
  p->first = n;
  p->end = 0;
  for (guint t = 0; t < p->back->taps; t++)
    add_kernel (p, (guint) p->back->start[i] + t, (gdouble) p->back->weight[(gsize) t * p->back->out + i]);
}

CudaBranch *
cuda_branch_new (const gfloat *kernels, guint n_kernels, guint n, GHashTable *axes)
{
  const DicenetResize there = n < n_kernels ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                      back = n < n_kernels ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;
  typedef gdouble Nine[9];
  g_autofree Nine *sums = g_new (Nine, n);
  Position p = {
    kernels, dicenet_axis_get (axes, n, n_kernels, there), dicenet_axis_get (axes, n_kernels, n, back), sums, 0, 0
  };
  CudaBranch *self = g_new0 (CudaBranch, 1);

  self->n = n;
  self->taps = 1;
  for (guint i = 0; i < n; i++) {
    collect (&p, i, n);
    self->taps = MAX (self->taps, p.end - p.first);
  }
  self->start = g_new (gint, n);
  self->weight = g_new (gfloat, (gsize) n * self->taps * 9);
  for (guint i = 0; i < n; i++) {
    collect (&p, i, n);
    self->start[i] = (gint) MIN (p.first, n - self->taps);
    for (guint t = 0; t < self->taps; t++)
      for (guint k = 0; k < 9; k++)
        self->weight[((gsize) i * self->taps + t) * 9 + k] = (gfloat) sums[(guint) self->start[i] + t][k];
  }
  return self;
}

void
cuda_branch_free (CudaBranch *self)
{
  g_free (self->start);
  g_free (self->weight);
  g_free (self);
}
