/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetsettings.h"
#include "gstdicenetengine.h"

#define DEFAULT_INFERENCE_SIZE "auto"

GType
gst_dicenet_backend_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { DICENET_BACKEND_AUTO, "The fastest backend that works on this machine", "auto" },
    { DICENET_BACKEND_CPU, "CPU", "cpu" },
    { DICENET_BACKEND_CUDA, "NVIDIA GPU", "cuda" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstDicenetBackend", values));
  return type;
}

GType
gst_dicenet_precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { DICENET_PRECISION_AUTO, "The fastest precision that this machine supports, except int8", "auto" },
    { DICENET_PRECISION_FLOAT32, "Single precision", "float32" },
    { DICENET_PRECISION_BFLOAT16, "bfloat16 products, single-precision sums", "bfloat16" },
    { DICENET_PRECISION_INT8, "8-bit integer products, exact sums (CPU only)", "int8" },
    { DICENET_PRECISION_FLOAT16, "float16 products, single-precision sums (GPU only)", "float16" },
    { DICENET_PRECISION_TF32, "TensorFloat-32 products, single-precision sums (GPU only)", "tf32" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstDicenetPrecision", values));
  return type;
}

void
gst_dicenet_settings_init (GstDicenetSettings *self)
{
  *self = (GstDicenetSettings){ .device_id = -1,
                                .precision = DICENET_PRECISION_AUTO,
                                .inference_size = g_strdup (DEFAULT_INFERENCE_SIZE) };
}

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

/* An empty string in a pipeline description means unset. */
static gchar *
dup_unless_empty (const gchar *text)
{
  return text && *text ? g_strdup (text) : NULL;
}

gboolean
gst_dicenet_settings_set (GstDicenetSettings *self, guint id, const GValue *value)
{
  switch (id) {
  case GST_DICENET_SETTING_MODEL:
    g_free (self->model);
    self->model = dup_unless_empty (g_value_get_string (value));
    break;
  case GST_DICENET_SETTING_LABELS_FILE:
    g_free (self->labels_file);
    self->labels_file = g_value_dup_string (value);
    break;
  case GST_DICENET_SETTING_BACKEND:
    self->backend = g_value_get_enum (value);
    break;
  case GST_DICENET_SETTING_DEVICE_ID:
    self->device_id = g_value_get_int (value);
    break;
  case GST_DICENET_SETTING_PRECISION:
    self->precision = g_value_get_enum (value);
    break;
  case GST_DICENET_SETTING_THREADS:
    self->threads = g_value_get_uint (value);
    break;
  case GST_DICENET_SETTING_INFERENCE_SIZE:
    g_free (self->inference_size);
    self->inference_size = g_strdup (g_value_get_string (value) ? g_value_get_string (value) : DEFAULT_INFERENCE_SIZE);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

gboolean
gst_dicenet_settings_get (const GstDicenetSettings *self, GstDicenetTask task, guint id, GValue *value)
{
  switch (id) {
  case GST_DICENET_SETTING_MODEL:
    g_value_set_string (value, self->model ? self->model : gst_dicenet_task_get_names (task)->name);
    break;
  case GST_DICENET_SETTING_LABELS_FILE:
    g_value_set_string (value, self->labels_file);
    break;
  case GST_DICENET_SETTING_BACKEND:
    g_value_set_enum (value, self->backend);
    break;
  case GST_DICENET_SETTING_DEVICE_ID:
    g_value_set_int (value, self->device_id);
    break;
  case GST_DICENET_SETTING_PRECISION:
    g_value_set_enum (value, self->precision);
    break;
  case GST_DICENET_SETTING_THREADS:
    g_value_set_uint (value, self->threads);
    break;
  case GST_DICENET_SETTING_INFERENCE_SIZE:
    g_value_set_string (value, self->inference_size);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

void
gst_dicenet_settings_install (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (
      klass, GST_DICENET_SETTING_MODEL,
      g_param_spec_string ("model", "Model",
                           "Model file (.safetensors), or the name of a model in a folder of the environment variable "
                           "DICENET_MODEL_PATH or installed with the plugin. If unset, the element's default model, "
                           "whose name the property then returns",
                           NULL, flags));
  g_object_class_install_property (
      klass, GST_DICENET_SETTING_LABELS_FILE,
      g_param_spec_string ("labels-file", "Labels file",
                           "Text file with one label per line, which replaces the labels in the model", NULL, flags));
  g_object_class_install_property (klass, GST_DICENET_SETTING_BACKEND,
                                   g_param_spec_enum ("backend", "Backend", "Where to run the model",
                                                      GST_TYPE_DICENET_BACKEND, DICENET_BACKEND_AUTO, flags));
  g_object_class_install_property (
      klass, GST_DICENET_SETTING_DEVICE_ID,
      g_param_spec_int ("device-id", "Device", "Index of the GPU; -1 for the default GPU", -1, G_MAXINT, -1, flags));
  g_object_class_install_property (
      klass, GST_DICENET_SETTING_PRECISION,
      g_param_spec_enum ("precision", "Precision",
                         "Precision of the computation; if the machine does not support it, float32 with a warning",
                         GST_TYPE_DICENET_PRECISION, DICENET_PRECISION_AUTO, flags));
  g_object_class_install_property (
      klass, GST_DICENET_SETTING_THREADS,
      g_param_spec_uint ("threads", "Threads", "Number of CPU threads; 0 for one per processor", 0, 1024, 0, flags));
  g_object_class_install_property (
      klass, GST_DICENET_SETTING_INFERENCE_SIZE,
      g_param_spec_string (
          "inference-size", "Inference size",
          "Size at which frames are inferred: auto (the frame's aspect ratio, with the short side of the "
          "model's size), model (the model's size), native (the frame's size), or WIDTHxHEIGHT, each from 32 to 4096",
          DEFAULT_INFERENCE_SIZE, flags));
}
