/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/memory-error.h"
#include "../prepost/decode.h"
#include "model-private.h"
#include "result-private.h"

#define DEFINE_PLAIN_BOXED(Type, type)                                                                                 \
  static Type *type##_copy (const Type *value)                                                                         \
  {                                                                                                                    \
    return g_memdup2 (value, sizeof *value);                                                                           \
  }                                                                                                                    \
  G_DEFINE_BOXED_TYPE (Type, type, type##_copy, g_free)

DEFINE_PLAIN_BOXED (DicenetClass, dicenet_class)
DEFINE_PLAIN_BOXED (DicenetBox, dicenet_box)
G_DEFINE_BOXED_TYPE (DicenetResult, dicenet_result, dicenet_result_ref, dicenet_result_unref)

DicenetResult *
dicenet_result_new (DicenetModel *model, const DicenetSize *size, const DicenetKernels *kernels)
{
  DicenetResult *self = g_new0 (DicenetResult, 1);

  self->n_refs = 1;
  self->model = g_object_ref (model);
  self->graph = dicenet_model_get_program (model)->graph;
  self->kernels = kernels;
  self->width = size->width;
  self->height = size->height;
  self->n_pictures = size->batch;
  for (guint k = 0; k < self->graph->n_outputs; k++) {
    const DicenetTensorRef *view = dicenet_size_output (size, self->graph, k);
    self->shapes[k] = (DicenetShape){ view->c, view->h, view->w };
  }
  return self;
}

DicenetResult *
dicenet_result_ref (DicenetResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
dicenet_result_unref (DicenetResult *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_int_dec_and_test (&self->n_refs))
    return;
  for (guint i = 0; self->decoded && i < self->n_pictures; i++) {
    g_clear_pointer (&self->decoded[i].classes, g_array_unref);
    g_clear_pointer (&self->decoded[i].boxes, g_array_unref);
    g_clear_pointer (&self->decoded[i].mask, g_bytes_unref);
  }
  for (guint k = 0; k < DICENET_MAX_OUTPUTS; k++)
    g_free (self->outputs[k]);
  g_free (self->decoded);
  g_free (self->priors);
  g_object_unref (self->model);
  g_free (self);
}

DicenetModel *
dicenet_result_get_model (DicenetResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->model;
}

guint
dicenet_result_get_n_pictures (DicenetResult *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->n_pictures;
}

void
dicenet_result_get_size (DicenetResult *self, guint *width, guint *height)
{
  g_return_if_fail (self != NULL);
  if (width)
    *width = self->width;
  if (height)
    *height = self->height;
}

/* The decoded results of a picture; only those of the model's task are set. NULL if decoding was not requested. */
static const DicenetDecoded *
get_decoded (const DicenetResult *self, guint picture)
{
  g_return_val_if_fail (self != NULL && self->decoded != NULL, NULL);
  g_return_val_if_fail (picture < self->n_pictures, NULL);
  return &self->decoded[picture];
}

const DicenetClass *
dicenet_result_get_classes (DicenetResult *self, guint picture, guint *n)
{
  g_return_val_if_fail (n != NULL, NULL);
  *n = 0;
  const DicenetDecoded *decoded = get_decoded (self, picture);
  g_return_val_if_fail (decoded && decoded->classes, NULL);
  *n = decoded->classes->len;
  return (const DicenetClass *) decoded->classes->data;
}

const DicenetBox *
dicenet_result_get_boxes (DicenetResult *self, guint picture, guint *n)
{
  g_return_val_if_fail (n != NULL, NULL);
  *n = 0;
  const DicenetDecoded *decoded = get_decoded (self, picture);
  g_return_val_if_fail (decoded && decoded->boxes, NULL);
  *n = decoded->boxes->len;
  return (const DicenetBox *) decoded->boxes->data;
}

/* Copies, because bindings may free the array to which a structure belongs. */
static GList *
dup_all (gconstpointer items, guint n, gsize size)
{
  GList *copies = NULL;

  while (n-- > 0)
    copies = g_list_prepend (copies, g_memdup2 ((const char *) items + n * size, size));
  return copies;
}

GList *
dicenet_result_dup_classes (DicenetResult *self, guint picture)
{
  guint n;
  const DicenetClass *classes = dicenet_result_get_classes (self, picture, &n);
  return dup_all (classes, n, sizeof *classes);
}

GList *
dicenet_result_dup_boxes (DicenetResult *self, guint picture)
{
  guint n;
  const DicenetBox *boxes = dicenet_result_get_boxes (self, picture, &n);
  return dup_all (boxes, n, sizeof *boxes);
}

GBytes *
dicenet_result_get_mask (DicenetResult *self, guint picture)
{
  const DicenetDecoded *decoded = get_decoded (self, picture);
  g_return_val_if_fail (decoded && decoded->mask, NULL);
  return decoded->mask;
}

static gsize
output_floats (const DicenetResult *self, guint k)
{
  return (gsize) self->shapes[k].c * self->shapes[k].h * self->shapes[k].w;
}

const gfloat *
dicenet_result_get_output (DicenetResult *self, const char *name, guint picture, gsize *n)
{
  g_return_val_if_fail (self != NULL && name != NULL, NULL);

  if (n)
    *n = 0;
  for (guint k = 0; k < self->graph->n_outputs && picture < self->n_pictures; k++) {
    if (self->outputs[k] == NULL || !g_str_equal (self->graph->outputs[k].name, name))
      continue;
    if (n)
      *n = output_floats (self, k);
    return self->outputs[k] + picture * output_floats (self, k);
  }
  return NULL;
}

const gfloat *
dicenet_result_get_priors (DicenetResult *self, gsize *n)
{
  g_return_val_if_fail (self != NULL && n != NULL, NULL);
  *n = self->n_priors;
  return self->priors;
}

gboolean
dicenet_result_scale_logits (DicenetResult *self, guint picture, gfloat *logits, GError **error)
{
  g_return_val_if_fail (self != NULL && self->graph->outputs[0].is_scaled && self->outputs[0] != NULL, FALSE);
  g_return_val_if_fail (picture < self->n_pictures && logits != NULL, FALSE);

  const DicenetShape *shape = &self->shapes[0];
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  const DicenetUpsample scale = { .kernels = self->kernels,
                                  .rows = dicenet_axis_get (axes, shape->h, self->height, DICENET_RESIZE_UP),
                                  .columns = dicenet_axis_get (axes, shape->w, self->width, DICENET_RESIZE_UP),
                                  .classes = dicenet_axis_get (axes, shape->c, shape->c, DICENET_RESIZE_UP) };
  const gsize bytes = dicenet_upsample_scratch (&scale) * sizeof (gfloat);
  g_autofree gfloat *scratch = g_try_malloc (bytes);
  if (scratch == NULL)
    return dicenet_no_memory (error, bytes, "room to scale logits in", "choose a smaller inference size");
  dicenet_decode_logits (&scale, self->outputs[0] + picture * output_floats (self, 0), logits, scratch);
  return TRUE;
}
