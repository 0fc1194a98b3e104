/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetmotion.h"

#include <math.h>

/* Standard deviations, as fractions of the box's size (the root of its area). docs/tracking.md tells how they were
 * chosen. */
#define MEASUREMENT  0.05 /* of a measured edge */
#define VELOCITY     1.0  /* before it is known, per second */
#define ACCELERATION 0.4  /* change of velocity within a second */
/* The same for width and height, which change more slowly, and of which detectors are less sure. */
#define SIZE_MEASUREMENT  0.1
#define SIZE_VELOCITY     0.1
#define SIZE_ACCELERATION 0.1

#define LEAST_SIZE 1e-3

static gdouble
square (gdouble x)
{
  return x * x;
}

static gdouble
area_of (const GstDicenetMotion *self)
{
  return MAX (self->w.p, LEAST_SIZE) * MAX (self->h.p, LEAST_SIZE);
}

static void
axis_init (GstDicenetAxis *self, gdouble measured, gdouble variance, gdouble velocity_variance)
{
  *self = (GstDicenetAxis){ .p = measured, .pp = variance, .vv = velocity_variance };
}

/* @noise is the density of the acceleration's noise: the variance that it adds to the velocity in a second. */
static void
axis_predict (GstDicenetAxis *self, gdouble t, gdouble noise)
{
  self->p += t * self->v;
  self->pp += t * (2 * self->pv + t * self->vv) + noise * t * t * t / 3;
  self->pv += t * self->vv + noise * t * t / 2;
  self->vv += noise * t;
}

static void
axis_correct (GstDicenetAxis *self, gdouble measured, gdouble variance)
{
  const gdouble total = self->pp + variance, error = measured - self->p;
  const gdouble p_gain = self->pp / total, v_gain = self->pv / total;

  self->p += p_gain * error;
  self->v += v_gain * error;
  self->vv -= v_gain * self->pv;
  self->pv *= 1 - p_gain;
  self->pp *= 1 - p_gain;
}

static void
axis_scale (GstDicenetAxis *self, gdouble scale)
{
  self->p *= scale;
  self->v *= scale;
  self->pp *= scale * scale;
  self->pv *= scale * scale;
  self->vv *= scale * scale;
}

void
gst_dicenet_motion_init (GstDicenetMotion *self, const GstDicenetBox *measured)
{
  const gdouble area = measured->w * measured->h, variance = square (MEASUREMENT) * area;
  const gdouble size_variance = square (SIZE_MEASUREMENT) * area;

  axis_init (&self->x, measured->x + measured->w / 2, variance, square (VELOCITY) * area);
  axis_init (&self->y, measured->y + measured->h / 2, variance, square (VELOCITY) * area);
  axis_init (&self->w, measured->w, size_variance, square (SIZE_VELOCITY) * area);
  axis_init (&self->h, measured->h, size_variance, square (SIZE_VELOCITY) * area);
}

void
gst_dicenet_motion_predict (GstDicenetMotion *self, gdouble seconds)
{
  const gdouble area = area_of (self);

  axis_predict (&self->x, seconds, square (ACCELERATION) * area);
  axis_predict (&self->y, seconds, square (ACCELERATION) * area);
  axis_predict (&self->w, seconds, square (SIZE_ACCELERATION) * area);
  axis_predict (&self->h, seconds, square (SIZE_ACCELERATION) * area);
  self->w.p = MAX (self->w.p, LEAST_SIZE);
  self->h.p = MAX (self->h.p, LEAST_SIZE);
}

void
gst_dicenet_motion_correct (GstDicenetMotion *self, const GstDicenetBox *measured)
{
  const gdouble area = MAX (measured->w * measured->h, area_of (self)), variance = square (MEASUREMENT) * area;
  const gdouble size_variance = square (SIZE_MEASUREMENT) * area;

  axis_correct (&self->x, measured->x + measured->w / 2, variance);
  axis_correct (&self->y, measured->y + measured->h / 2, variance);
  axis_correct (&self->w, measured->w, size_variance);
  axis_correct (&self->h, measured->h, size_variance);
}

void
gst_dicenet_motion_keep_size (GstDicenetMotion *self)
{
  self->w.v = self->h.v = 0;
}

void
gst_dicenet_motion_scale (GstDicenetMotion *self, gdouble x, gdouble y)
{
  axis_scale (&self->x, x);
  axis_scale (&self->w, x);
  axis_scale (&self->y, y);
  axis_scale (&self->h, y);
}

GstDicenetBox
gst_dicenet_motion_get_box (const GstDicenetMotion *self)
{
  const gdouble w = MAX (self->w.p, LEAST_SIZE), h = MAX (self->h.p, LEAST_SIZE);

  return (GstDicenetBox){ self->x.p - w / 2, self->y.p - h / 2, w, h };
}

gdouble
gst_dicenet_motion_get_doubt (const GstDicenetMotion *self)
{
  return sqrt ((self->x.pp + self->y.pp) / 2 / area_of (self));
}

GstDicenetBox
gst_dicenet_motion_get_change (const GstDicenetMotion *self, gdouble seconds)
{
  const gdouble w = self->w.v * seconds, h = self->h.v * seconds;

  return (GstDicenetBox){ self->x.v * seconds - w / 2, self->y.v * seconds - h / 2, w, h };
}
