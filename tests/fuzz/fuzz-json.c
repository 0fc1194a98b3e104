/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetjson: whatever its properties and the results contain, each line is valid JSON.
 *
 * Input: "tags", "source" and labels as NUL-terminated texts, with bytes for the results in between; see below. */

#include <gst/check/gstharness.h>
#include <string.h>
#include "fuzz.h"

#define CAPS "video/x-raw,format=RGB,width=64,height=48,framerate=30/1"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  return 0;
}

static gfloat
read_float (FuzzReader *reader)
{
  const guint32 bits = fuzz_u32 (reader);
  gfloat value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

static void
add_detections (GstBuffer *frame, GstDicenetResult *result, FuzzReader *reader)
{
  GstDicenetDetection boxes[3] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++) {
    boxes[i].label_id = fuzz_below (reader, 4);
    boxes[i].confidence = read_float (reader);
    boxes[i].x = read_float (reader);
    boxes[i].y = read_float (reader);
    boxes[i].w = read_float (reader);
    boxes[i].h = read_float (reader);
  }
  const guint n = fuzz_below (reader, 4);
  gst_buffer_add_dicenet_meta_from_array (frame, result, 64, 48, boxes, n, fuzz_u8 (reader));
}

static void
add_result (GstBuffer *frame, FuzzReader *reader)
{
  const GstDicenetTask task = (GstDicenetTask) fuzz_below (reader, 3);
  char *label = fuzz_text (reader), *model = fuzz_text (reader);
  const char *labels[] = { "background", label, "other", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (task, model, labels, 0);

  if (task == GST_DICENET_TASK_DETECT) {
    add_detections (frame, result, reader);
  } else {
    for (guint i = fuzz_below (reader, 4); task == GST_DICENET_TASK_CLASSIFY && i > 0; i--)
      gst_dicenet_result_add_class (result, i, read_float (reader));
    if (task == GST_DICENET_TASK_SEGMENT) {
      const guint8 pixels[4] = { fuzz_u8 (reader), 0, 1, 2 };
      GBytes *mask = g_bytes_new (pixels, sizeof pixels);
      gst_dicenet_result_set_mask (result, mask, 2, 2);
      g_bytes_unref (mask);
    }
    gst_buffer_add_dicenet_meta (frame, result, 64, 48, NULL, fuzz_u8 (reader));
  }
  gst_dicenet_result_unref (result);
  g_free (label);
  g_free (model);
}

static void
add_crop (GstBuffer *frame, FuzzReader *reader)
{
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (frame);

  crop->x = fuzz_u32 (reader);
  crop->y = fuzz_u32 (reader);
  crop->width = fuzz_u32 (reader);
  crop->height = fuzz_u32 (reader);
}

/* Results of a tracker and a second-stage model for the first object. */
static void
add_second_stage (GstBuffer *frame, FuzzReader *reader)
{
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT);

  if (!meta || gst_dicenet_meta_get_n_detections (meta) == 0)
    return;
  gst_dicenet_meta_set_track_id (meta, 0, fuzz_u64 (reader));
  char *label = fuzz_text (reader);
  const char *labels[] = { label, NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, label, labels, -1);
  for (guint i = fuzz_below (reader, 3); i > 0; i--)
    gst_dicenet_result_add_class (result, i - 1, read_float (reader));
  for (guint i = fuzz_below (reader, 3); i > 0; i--)
    gst_dicenet_meta_add_detection_result (meta, 0, result);
  gst_dicenet_result_unref (result);
  g_free (label);
}

static void
push_frame (GstHarness *h, FuzzReader *reader)
{
  GstBuffer *frame = gst_buffer_new ();
  const guint flags = fuzz_u8 (reader);

  if (flags & 1)
    GST_BUFFER_PTS (frame) = fuzz_u64 (reader);
  if (flags & 2)
    add_crop (frame, reader);
  for (guint i = flags >> 6; i > 0; i--)
    add_result (frame, reader);
  if (flags & 4)
    add_second_stage (frame, reader);
  if (gst_harness_push (h, frame) != GST_FLOW_OK)
    return;
  GstBuffer *line = gst_harness_try_pull (h);
  if (line)
    fuzz_check_line (line);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, data + size };
  GstElement *json = gst_element_factory_make ("dicenetjson", NULL);
  char *tags = fuzz_text (&reader), *source = fuzz_text (&reader);

  g_object_set (json, "tags", *tags ? tags : NULL, "source", *source ? source : NULL, NULL);
  GstHarness *h = fuzz_harness_new (json);
  if (h) {
    gst_harness_set_src_caps_str (h, CAPS);
    for (guint i = 0; i < 2; i++)
      push_frame (h, &reader);
    fuzz_harness_free (h);
  }
  g_free (tags);
  g_free (source);
  return 0;
}
