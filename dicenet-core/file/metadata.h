/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "safetensors.h"

G_BEGIN_DECLS

/* Values of a file's __metadata__. Functions return FALSE with the error set (INVALID_MODEL), naming the key, what was
 * expected and what was found. If an optional key is absent, they leave @out unchanged. */
typedef struct {
  const DicenetSafetensors *file;
  GError **error;
} DicenetMetadata;

/* NULL if the key is absent. */
const char *dicenet_metadata_get (const DicenetMetadata *m, const char *key);
/* Sets the error. @found: NULL if the key is absent. Returns FALSE. */
gboolean dicenet_metadata_refuse (const DicenetMetadata *m, const char *key, const char *expected, const char *found);

gboolean dicenet_metadata_read_int (const DicenetMetadata *m, const char *key, gint64 min, gint64 max,
                                    gboolean required, gint *out);
/* From 0 to 1. */
/* A decimal number that is all of the text. */
gboolean dicenet_parse_number (const char *text, gdouble *out);
gboolean dicenet_metadata_read_fraction (const DicenetMetadata *m, const char *key, gfloat *out);
gboolean dicenet_metadata_read_boolean (const DicenetMetadata *m, const char *key, gboolean *out);
/* A range that contains 0. */
typedef struct {
  gfloat low, high;
} DicenetRange;

/* A JSON array of at most @most pairs [low, high], from -DICENET_MAX_BOUND to 0 and from 0 to DICENET_MAX_BOUND.
 * Appends them to @out, DicenetRange. @expected: description for the error message. */
#define DICENET_MAX_BOUND 1e30
gboolean dicenet_metadata_read_ranges (const DicenetMetadata *m, const char *key, guint most, const char *expected,
                                       GArray *out);
/* A JSON array of at most @most arrays of numbers from -DICENET_MAX_BOUND to DICENET_MAX_BOUND, at most @most_numbers
 * in all. Appends them to @out, GArray of gfloat. */
gboolean dicenet_metadata_read_lists (const DicenetMetadata *m, const char *key, guint most, guint most_numbers,
                                      const char *expected, GPtrArray *out);
/* "WxH"; mandatory. */
gboolean dicenet_metadata_read_size (const DicenetMetadata *m, const char *key, guint *width, guint *height);
/* A JSON array of @n numbers. @expected: description for the error message. */
gboolean dicenet_metadata_read_numbers (const DicenetMetadata *m, const char *key, guint n, gdouble min, gdouble max,
                                        const char *expected, gfloat *out);

/* Enters the array that @text must contain. NULL if it is not an array; @error is set if it is not valid JSON. */
const char *dicenet_metadata_enter_array (const char *text, GError **error);

G_END_DECLS
