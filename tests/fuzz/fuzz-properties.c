/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arbitrary text in properties of the elements, set before they start and while they run.
 *
 * Input: per step one byte that selects element and property, then a NUL-terminated text. */

#include <dicenet/dicenet.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include "fuzz.h"

#define MAX_STEPS 4

static const struct {
  const char *element, *model, *property;
} choices[] = {
  { "dicenetdetect", "detect", "class-thresholds" },
  { "dicenetdetect", "detect", "object-class" },
  { "dicenetdetect", "detect", "inference-size" },
  { "dicenetdetect", "detect", "labels-file" },
  { "dicenetclassify", "classify", "inference-size" },
  { "dicenetclassify", "classify", "labels-file" },
  { "dicenetclassify", "classify", "model" },
  { "dicenetclassify", "classify", "class-thresholds" },
  { "dicenetsegment", "segment", "inference-size" },
  { "dicenetsegment", "segment", "model" },
  { "dicenetdetect", "core-detect", "class-thresholds" },
  { "dicenetdetect", "core-detect", "object-class" },
};

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    fuzz_model_hold (choices[i].model);
  return 0;
}

/* Inference at this size would take longer than the rest of the run. */
static gboolean
is_slow (const char *property, const char *text)
{
  gint64 width = 0, height = 0;
  char *end;

  if (!g_str_equal (property, "inference-size"))
    return FALSE;
  width = g_ascii_strtoll (text, &end, 10);
  if (*end == 'x')
    height = g_ascii_strtoll (end + 1, NULL, 10);
  return width <= DICENET_MAX_SIZE && height <= DICENET_MAX_SIZE && width * height > 256 * 256;
}

static void
set_text (GstElement *element, const char *property, const char *text)
{
  g_object_set (element, property, text, NULL);
  char *now = NULL;
  g_object_get (element, property, &now, NULL);
  FUZZ_CHECK (!now || g_utf8_validate (now, -1, NULL) || !g_utf8_validate (text, -1, NULL), "%s", property);
  g_free (now);
}

static void
run_frame (GstHarness *h)
{
  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=32,height=32,framerate=30/1");
  GstBuffer *frame = gst_buffer_new_allocate (NULL, 32 * 32, NULL);
  gst_buffer_memset (frame, 0, 0x80, 32 * 32);
  if (gst_harness_push (h, frame) == GST_FLOW_OK)
    gst_buffer_unref (gst_harness_pull (h));
}

static void
run_step (const char *element_name, const char *model, const char *property, const char *text, gboolean running)
{
  g_autofree char *path = fuzz_model_path (model);
  GstElement *element = gst_element_factory_make (element_name, NULL);

  g_object_set (element, "model", path, "threads", 1, "inference-size", "32x32", NULL);
  if (!running)
    set_text (element, property, text);
  GstHarness *h = fuzz_harness_new (element);
  if (!h)
    return;
  if (running)
    set_text (h->element, property, text);
  run_frame (h);
  fuzz_harness_free (h);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, data + size };

  for (guint i = 0; i < MAX_STEPS && !fuzz_is_empty (&reader); i++) {
    const guint8 choice = fuzz_u8 (&reader);
    const guint n = (choice & 127) % G_N_ELEMENTS (choices);
    char *text = fuzz_text (&reader);
    if (!is_slow (choices[n].property, text))
      run_step (choices[n].element, choices[n].model, choices[n].property, text, choice >> 7);
    g_free (text);
  }
  return 0;
}
