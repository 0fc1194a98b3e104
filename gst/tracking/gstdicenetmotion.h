/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "video/gstdicenetbox.h"

G_BEGIN_DECLS

/** Position and velocity (per second) along one axis, and their covariance. */
typedef struct {
  gdouble p, v;
  gdouble pp, pv, vv;
} GstDicenetAxis;

/**
 * GstDicenetMotion:
 *
 * A Kalman filter for a box that moves at a constant velocity, apart from random accelerations in proportion to its
 * size. Centre and size are independent of each other in this model, so that it is four filters of two numbers.
 */
typedef struct {
  GstDicenetAxis x, y; /* centre */
  GstDicenetAxis w, h;
} GstDicenetMotion;

/** Starts with a measured box, of unknown velocity. */
void gst_dicenet_motion_init (GstDicenetMotion *self, const GstDicenetBox *measured);

/** Goes on by @seconds, at least 0. */
void gst_dicenet_motion_predict (GstDicenetMotion *self, gdouble seconds);

/** Takes a box into account that was measured at the time of the last prediction. */
void gst_dicenet_motion_correct (GstDicenetMotion *self, const GstDicenetBox *measured);

/** The box keeps its size from now on, until it is measured again. */
void gst_dicenet_motion_keep_size (GstDicenetMotion *self);

/** Changes the unit, as for a frame of another size. */
void gst_dicenet_motion_scale (GstDicenetMotion *self, gdouble x, gdouble y);

/** Where the box is. */
GstDicenetBox gst_dicenet_motion_get_box (const GstDicenetMotion *self);

/** How uncertain the centre is: a standard deviation, as a fraction of the box's size (the root of its area). */
gdouble gst_dicenet_motion_get_doubt (const GstDicenetMotion *self);

/** How the box changes in @seconds: to be added to it. */
GstDicenetBox gst_dicenet_motion_get_change (const GstDicenetMotion *self, gdouble seconds);

G_END_DECLS
