/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The elements with arbitrary caps, frames, metas, events, queries, properties and states in any order.
 *
 * Input: the element, then steps, each a byte for the action and bytes for its arguments. Frames are small, so that
 * there are many runs, but of any shape. */

#include <dicenet/dicenet.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>
#include "fuzz.h"

#define MAX_STEPS       24
#define MAX_FRAMES      8
#define MAX_PIXELS      (64 * 1024)
#define MAX_FRAME_BYTES (512 * 1024)

static const char *const launches[] = {
  "dicenetclassify",
  "dicenetdetect",
  "dicenetsegment",
  "dicenetoverlay",
  "dicenetjson",
  "dicenetmask",
  "dicenetdetect model=" FUZZ_MODELS "/elements/eager.safetensors overlay=true",
  "dicenetclassify model=" FUZZ_MODELS "/elements/tags.safetensors threshold=0 overlay=true",
  "dicenetsegment overlay=true",
  "dicenettrack min-hits=1",
  "dicenetcount lines=door:0.1,0.5,0.9,0.5 zones=till:0,0.5,1,0.5,1,1 post-messages=true confirmations=1",
  "dicenetclassify inference-region=objects object-margin=0.1 reclassify-interval=3 overlay=true",
  "dicenetsegment inference-region=objects overlay=true",
};

static const char *const models[] = { "classify", "detect", "eager", "segment", "tags" };

static const char *const formats[] = { "RGB",   "BGR",  "RGBx", "BGRx", "xRGB",      "xBGR",      "RGBA", "BGRA",
                                       "ARGB",  "ABGR", "NV12", "NV21", "I420",      "YV12",      "YUY2", "UYVY",
                                       "GRAY8", "Y42B", "Y444", "AYUV", "P010_10LE", "GRAY16_LE", "v210", "RGB16" };

/* Sizes at which code paths change, and values whose products overflow. */
static const gint sides[] = { 1, 2, 3, 7, 16, 31, 32, 33, 48, 64, 65, 100, 255, 256, 1000, 4096, 4097, 16384, 32767 };
static const gint numbers[] = { 1, 2, 3, 4, 10, 11, 15, 59, 1001, 65535, 1 << 20, G_MAXINT };

typedef struct {
  FuzzReader *in;
  GstHarness *h;
  GstVideoInfo info;
  gboolean have_info;
  guint n_frames;
} Run;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    fuzz_model_hold (models[i]);
  return 0;
}

#define PICK(in, table) (table)[fuzz_below (in, G_N_ELEMENTS (table))]

/* --- caps --- */

static void
choose_size (FuzzReader *in, gint *width, gint *height)
{
  const guint8 how = fuzz_u8 (in);

  *width = how & 1 ? PICK (in, sides) : 1 + fuzz_u8 (in);
  *height = how & 2 ? PICK (in, sides) : 1 + fuzz_u8 (in);
  /* If the frame is too large, the longer side is kept. */
  if (*width > *height)
    *height = MIN (*height, MAX (1, MAX_PIXELS / *width));
  else
    *width = MIN (*width, MAX (1, MAX_PIXELS / *height));
}

static void
set_fraction (FuzzReader *in, GstCaps *caps, const char *field)
{
  const gint n = PICK (in, numbers), d = PICK (in, numbers);

  gst_caps_set_simple (caps, field, GST_TYPE_FRACTION, n, d, NULL);
}

static GstCaps *
choose_caps (FuzzReader *in)
{
  static const char *const interlaced[] = { "progressive", "interleaved", "mixed", "fields", "alternate", "none" };
  static const char *const colours[] = { "bt601", "bt709", "bt2020", "sRGB", "1:1:1:1", "2:4:7:1", "x" };
  static const char *const features[] = { GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION,
                                          GST_CAPS_FEATURE_FORMAT_INTERLACED, "memory:GLMemory" };
  const guint8 more = fuzz_u8 (in);
  gint width, height;

  choose_size (in, &width, &height);
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, PICK (in, formats), "width", G_TYPE_INT,
                                       width, "height", G_TYPE_INT, height, NULL);
  if (more & 1)
    set_fraction (in, caps, "pixel-aspect-ratio");
  if (more & 2)
    set_fraction (in, caps, "framerate");
  if (more & 4)
    gst_caps_set_simple (caps, "interlace-mode", G_TYPE_STRING, PICK (in, interlaced), NULL);
  if (more & 8)
    gst_caps_set_simple (caps, "colorimetry", G_TYPE_STRING, PICK (in, colours), NULL);
  if (more & 16)
    gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  if ((more & 0xe0) == 0xe0) {
    const char *feature = PICK (in, features);
    gst_caps_set_features (caps, 0,
                           strstr (feature, "meta")
                               ? gst_caps_features_new (GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY, feature, NULL)
                               : gst_caps_features_new (feature, NULL));
  }
  return caps;
}

static void
send_caps (Run *run)
{
  GstCaps *caps = choose_caps (run->in);
  GstVideoInfo info;

  run->have_info = gst_video_info_from_caps (&info, caps) && info.size <= MAX_FRAME_BYTES;
  run->info = info;
  if (run->have_info)
    gst_harness_push_event (run->h, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

/* --- frames --- */

static gfloat
choose_edge (FuzzReader *in)
{
  static const gfloat edges[] = { 0, -1, 1, 0.5f, 1e6f, -1e6f, 1e30f, -1e30f, NAN, INFINITY, -INFINITY, 1e-30f };
  const guint8 which = fuzz_u8 (in);

  return which < 128 ? (gfloat) fuzz_u16 (in) / 16 : edges[which % G_N_ELEMENTS (edges)];
}

static GArray *
choose_detections (FuzzReader *in)
{
  GArray *boxes = g_array_new (FALSE, TRUE, sizeof (GstDicenetDetection));

  for (guint n = fuzz_below (in, 5); n > 0; n--) {
    GstDicenetDetection box = { .label_id = n };
    box.confidence = choose_edge (in);
    box.x = choose_edge (in);
    box.y = choose_edge (in);
    box.w = choose_edge (in);
    box.h = choose_edge (in);
    g_array_append_val (boxes, box);
  }
  return boxes;
}

static void
set_mask (GstDicenetResult *result, FuzzReader *in)
{
  const guint width = 1 + fuzz_below (in, 40), height = 1 + fuzz_below (in, 40);
  guint8 *mask = g_malloc (width * height);

  for (guint i = 0; i < width * height; i++)
    mask[i] = i % 7 == 0 ? fuzz_u8 (in) : (guint8) (i & 3);
  GBytes *bytes = g_bytes_new_take (mask, width * height);
  gst_dicenet_result_set_mask (result, bytes, width, height);
  g_bytes_unref (bytes);
}

static void
add_result (GstBuffer *frame, Run *run)
{
  FuzzReader *in = run->in;
  const char *const labels[] = { "background", "a", "", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xf0\x9f\x98\x80",
                                 "x\n\ty",     NULL };
  const GstDicenetTask task = (GstDicenetTask) fuzz_below (in, 3);
  const guint8 size = fuzz_u8 (in);
  GstDicenetResult *result = gst_dicenet_result_new (task, "m", labels, size & 128 ? -1 : 0);
  GArray *boxes = NULL;

  if (task == GST_DICENET_TASK_DETECT)
    boxes = choose_detections (in);
  else if (task == GST_DICENET_TASK_SEGMENT)
    set_mask (result, in);
  else
    for (guint n = fuzz_below (in, 8); n > 0; n--)
      gst_dicenet_result_add_class (result, n % 6, choose_edge (in));
  const guint width = size & 1 ? (guint) run->info.width : (guint) PICK (in, sides);
  const guint height = size & 1 ? (guint) run->info.height : (guint) PICK (in, sides);
  gst_buffer_add_dicenet_meta (frame, result, width, height, boxes, size >> 3 & 3);
  gst_dicenet_result_unref (result);
}

/* Padded rows and reordered planes, all within the buffer: a wrong meta is an error of the element that wrote it, and
 * GStreamer relies on it. */
static GstBuffer *
new_padded (Run *run)
{
  const GstVideoInfo *info = &run->info;
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 }, size = fuzz_u8 (run->in);
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };
  const guint n = GST_VIDEO_INFO_N_PLANES (info), first = fuzz_below (run->in, n);

  for (guint i = 0; i < n; i++) {
    const guint p = (first + i) % n;
    stride[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + fuzz_u8 (run->in);
    offset[p] = size;
    size += (gsize) stride[p] * (gsize) (GST_VIDEO_INFO_HEIGHT (info) + 2) + fuzz_u8 (run->in);
  }
  GstBuffer *frame = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (frame, 0, 0x5a, size);
  gst_buffer_add_video_meta_full (frame, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
                                  (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info), n, offset,
                                  stride);
  return frame;
}

static GstBuffer *
new_frame (Run *run)
{
  const gsize size = GST_VIDEO_INFO_SIZE (&run->info);
  GstBuffer *frame;

  switch (fuzz_below (run->in, 8)) {
  case 0:
    return gst_buffer_new ();
  case 1: /* short */
    frame = gst_buffer_new_allocate (NULL, fuzz_u32 (run->in) % (size + 1), NULL);
    break;
  case 2: /* too long */
    frame = gst_buffer_new_allocate (NULL, size + fuzz_u8 (run->in), NULL);
    break;
  case 3: /* in two memories */
    frame = gst_buffer_new_allocate (NULL, size / 2, NULL);
    gst_buffer_append_memory (frame, gst_allocator_alloc (NULL, size - size / 2, NULL));
    break;
  case 4:
    return new_padded (run);
  default:
    frame = gst_buffer_new_allocate (NULL, size, NULL);
    break;
  }
  gst_buffer_memset (frame, 0, fuzz_u8 (run->in), size);
  return frame;
}

static void
add_crop (GstBuffer *frame, FuzzReader *in)
{
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (frame);
  const gboolean wild = fuzz_u8 (in) > 200;

  crop->x = wild ? fuzz_u32 (in) : fuzz_u8 (in);
  crop->y = wild ? fuzz_u32 (in) : fuzz_u8 (in);
  crop->width = wild ? fuzz_u32 (in) : fuzz_u8 (in);
  crop->height = wild ? fuzz_u32 (in) : fuzz_u8 (in);
}

static void
check_line (GstBuffer *line)
{
  GstMapInfo map;

  FUZZ_CHECK (gst_buffer_map (line, &map, GST_MAP_READ), "no memory");
  FUZZ_CHECK (fuzz_is_json ((const char *) map.data, map.size), "not JSON: %.*s", (int) map.size,
              (const char *) map.data);
  gst_buffer_unmap (line, &map);
}

static void
take_output (Run *run)
{
  const gboolean lines = g_str_has_prefix (G_OBJECT_TYPE_NAME (run->h->element), "GstDicenetJson");
  GstBuffer *out;
  GstEvent *event;

  while ((out = gst_harness_try_pull (run->h))) {
    if (lines)
      check_line (out);
    gst_buffer_unref (out);
  }
  while ((event = gst_harness_try_pull_event (run->h)))
    gst_event_unref (event);
  while ((event = gst_harness_try_pull_upstream_event (run->h)))
    gst_event_unref (event);
}

static void
push_frame (Run *run)
{
  const guint8 more = fuzz_u8 (run->in);

  if (!run->have_info || run->n_frames++ >= MAX_FRAMES)
    return;
  GstBuffer *frame = new_frame (run);
  if (more & 1)
    GST_BUFFER_PTS (frame) = more & 2 ? fuzz_u64 (run->in) : fuzz_u8 (run->in) * GST_SECOND;
  if (more & 4)
    GST_BUFFER_DURATION (frame) = fuzz_u64 (run->in);
  if (more & 8)
    GST_BUFFER_FLAG_SET (frame, (GstBufferFlags) fuzz_u32 (run->in));
  if (more & 16)
    add_crop (frame, run->in);
  for (guint n = more >> 6; n > 0; n--)
    add_result (frame, run);
  if (more & 32) {
    gst_buffer_ref (frame); /* not writable */
    gst_harness_push (run->h, frame);
    gst_buffer_unref (frame);
  } else {
    gst_harness_push (run->h, frame);
  }
  take_output (run);
}

/* --- events and queries --- */

static GstEvent *
choose_segment (FuzzReader *in)
{
  GstSegment segment;

  gst_segment_init (&segment, fuzz_below (in, 4) ? GST_FORMAT_TIME : GST_FORMAT_BYTES);
  segment.rate = fuzz_below (in, 4) ? 1 : -2;
  segment.start = fuzz_u8 (in) * GST_SECOND;
  segment.time = fuzz_u32 (in);
  if (fuzz_u8 (in) & 1)
    segment.stop = segment.start + fuzz_u32 (in);
  return gst_event_new_segment (&segment);
}

static void
send_event (Run *run)
{
  GstHarness *h = run->h;

  switch (fuzz_below (run->in, 12)) {
  case 0:
    gst_harness_push_event (h, gst_event_new_flush_start ());
    break;
  case 1:
    gst_harness_push_event (h, gst_event_new_flush_stop (fuzz_u8 (run->in) & 1));
    break;
  case 2:
    gst_harness_push_event (h, choose_segment (run->in));
    break;
  case 3:
    gst_harness_push_event (h, gst_event_new_gap (fuzz_u32 (run->in), 1));
    break;
  case 4:
    gst_harness_push_event (h, gst_event_new_eos ());
    break;
  case 5:
    gst_harness_push_event (h, gst_event_new_stream_start ("again"));
    break;
  case 6:
    gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, "rotate-90", NULL)));
    break;
  case 7:
    gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
    break;
  case 8:
    gst_harness_push_upstream_event (
        h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2, (GstClockTimeDiff) fuzz_u32 (run->in), 1));
    break;
  case 9:
    gst_harness_push_upstream_event (h, gst_event_new_seek (1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                                                            fuzz_u8 (run->in), GST_SEEK_TYPE_NONE, 0));
    break;
  case 10: /* a flush as in a seek */
    gst_harness_push_event (h, gst_event_new_flush_start ());
    gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
    gst_harness_push_event (h, choose_segment (run->in));
    break;
  default:
    gst_harness_push_upstream_event (h, gst_event_new_latency (fuzz_u32 (run->in)));
    break;
  }
  take_output (run);
}

static void
send_query (Run *run)
{
  GstPad *sink = gst_element_get_static_pad (run->h->element, "sink");
  GstPad *src = gst_element_get_static_pad (run->h->element, "src");
  GstCaps *caps = choose_caps (run->in);
  GstQuery *queries[] = {
    gst_query_new_caps (caps), gst_query_new_accept_caps (caps), gst_query_new_allocation (caps, TRUE),
    gst_query_new_latency (),  gst_query_new_caps (NULL),        gst_query_new_context ("gst.none")
  };

  for (guint i = 0; i < G_N_ELEMENTS (queries); i++) {
    /* Serialized queries come from upstream. */
    gst_pad_query (sink, queries[i]);
    if (i != 2)
      gst_pad_query (src, queries[i]);
    gst_query_unref (queries[i]);
  }
  gst_caps_unref (caps);
  gst_object_unref (sink);
  gst_object_unref (src);
}

/* Downstream accepts only these caps, or accepts and draws compositions. */
static void
change_downstream (Run *run)
{
  GstCaps *caps = fuzz_u8 (run->in) & 1 ? choose_caps (run->in) : gst_caps_new_any ();

  if (fuzz_u8 (run->in) & 1)
    gst_harness_add_propose_allocation_meta (run->h, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_harness_set_sink_caps (run->h, caps);
}

/* --- properties and states --- */

/* Inferences at large sizes would take longer than the rest of the run. */
static char *
choose_text (FuzzReader *in, const char *property)
{
  static const char *const sizes[] = { "auto", "model", "native", "32x32", "33x97", "128x32", "64X64", "0x0", "" };
  static const char *const thresholds[] = { "person=0.5", "dog=1,cat=0", "nobody=0.1", "person", "=", ",,", "" };
  static const char *const classes[] = { "person", "dog, CAT", "nobody", ",", " ", "" };

  if (g_str_equal (property, "inference-size"))
    return g_strdup (PICK (in, sizes));
  if (g_str_equal (property, "class-thresholds"))
    return g_strdup (PICK (in, thresholds));
  if (g_str_equal (property, "object-class"))
    return g_strdup (PICK (in, classes));
  if (g_str_equal (property, "model"))
    return fuzz_u8 (in) & 1 ? fuzz_model_path (PICK (in, models)) : g_strdup ("/nowhere.safetensors");
  if (g_str_equal (property, "labels-file"))
    return g_strdup (fuzz_u8 (in) & 1 ? "/nowhere.txt" : "");
  return fuzz_text (in);
}

static void
choose_value (FuzzReader *in, const GParamSpec *spec, GValue *value)
{
  if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    g_value_set_boolean (value, fuzz_u8 (in) & 1);
  else if (G_IS_PARAM_SPEC_UINT (spec)) /* more than a few threads only take time */
    g_value_set_uint (value, g_str_equal (spec->name, "threads") ? 1 + fuzz_below (in, 2) : fuzz_u32 (in));
  else if (G_IS_PARAM_SPEC_UINT64 (spec))
    g_value_set_uint64 (value, fuzz_u32 (in));
  else if (G_IS_PARAM_SPEC_INT (spec))
    g_value_set_int (value, (gint) fuzz_u32 (in));
  else if (G_IS_PARAM_SPEC_FLOAT (spec))
    g_value_set_float (value, choose_edge (in));
  else if (G_IS_PARAM_SPEC_DOUBLE (spec))
    g_value_set_double (value, (gdouble) fuzz_u8 (in) / 255);
  else if (G_IS_PARAM_SPEC_ENUM (spec))
    g_value_set_enum (value, (gint) fuzz_below (in, 6));
  else if (G_IS_PARAM_SPEC_STRING (spec))
    g_value_take_string (value, choose_text (in, spec->name));
}

static void
set_property (Run *run)
{
  guint n;
  GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (run->h->element), &n);
  const GParamSpec *spec = specs[fuzz_below (run->in, n)];
  GValue value = G_VALUE_INIT;

  if ((spec->flags & G_PARAM_WRITABLE) && g_str_has_prefix (g_type_name (spec->owner_type), "GstDicenet")) {
    g_value_init (&value, spec->value_type);
    choose_value (run->in, spec, &value);
    if (!g_param_value_validate ((GParamSpec *) spec, &value) || (spec->flags & G_PARAM_LAX_VALIDATION))
      g_object_set_property (G_OBJECT (run->h->element), spec->name, &value);
    g_value_unset (&value);
  }
  g_free (specs);
}

static void
read_properties (Run *run)
{
  guint n;
  GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (run->h->element), &n);

  for (guint i = 0; i < n; i++) {
    GValue value = G_VALUE_INIT;
    g_object_get_property (G_OBJECT (run->h->element), specs[i]->name, &value);
    g_value_unset (&value);
  }
  g_free (specs);
}

static void
set_state (Run *run)
{
  static const GstState states[] = { GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING };

  gst_element_set_state (run->h->element, PICK (run->in, states));
  if (fuzz_u8 (run->in) & 1)
    gst_element_set_state (run->h->element, GST_STATE_PLAYING);
  run->have_info = FALSE; /* pads lose their caps */
}

static void
step (Run *run)
{
  const guint8 what = fuzz_u8 (run->in);

  if (what < 110)
    push_frame (run);
  else if (what < 150)
    send_caps (run);
  else if (what < 190)
    send_event (run);
  else if (what < 225)
    set_property (run);
  else if (what < 240)
    set_state (run);
  else if (what < 245)
    send_query (run);
  else if (what < 250)
    change_downstream (run);
  else
    read_properties (run);
  fuzz_drain_bus (fuzz_bus (run->h));
}

/* The element with its own small model instead of an installed one. */
static GstElement *
new_element (guint choice)
{
  g_auto (GStrv) words = g_strsplit (launches[choice], " ", -1);
  GstElement *element = gst_element_factory_make (words[0], NULL);
  const char *task = words[0] + strlen ("dicenet");

  FUZZ_CHECK (element != NULL, "%s", words[0]);
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "model")) {
    g_autofree char *path = fuzz_model_path (task);
    g_object_set (element, "model", path, "threads", 1, NULL);
  }
  for (guint i = 1; words[i]; i++) {
    char *equals = strchr (words[i], '=');
    *equals = '\0';
    gst_util_set_object_arg (G_OBJECT (element), words[i], equals + 1);
  }
  return element;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, data + size };
  GstElement *element = new_element (fuzz_below (&reader, G_N_ELEMENTS (launches)));
  Run run = { .in = &reader, .h = fuzz_harness_new (element) };

  FUZZ_CHECK (run.h != NULL, "its model is there");
  gst_harness_push_event (run.h, gst_event_new_stream_start ("fuzz"));
  send_caps (&run);
  gst_harness_push_event (run.h, choose_segment (&reader));
  for (guint i = 0; i < MAX_STEPS && !fuzz_is_empty (&reader); i++)
    step (&run);
  take_output (&run);
  fuzz_harness_free (run.h);
  return 0;
}
