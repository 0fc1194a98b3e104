/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "readfile.h"

G_BEGIN_DECLS

/* Reader and writer of safetensors files: 8 bytes of header length (little-endian), a JSON header, the data. Files are
 * untrusted: everything is checked before it is used. */

#define DICENET_MAX_DIMS 8

typedef enum { DICENET_DTYPE_F32, DICENET_DTYPE_F16, DICENET_DTYPE_U8, DICENET_DTYPE_I64 } DicenetDtype;

const char *dicenet_dtype_name (DicenetDtype dtype);
gsize dicenet_dtype_size (DicenetDtype dtype);

typedef struct {
  char *name;
  DicenetDtype dtype;
  guint n_dims;
  guint64 dims[DICENET_MAX_DIMS];
  gsize n_elements;
  const guint8 *data; /* inside the file's data, or the caller's when writing; may be unaligned */
} DicenetTensor;

typedef struct {
  char *path; /* formatted for messages */
  guint8 *data;
  gsize data_bytes;
  GTree *tensors;       /* name -> DicenetTensor; not a hash table, because a file can cause collisions */
  GHashTable *metadata; /* string -> string */
} DicenetSafetensors;

/* Reads and checks a file. NULL with @error set (OPEN, INVALID_MODEL or NO_MEMORY). */
DicenetSafetensors *dicenet_safetensors_open (const char *path, GError **error);
/* Reads an open file from its beginning; may be called repeatedly. */
DicenetSafetensors *dicenet_safetensors_read (DicenetFile *file, GError **error);
void dicenet_safetensors_free (DicenetSafetensors *self);

/* A tensor by name, or NULL. */
const DicenetTensor *dicenet_safetensors_find (const DicenetSafetensors *self, const char *name);

/* Converts all elements to float (F32 and F16). @out has n_elements floats. */
void dicenet_tensor_to_float (const DicenetTensor *tensor, float *out);

/* "[3, 32, 32]"; free with g_free(). */
char *dicenet_tensor_shape_string (const guint64 *dims, guint n_dims);

/* Whether a path refers to an open descriptor (/dev/stdout). */
gboolean dicenet_is_descriptor (const char *path);

/* Writes a file atomically: @path is only replaced once the file is complete. @metadata may be NULL. */
gboolean dicenet_safetensors_write (const char *path, const DicenetTensor *tensors, guint n_tensors,
                                    GHashTable *metadata, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetSafetensors, dicenet_safetensors_free)

G_END_DECLS
