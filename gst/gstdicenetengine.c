/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include "gstdicenetengine.h"

/* --- errors --- */

static GstResourceError
resource_code (DicenetError code)
{
  switch (code) {
  case DICENET_ERROR_OPEN:
    return GST_RESOURCE_ERROR_OPEN_READ;
  case DICENET_ERROR_INVALID_MODEL:
    return GST_RESOURCE_ERROR_READ;
  case DICENET_ERROR_UNSUPPORTED:
  case DICENET_ERROR_LABELS:
  case DICENET_ERROR_BACKEND:
  case DICENET_ERROR_ARGUMENT:
    return GST_RESOURCE_ERROR_SETTINGS;
  case DICENET_ERROR_NO_MEMORY:
    return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
  case DICENET_ERROR_NOT_FOUND:
    return GST_RESOURCE_ERROR_NOT_FOUND;
  case DICENET_ERROR_DEVICE:
    break;
  }
  return GST_RESOURCE_ERROR_FAILED;
}

/* Passes an error of the core on in GStreamer's terms, with what only an element can add to it. Takes @core. */
static void
propagate (GError **error, GError *core, const gchar *remedy)
{
  g_set_error (error, GST_RESOURCE_ERROR, (gint) resource_code ((DicenetError) core->code), "%s%s%s", core->message,
               remedy ? ". " : "", remedy ? remedy : "");
  g_error_free (core);
}

void
gst_dicenet_post_error (GstElement *element, GError *error)
{
  if (error->domain == DICENET_ERROR) {
    GError *core = g_steal_pointer (&error);
    propagate (&error, core, NULL);
  }
  gst_element_message_full (element, GST_MESSAGE_ERROR, error->domain, error->code, g_strdup (error->message), NULL,
                            __FILE__, GST_FUNCTION, __LINE__);
  g_error_free (error);
}

/* --- settings --- */

void
gst_dicenet_settings_copy (GstDicenetSettings *to, const GstDicenetSettings *from)
{
  *to = *from;
  to->model = g_strdup (from->model);
  to->labels_file = g_strdup (from->labels_file);
  to->inference_size = g_strdup (from->inference_size);
}

void
gst_dicenet_settings_clear (GstDicenetSettings *self)
{
  g_clear_pointer (&self->model, g_free);
  g_clear_pointer (&self->labels_file, g_free);
  g_clear_pointer (&self->inference_size, g_free);
}

/* --- inference size --- */

static gboolean
parse_size (GstDicenetEngine *self, const gchar *text, GError **error)
{
  if (!text || !*text || g_str_equal (text, "auto")) {
    self->size_mode = GST_DICENET_SIZE_AUTO;
  } else if (g_str_equal (text, "model")) {
    self->size_mode = GST_DICENET_SIZE_MODEL;
  } else if (g_str_equal (text, "native")) {
    self->size_mode = GST_DICENET_SIZE_NATIVE;
  } else if (dicenet_parse_size (text, &self->fixed_width, &self->fixed_height)) {
    self->size_mode = GST_DICENET_SIZE_FIXED;
  } else {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "inference-size is '%s', but should be auto, model, native, or WIDTHxHEIGHT with both from %d to %d, "
                 "384x256 say",
                 text, DICENET_MIN_SIZE, DICENET_MAX_SIZE);
    return FALSE;
  }
  return TRUE;
}

static gdouble
display_aspect (const GstVideoInfo *info)
{
  gdouble par = (gdouble) GST_VIDEO_INFO_PAR_N (info) / MAX (GST_VIDEO_INFO_PAR_D (info), 1);

  return GST_VIDEO_INFO_WIDTH (info) * (par > 0 ? par : 1) / GST_VIDEO_INFO_HEIGHT (info);
}

gboolean
gst_dicenet_engine_choose_size (const GstDicenetEngine *self, const GstVideoInfo *info, guint *width, guint *height,
                                GError **error)
{
  switch (self->size_mode) {
  case GST_DICENET_SIZE_AUTO:
    dicenet_model_fit_size (self->model, display_aspect (info), width, height);
    break;
  case GST_DICENET_SIZE_MODEL:
    dicenet_model_get_size (self->model, width, height);
    break;
  case GST_DICENET_SIZE_NATIVE:
    if (GST_VIDEO_INFO_WIDTH (info) > DICENET_MAX_SIZE || GST_VIDEO_INFO_HEIGHT (info) > DICENET_MAX_SIZE) {
      g_set_error (
          error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "frames of %dx%d are too large for inference-size=native, which goes up to %dx%d: set inference-size "
          "to auto or to a size",
          GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info), DICENET_MAX_SIZE, DICENET_MAX_SIZE);
      return FALSE;
    }
    *width = MAX (GST_VIDEO_INFO_WIDTH (info), DICENET_MIN_SIZE);
    *height = MAX (GST_VIDEO_INFO_HEIGHT (info), DICENET_MIN_SIZE);
    break;
  case GST_DICENET_SIZE_FIXED:
    *width = self->fixed_width;
    *height = self->fixed_height;
    break;
  }
  return TRUE;
}

/* --- opening --- */

G_STATIC_ASSERT ((int) GST_DICENET_TASK_CLASSIFY == (int) DICENET_TASK_CLASSIFY);
G_STATIC_ASSERT ((int) GST_DICENET_TASK_DETECT == (int) DICENET_TASK_DETECT);
G_STATIC_ASSERT ((int) GST_DICENET_TASK_SEGMENT == (int) DICENET_TASK_SEGMENT);

static const gchar *const TASK_NAMES[] = { "classification", "detection", "segmentation" };
static const gchar *const TASK_ELEMENTS[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };

const gchar *
gst_dicenet_engine_default_model (GstDicenetTask task)
{
  static const gchar *const names[] = { "dicenet-classify", "dicenet-detect", "dicenet-segment" };

  return names[task];
}

static gboolean
open_model (GstDicenetEngine *self, const gchar *path, GstDicenetTask task, GError **error)
{
  GError *core = NULL;

  self->model = dicenet_model_load (path ? path : gst_dicenet_engine_default_model (task), &core);
  if (!self->model) {
    g_autofree gchar *remedy =
        g_strdup_printf ("Set the property model to a %s model's file or name", TASK_NAMES[task]);
    propagate (error, core, core->code == DICENET_ERROR_NOT_FOUND ? remedy : NULL);
    return FALSE;
  }
  GstDicenetTask found = (GstDicenetTask) dicenet_model_get_task (self->model);
  if (found != task) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "'%s' is a %s model, and this element needs one for %s: use %s for it", path, TASK_NAMES[found],
                 TASK_NAMES[task], TASK_ELEMENTS[found]);
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_labels (GstDicenetEngine *self, const gchar *path, GError **error)
{
  GError *core = NULL;

  if (!path || !*path) {
    self->labels = g_strdupv ((gchar **) dicenet_model_get_labels (self->model));
    return TRUE;
  }
  self->labels = dicenet_model_load_labels (self->model, path, &core);
  if (!self->labels)
    propagate (error, core, "Check the property labels-file");
  return self->labels != NULL;
}

static gboolean
open_session (GstDicenetEngine *self, const GstDicenetSettings *settings, GError **error)
{
  GError *core = NULL;

  self->session = dicenet_session_new (self->model, settings->backend, settings->device_id, settings->precision,
                                       settings->threads, &core);
  if (!self->session)
    propagate (error, core, NULL);
  return self->session != NULL;
}

gboolean
gst_dicenet_engine_open (GstDicenetEngine *self, const GstDicenetSettings *settings, GstDicenetTask task,
                         GError **error)
{
  memset (self, 0, sizeof *self);
  if (parse_size (self, settings->inference_size, error) && open_model (self, settings->model, task, error) &&
      open_labels (self, settings->labels_file, error) && open_session (self, settings, error))
    return TRUE;
  gst_dicenet_engine_close (self);
  return FALSE;
}

void
gst_dicenet_engine_close (GstDicenetEngine *self)
{
  g_clear_object (&self->session);
  g_clear_object (&self->model);
  g_clear_pointer (&self->labels, g_strfreev);
  memset (self, 0, sizeof *self);
}
