/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "safetensors.h"

G_BEGIN_DECLS

/* Values of a file's __metadata__. Functions return FALSE with the error set (INVALID_MODEL), which names the key, what
 * was expected, and what was found; they leave @out as it was where the key is absent and may be. */
typedef struct {
  const DicenetSafetensors *file;
  GError **error;
} DicenetMetadata;

/* NULL where the key is absent. */
const char *dicenet_metadata_get (const DicenetMetadata *m, const char *key);
/* Sets the error. @found: NULL for nothing. Returns FALSE. */
gboolean dicenet_metadata_refuse (const DicenetMetadata *m, const char *key, const char *expected, const char *found);

gboolean dicenet_metadata_read_int (const DicenetMetadata *m, const char *key, gint64 min, gint64 max,
                                    gboolean required, gint *out);
/* From 0 to 1. */
gboolean dicenet_metadata_read_fraction (const DicenetMetadata *m, const char *key, gfloat *out);
gboolean dicenet_metadata_read_boolean (const DicenetMetadata *m, const char *key, gboolean *out);
/* "WxH", which must be there. */
gboolean dicenet_metadata_read_size (const DicenetMetadata *m, const char *key, guint *width, guint *height);
/* A JSON array of @n numbers. @expected: in words. */
gboolean dicenet_metadata_read_numbers (const DicenetMetadata *m, const char *key, guint n, gdouble min, gdouble max,
                                        const char *expected, gfloat *out);

/* Steps into the array that the text must be. NULL if it is none; @error is set where it is not even JSON. */
const char *dicenet_metadata_enter_array (const char *text, GError **error);

G_END_DECLS
