/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits of what a user can draw; more would neither be readable nor useful. */
#define GST_DICENET_MAX_SHAPES       64 /* lines, and as many zones */
#define GST_DICENET_MAX_POINTS       64 /* corners of a zone */
#define GST_DICENET_MAX_NAME         64 /* characters */
#define GST_DICENET_MAX_SHAPES_BYTES (1 << 20)

/** A position as fractions of the frame's width and height. */
typedef struct {
  gdouble x, y;
} GstDicenetPosition;

/**
 * GstDicenetShape:
 * @name: unique
 * @is_zone: a polygon; otherwise a line between two points
 * @points: (array length=n_points): corners
 * @n_points: 2 for a line, otherwise 3 or more
 * @classes: (nullable) (array zero-terminated=1): labels of the objects that count; %NULL for all
 */
typedef struct {
  gchar *name;
  gboolean is_zone;
  GstDicenetPosition *points;
  guint n_points;
  gchar **classes;
} GstDicenetShape;

/** Returns: (transfer full) (element-type GstDicenetShape): no shapes */
GPtrArray *gst_dicenet_shapes_new (void);

/**
 * gst_dicenet_shapes_add:
 * @self: shapes
 * @shape: (transfer full): the new shape
 * @error: return location for a #GError
 *
 * Checks that the shape is not degenerate, and that there is none of its name.
 *
 * Returns: whether it was added; otherwise @error is set (%DICENET_ERROR_ARGUMENT)
 */
gboolean gst_dicenet_shapes_add (GPtrArray *self, GstDicenetShape *shape, GError **error);
void gst_dicenet_shape_free (GstDicenetShape *self);

/**
 * gst_dicenet_shapes_add_text:
 * @self: shapes
 * @are_zones: whether @text describes zones
 * @text: NAME:X1,Y1,X2,Y2 or NAME:CLASS,CLASS:X1,Y1,X2,Y2; several are separated by semicolons
 * @error: return location for a #GError
 *
 * Returns: whether all were added; otherwise @error is set (%DICENET_ERROR_ARGUMENT) and says which could not be, and
 * what was expected
 */
gboolean gst_dicenet_shapes_add_text (GPtrArray *self, gboolean are_zones, const gchar *text, GError **error);

/**
 * gst_dicenet_shapes_add_json:
 * @self: shapes
 * @text: {"lines": [{"name": "door", "points": [[0.1, 0.5], [0.9, 0.5]], "classes": ["person"]}], "zones": [...]}
 * @error: return location for a #GError
 *
 * Returns: whether all were added; otherwise @error is set (%DICENET_ERROR_ARGUMENT), with line and character
 */
gboolean gst_dicenet_shapes_add_json (GPtrArray *self, const gchar *text, GError **error);

/** The same for a file of at most %GST_DICENET_MAX_SHAPES_BYTES. %DICENET_ERROR_OPEN if it can't be read. */
gboolean gst_dicenet_shapes_add_file (GPtrArray *self, const gchar *path, GError **error);

G_END_DECLS
