/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Labels files, alone and in an element that draws them and converts them to JSON.
 *
 * Input: one byte, 0 to 3 (bit 0: for a detector; bit 1: also in an element), then the file. */

#include <dicenet/dicenet.h>
#include <gst/check/gstharness.h>
#include <string.h>
#include "fuzz.h"

#define WIDTH  64
#define HEIGHT 48

static DicenetModel *models[2];

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  models[0] = fuzz_model_hold ("classify");
  models[1] = fuzz_model_hold ("eager");
  return 0;
}

/* Labels are drawn and written, whatever the file contains. */
static void
run_element (gboolean detect, const char *labels)
{
  g_autofree char *model = fuzz_model_path (detect ? "eager" : "classify");
  g_autofree char *launch =
      g_strdup_printf ("%s model=%s labels-file=%s threads=1 inference-size=32x32 overlay=true ! dicenetjson",
                       detect ? "dicenetdetect" : "dicenetclassify", model, labels);
  GstHarness *h = fuzz_harness_new (gst_parse_bin_from_description (launch, TRUE, NULL));

  FUZZ_CHECK (h != NULL, "labels that load must do in an element");
  gst_harness_set_src_caps_str (h, "video/x-raw,format=RGB,width=64,height=48,framerate=30/1");
  GstBuffer *frame = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * 3, NULL);
  gst_buffer_memset (frame, 0, 0x40, WIDTH * HEIGHT);
  gst_buffer_memset (frame, WIDTH * HEIGHT, 0xc0, WIDTH * HEIGHT * 2);
  if (gst_harness_push (h, frame) == GST_FLOW_OK)
    fuzz_check_line (gst_harness_pull (h));
  fuzz_harness_free (h);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size < 1 || data[0] > 3)
    return -1;
  const gboolean detect = data[0] & 1;
  const char *path = fuzz_file (0, data + 1, size - 1);
  GError *error = NULL;
  char **labels = dicenet_model_load_labels (models[detect], path, &error);
  const gboolean ok = labels != NULL;

  fuzz_check_error (ok, error);
  if (ok) {
    FUZZ_CHECK (g_strv_length (labels) == dicenet_model_get_n_classes (models[detect]), "%u", g_strv_length (labels));
    for (guint i = 0; labels[i]; i++)
      FUZZ_CHECK (g_utf8_validate (labels[i], -1, NULL), "label %u", i);
  }
  g_strfreev (labels);
  if (ok && (data[0] & 2))
    run_element (detect, path);
  return 0;
}
