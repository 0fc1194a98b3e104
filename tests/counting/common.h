/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>
#include "counting/gstdicenetcounter.h"

/* Frames of the tests: 30 per second, square pixels. */
#define WIDTH  1000
#define HEIGHT 1000
#define FRAME  (G_GINT64_CONSTANT (1000000000) / 30)

/* Three observations confirm, a tenth of the box is the margin, 2 s until an object is forgotten. */
extern const GstDicenetCountSettings usual;

/* A counter, the frames so far, and what happened. */
typedef struct {
  GstDicenetCounter *counter;
  GstDicenetCountSettings settings;
  GArray *events;
  gint64 now;
} Scene;

/* Lines and zones as text, or NULL. */
void scene_init (Scene *self, const char *lines, const char *zones);
void scene_clear (Scene *self);

/* A box of 40 x 100 pixels whose lower edge has its middle at x, y. */
GstDicenetSighting box_at (const Scene *self, guint64 id, double x, double y);

/* The next frame. */
void show (Scene *self, const GstDicenetSighting *seen, guint n);
void show_one (Scene *self, guint64 id, double x, double y);
void show_nothing (Scene *self, guint n_frames);
/* Moves an object in steps of 5 pixels. */
void walk (Scene *self, guint64 id, double x0, double y0, double x1, double y1);

/* Counts of all classes, forward and backward, or entered and left. */
void expect_counts (const Scene *self, guint shape, guint64 first, guint64 second);

int run_suite (int argc, char **argv, const char *name, void (*add_tests) (TCase *));
