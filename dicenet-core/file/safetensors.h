/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "readfile.h"

G_BEGIN_DECLS

/* Reader and writer of safetensors files: 8 bytes of header length (little-endian), a JSON header, the data.
 * Everything that the file says is checked before anything is used: it is data from strangers. */

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
  const guint8 *data; /* inside the file's, or the caller's when writing; may lie at any address */
} DicenetTensor;

typedef struct {
  char *path; /* as messages show it */
  guint8 *data;
  gsize data_bytes;
  GTree *tensors;       /* name -> DicenetTensor; names can be made to collide in a hash table */
  GHashTable *metadata; /* string -> string */
} DicenetSafetensors;

/* Reads and checks a file. NULL with @error set (OPEN, INVALID_MODEL or NO_MEMORY). */
DicenetSafetensors *dicenet_safetensors_open (const char *path, GError **error);
/* The same of an open file, from its beginning, as often as wanted. */
DicenetSafetensors *dicenet_safetensors_read (DicenetFile *file, GError **error);
void dicenet_safetensors_free (DicenetSafetensors *self);

/* A tensor by name, or NULL. */
const DicenetTensor *dicenet_safetensors_find (const DicenetSafetensors *self, const char *name);

/* Copies element by element to float (F32 and F16). @out has n_elements floats. */
void dicenet_tensor_to_float (const DicenetTensor *tensor, float *out);

/* "[3, 32, 32]", to be freed with g_free(). */
char *dicenet_tensor_shape_string (const guint64 *dims, guint n_dims);

/* Whether a path names what is open already (/dev/stdout). */
gboolean dicenet_is_descriptor (const char *path);

/* Writes a file, which appears under @path when it is whole. @metadata may be NULL. */
gboolean dicenet_safetensors_write (const char *path, const DicenetTensor *tensors, guint n_tensors,
                                    GHashTable *metadata, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetSafetensors, dicenet_safetensors_free)

G_END_DECLS
