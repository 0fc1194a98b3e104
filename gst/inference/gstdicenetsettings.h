/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>
#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

/** What to open; the fields are the values of the properties of the same names. */
typedef struct {
  gchar *model; /* NULL for the task's default */
  gchar *labels_file;
  DicenetBackend backend;
  gint device_id;
  DicenetPrecision precision;
  guint threads;
  gchar *inference_size;
} GstDicenetSettings;

/** Ids of their properties; an element's own properties begin with %GST_DICENET_SETTINGS_END. */
enum {
  GST_DICENET_SETTING_MODEL = 1,
  GST_DICENET_SETTING_LABELS_FILE,
  GST_DICENET_SETTING_BACKEND,
  GST_DICENET_SETTING_DEVICE_ID,
  GST_DICENET_SETTING_PRECISION,
  GST_DICENET_SETTING_THREADS,
  GST_DICENET_SETTING_INFERENCE_SIZE,
  GST_DICENET_SETTINGS_END,
};

#define GST_TYPE_DICENET_BACKEND (gst_dicenet_backend_get_type ())
GType gst_dicenet_backend_get_type (void);
#define GST_TYPE_DICENET_PRECISION (gst_dicenet_precision_get_type ())
GType gst_dicenet_precision_get_type (void);

/** Sets the defaults. */
void gst_dicenet_settings_init (GstDicenetSettings *self);
void gst_dicenet_settings_copy (GstDicenetSettings *to, const GstDicenetSettings *from);
void gst_dicenet_settings_clear (GstDicenetSettings *self);

/** Installs the properties, which can change while no model is open. */
void gst_dicenet_settings_install (GObjectClass *klass);
/** Sets a property; %FALSE if @id is none of these. */
gboolean gst_dicenet_settings_set (GstDicenetSettings *self, guint id, const GValue *value);
/** Gets a property; %FALSE if @id is none of these. @task determines the default model. */
gboolean gst_dicenet_settings_get (const GstDicenetSettings *self, GstDicenetTask task, guint id, GValue *value);

G_END_DECLS
