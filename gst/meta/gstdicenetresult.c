/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetmeta-private.h"

/* Class names, shared by all results of a model, to avoid copying up to thousands of strings per frame. */
typedef struct {
  gatomicrefcount ref;
  gchar **names;
  guint n;
} LabelSet;

typedef struct {
  GstDicenetResult pub; /* first, so that pointers can be cast */
  gatomicrefcount ref;
  LabelSet *labels;
  GArray *classes; /* GstDicenetClass; NULL if there are none */
  gboolean without_analytics;
  GstBuffer *analytics_mask; /* atomic; NULL until needed */
} ResultImpl;

/* The most recent sets are kept, so that they survive while no result uses them, for instance between two frames. */
#define N_RECENT 8
static LabelSet *recent[N_RECENT];
static guint next_recent;
static GMutex recent_lock;

G_DEFINE_BOXED_TYPE (GstDicenetResult, gst_dicenet_result, gst_dicenet_result_ref, gst_dicenet_result_unref)

static GstDicenetClass *
class_copy (GstDicenetClass *self)
{
  return g_memdup2 (self, sizeof *self);
}

G_DEFINE_BOXED_TYPE (GstDicenetClass, gst_dicenet_class, class_copy, g_free)

static LabelSet *
label_set_ref (LabelSet *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
label_set_unref (LabelSet *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  g_strfreev (self->names);
  g_free (self);
}

/* Readers may rely on UTF-8, so invalid names are converted. */
static LabelSet *
label_set_new (const gchar *const *names)
{
  LabelSet *self = g_new (LabelSet, 1);

  g_atomic_ref_count_init (&self->ref);
  self->n = g_strv_length ((gchar **) names);
  self->names = g_new0 (gchar *, self->n + 1);
  for (guint i = 0; i < self->n; i++)
    self->names[i] = g_utf8_make_valid (names[i], -1);
  return self;
}

/* Returns a set with these names: an existing one if there is one. */
static LabelSet *
label_set_get (const gchar *const *names)
{
  static const gchar *const none[] = { NULL };
  LabelSet *found = NULL;

  if (!names)
    names = none;
  g_mutex_lock (&recent_lock);
  for (guint i = 0; i < N_RECENT && !found; i++) {
    if (recent[i] && g_strv_equal ((const gchar *const *) recent[i]->names, names))
      found = recent[i];
  }
  if (!found) {
    found = label_set_new (names);
    g_clear_pointer (&recent[next_recent], label_set_unref);
    recent[next_recent] = found;
    next_recent = (next_recent + 1) % N_RECENT;
  }
  label_set_ref (found);
  g_mutex_unlock (&recent_lock);
  return found;
}

GstDicenetResult *
gst_dicenet_result_new (GstDicenetTask task, const gchar *model, const gchar *const *labels, gint background)
{
  ResultImpl *impl = g_new0 (ResultImpl, 1);

  g_atomic_ref_count_init (&impl->ref);
  impl->labels = label_set_get (labels);
  impl->pub._self = impl;
  impl->pub.task = task;
  impl->pub.model = g_strdup (model ? model : "");
  impl->pub.labels = impl->labels->names;
  impl->pub.n_labels = impl->labels->n;
  impl->pub.background = background;
  return &impl->pub;
}

gboolean
gst_dicenet_result_is_complete (const GstDicenetResult *self)
{
  return self && self->_self == self;
}

GstDicenetResult *
gst_dicenet_result_ref (GstDicenetResult *self)
{
  g_return_val_if_fail (gst_dicenet_result_is_complete (self), NULL);

  g_atomic_ref_count_inc (&((ResultImpl *) self)->ref);
  return self;
}

void
gst_dicenet_result_unref (GstDicenetResult *self)
{
  ResultImpl *impl = (ResultImpl *) self;

  g_return_if_fail (gst_dicenet_result_is_complete (self));

  if (!g_atomic_ref_count_dec (&impl->ref))
    return;
  g_free (self->model);
  g_clear_pointer (&impl->classes, g_array_unref);
  g_clear_pointer (&self->mask, g_bytes_unref);
  gst_clear_buffer (&impl->analytics_mask);
  label_set_unref (impl->labels);
  g_free (impl);
}

void
gst_dicenet_result_add_class (GstDicenetResult *self, guint label_id, gdouble confidence)
{
  GstDicenetClass c = { .label_id = label_id, .confidence = confidence };

  g_return_if_fail (gst_dicenet_result_is_complete (self));

  ResultImpl *impl = (ResultImpl *) self;
  if (!impl->classes)
    impl->classes = g_array_new (FALSE, FALSE, sizeof c);
  g_array_append_val (impl->classes, c);
}

void
gst_dicenet_result_set_mask (GstDicenetResult *self, GBytes *mask, guint width, guint height)
{
  g_return_if_fail (gst_dicenet_result_is_complete (self));
  g_return_if_fail (mask && width > 0 && height > 0 && g_bytes_get_size (mask) >= (gsize) width * height);

  g_bytes_ref (mask);
  g_clear_pointer (&self->mask, g_bytes_unref);
  self->mask = mask;
  self->mask_width = width;
  self->mask_height = height;
}

void
gst_dicenet_result_set_analytics (GstDicenetResult *self, gboolean analytics)
{
  g_return_if_fail (gst_dicenet_result_is_complete (self));

  ((ResultImpl *) self)->without_analytics = !analytics;
}

gboolean
gst_dicenet_result_get_analytics (const GstDicenetResult *self)
{
  return !((const ResultImpl *) self)->without_analytics;
}

const gchar *
gst_dicenet_result_get_label (const GstDicenetResult *self, guint label_id)
{
  g_return_val_if_fail (gst_dicenet_result_is_complete (self), NULL);

  if (label_id < self->n_labels)
    return self->labels[label_id];

  gchar name[24];
  g_snprintf (name, sizeof name, "class %u", label_id);
  return g_intern_string (name);
}

guint
gst_dicenet_result_get_n_classes (const GstDicenetResult *self)
{
  g_return_val_if_fail (gst_dicenet_result_is_complete (self), 0);

  const ResultImpl *impl = (const ResultImpl *) self;
  return impl->classes ? impl->classes->len : 0;
}

const GstDicenetClass *
gst_dicenet_result_get_class (const GstDicenetResult *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_result_get_n_classes (self), NULL);

  return &g_array_index (((const ResultImpl *) self)->classes, GstDicenetClass, index);
}

GstBuffer *
gst_dicenet_result_get_analytics_mask (GstDicenetResult *self)
{
  GstBuffer *mask = g_atomic_pointer_get (&((ResultImpl *) self)->analytics_mask);

  return mask ? gst_buffer_ref (mask) : NULL;
}

GstBuffer *
gst_dicenet_result_set_analytics_mask (GstDicenetResult *self, GstBuffer *mask)
{
  if (g_atomic_pointer_compare_and_exchange (&((ResultImpl *) self)->analytics_mask, NULL, mask))
    return gst_buffer_ref (mask);
  gst_buffer_unref (mask);
  return gst_dicenet_result_get_analytics_mask (self);
}
