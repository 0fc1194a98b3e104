/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/image.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include "../cpu/pack.h"
#include "../file/find.h"
#include "../file/labels.h"
#include "../tasks/tasks.h"
#include "model-private.h"

struct _DicenetModel {
  GObject parent_instance;
  char *path, *name;
  DicenetDescription description;
  DicenetFile file; /* stays open as long as the model, as its weights may be read again */
  DicenetGraph *graph;
  DicenetWeights *weights;
  DicenetNetwork program;
  char *cache_key;
};

G_DEFINE_FINAL_TYPE (DicenetModel, dicenet_model, G_TYPE_OBJECT)

/* Models in use, so that a file is in memory only once, however many elements use it. Values are weak references: the
 * cache does not keep models alive. */
G_LOCK_DEFINE_STATIC (cache);
static GHashTable *cache;   /* key -> GWeakRef */
static GHashTable *loading; /* keys of files that threads are loading, without holding the lock */
static GCond loaded;        /* signalled when a thread has finished loading, successfully or not */

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/* Identifies a file and its version: a model that was replaced on disk has another key. Copies can preserve the
 * modification time, but not the inode's change time. */
static char *
make_cache_key (const char *path)
{
  GStatBuf info;
  if (g_stat (path, &info) != 0)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT
                          ".%09ld:%" G_GINT64_FORMAT ".%09ld",
                          (guint64) info.st_dev, (guint64) info.st_ino, (guint64) info.st_size,
                          (gint64) info.st_mtim.tv_sec, (long) info.st_mtim.tv_nsec, (gint64) info.st_ctim.tv_sec,
                          (long) info.st_ctim.tv_nsec);
}

static void
dicenet_model_finalize (GObject *object)
{
  DicenetModel *self = DICENET_MODEL (object);

  if (self->cache_key != NULL) {
    /* The entry may belong to a newer model, loaded after this one's last reference was dropped. */
    G_LOCK (cache);
    GWeakRef *ref = g_hash_table_lookup (cache, self->cache_key);
    g_autoptr (GObject) other = ref ? g_weak_ref_get (ref) : NULL;
    if (ref != NULL && other == NULL)
      g_hash_table_remove (cache, self->cache_key);
    G_UNLOCK (cache);
  }
  dicenet_description_clear (&self->description);
  dicenet_graph_free (self->graph);
  dicenet_weights_free (self->weights);
  dicenet_file_close (&self->file);
  g_free (self->cache_key);
  g_free (self->path);
  g_free (self->name);
  G_OBJECT_CLASS (dicenet_model_parent_class)->finalize (object);
}

static void
dicenet_model_class_init (DicenetModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = dicenet_model_finalize;
}

static void
dicenet_model_init (DicenetModel *self)
{
  self->file.fd = -1;
}

static char *
name_of (const char *path)
{
  g_autofree char *name = g_path_get_basename (path);
  char *ending = strrchr (name, '.');
  if (ending != NULL && ending != name)
    *ending = '\0';
  return g_utf8_make_valid (name, -1);
}

static DicenetModel *
read_model (const char *path, GError **error)
{
  g_autoptr (DicenetModel) self = g_object_new (DICENET_TYPE_MODEL, NULL);
  g_autoptr (DicenetSafetensors) tensors = NULL;

  self->path = g_strdup (path);
  self->name = name_of (path);
  if (!dicenet_file_open (&self->file, self->path, error) ||
      (tensors = dicenet_safetensors_read (&self->file, error)) == NULL ||
      !dicenet_task_read (&self->description, tensors, error))
    return NULL;
  self->graph = dicenet_task_build (&self->description);
  if (!dicenet_cpu_check_int8 (&self->description, self->graph, self->path, error))
    return NULL;
  self->weights = dicenet_weights_new (self->graph, &self->file, g_steal_pointer (&tensors), error);
  if (self->weights == NULL)
    return NULL;
  self->program =
      (DicenetNetwork){ &self->description, self->graph, self->weights, dicenet_task_get (self->description.task) };
  return g_steal_pointer (&self);
}

/* The cached model with this key, or NULL. Called with the lock held. */
static DicenetModel *
find_cached (const char *key)
{
  GWeakRef *ref = g_hash_table_lookup (cache, key);

  return ref ? g_weak_ref_get (ref) : NULL;
}

/* If another thread is loading the same file, waits for it. NULL if the caller must load it and then call
 * end_loading(). */
static DicenetModel *
begin_loading (const char *key)
{
  DicenetModel *model;

  G_LOCK (cache);
  if (cache == NULL) {
    cache = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, weak_ref_free);
    loading = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  }
  while ((model = find_cached (key)) == NULL && g_hash_table_contains (loading, key))
    g_cond_wait (&loaded, &G_LOCK_NAME (cache));
  if (model == NULL)
    g_hash_table_add (loading, g_strdup (key));
  G_UNLOCK (cache);
  return model;
}

/* @model is NULL if loading failed: waiting threads then try themselves. */
static void
end_loading (const char *path, const char *key, DicenetModel *model)
{
  /* The file may have been replaced before it was opened. */
  g_autofree char *now = make_cache_key (path);

  G_LOCK (cache);
  if (model != NULL && g_strcmp0 (now, key) == 0) {
    GWeakRef *ref = g_new0 (GWeakRef, 1);
    g_weak_ref_init (ref, model);
    model->cache_key = g_strdup (key);
    g_hash_table_insert (cache, g_strdup (key), ref);
  }
  g_hash_table_remove (loading, key);
  g_cond_broadcast (&loaded);
  G_UNLOCK (cache);
}

static DicenetModel *
load_file (const char *path, GError **error)
{
  g_autofree char *key = make_cache_key (path);

  if (key == NULL) /* read_model() sets the error */
    return read_model (path, error);
  DicenetModel *model = begin_loading (key);
  if (model == NULL) {
    model = read_model (path, error);
    end_loading (path, key, model);
  }
  return model;
}

DicenetModel *
dicenet_model_load (const char *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  g_autofree char *file = dicenet_find_model (path, error);
  return file ? load_file (file, error) : NULL;
}

gboolean
dicenet_model_is_loaded (DicenetModel *self)
{
  return DICENET_IS_MODEL (self) && self->weights != NULL;
}

const DicenetNetwork *
dicenet_model_get_program (DicenetModel *self)
{
  return &self->program;
}

const char *
dicenet_model_get_path (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), NULL);
  return self->path;
}

const char *
dicenet_model_get_name (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), NULL);
  return self->name;
}

DicenetTask
dicenet_model_get_task (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), DICENET_TASK_CLASSIFY);
  return self->description.task;
}

gdouble
dicenet_model_get_scale (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), 0);
  return self->description.widths.scale;
}

guint
dicenet_model_get_n_classes (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), 0);
  return self->description.n_classes;
}

gboolean
dicenet_model_get_multi_label (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), FALSE);
  return self->description.multi_label;
}

gfloat
dicenet_model_get_threshold (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), 0);
  return self->description.threshold;
}

const gfloat *
dicenet_model_get_thresholds (DicenetModel *self, gsize *n)
{
  if (n)
    *n = 0;
  g_return_val_if_fail (dicenet_model_is_loaded (self), NULL);
  if (n && self->description.thresholds)
    *n = self->description.n_classes;
  return self->description.thresholds;
}

DicenetHead
dicenet_model_get_head (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), DICENET_HEAD_SSD);
  return self->description.head;
}

gboolean
dicenet_model_get_pyramid (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), FALSE);
  return self->description.pyramid;
}

gint
dicenet_model_get_background (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), -1);
  return self->description.background;
}

void
dicenet_model_get_size (DicenetModel *self, guint *width, guint *height)
{
  g_return_if_fail (dicenet_model_is_loaded (self));
  if (width)
    *width = self->description.width;
  if (height)
    *height = self->description.height;
}

guint64
dicenet_model_get_n_parameters (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), 0);
  return dicenet_weights_get_n_parameters (self->weights);
}

gsize
dicenet_model_get_weight_bytes (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), 0);
  return dicenet_cpu_weight_bytes (self->graph, dicenet_cpu_precision (DICENET_PRECISION_FLOAT32));
}

const char *const *
dicenet_model_get_labels (DicenetModel *self)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), NULL);
  return (const char *const *) self->description.labels;
}

char **
dicenet_model_load_labels (DicenetModel *self, const char *path, GError **error)
{
  g_return_val_if_fail (dicenet_model_is_loaded (self), NULL);
  g_return_val_if_fail (path != NULL, NULL);

  return dicenet_labels_read (path, &self->description, self->path, error);
}

/* Enough for panoramas, and for two wide views side by side. */
#define MAX_ASPECT 4.0

void
dicenet_model_fit_size (DicenetModel *self, gdouble aspect, guint *width, guint *height)
{
  g_return_if_fail (dicenet_model_is_loaded (self));
  g_return_if_fail (aspect > 0);

  aspect = CLAMP (aspect, 1.0 / DICENET_MAX_SIZE, DICENET_MAX_SIZE);
  const gdouble side = MIN (self->description.width, self->description.height);
  const gdouble longer = MAX (aspect, 1 / aspect);
  /* Beyond MAX_ASPECT, the short side is reduced: the number of pixels is that at MAX_ASPECT. */
  const gdouble scale = side * MIN (1, sqrt (MAX_ASPECT / longer));
  const gdouble w = scale * MAX (aspect, 1), h = scale * MAX (1 / aspect, 1);
  *width = (guint) CLAMP (round (w), DICENET_MIN_SIZE, DICENET_MAX_SIZE);
  *height = (guint) CLAMP (round (h), DICENET_MIN_SIZE, DICENET_MAX_SIZE);
}
