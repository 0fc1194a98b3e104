/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GStreamer's decoder of SSD's tensors finds objects, dicenettrack numbers them, and dicenetjson writes the numbers.
 * The tensors are made here, so no network runs. The argument names the decoder: ssdobjectdetector or, from 1.28 on,
 * ssdtensordec. That of 1.24 reads only what its own plugin attaches. */

#include "../elements/common.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#if !defined HAVE_GST_ANALYTICS || !GST_CHECK_VERSION(1, 26, 0)
int
main (void)
{
  g_print ("skipped: built without GStreamer's public API for tensors, which 1.26 or later has\n");
  return 77;
}
#else

#define W        320
#define H        240
#define N_FRAMES 20

static const gchar *decoder;

/* --- the scene --- */

typedef struct {
  const gchar *label;
  guint class_id;
  gfloat score;
  gint x, y, w, h, dx, dy; /* pixels; on the first frame, and each frame's steps */
  gboolean blinks;         /* not seen on some frames in the middle */
} Thing;

/* 1.26.2 counts classes from 0, 1.28.8 from 1: each label is there twice. */
#define LABELS   "person\nperson\ncar\ncar\n"

static const Thing things[] = {
  { "person", 1, 0.9f, 20, 10, 40, 80, 6, 1, FALSE },
  { "person", 1, 0.8f, 250, 140, 40, 80, -6, 0, TRUE },
  { "car", 3, 0.7f, 60, 100, 90, 50, 5, -1, FALSE },
};
/* What the decoder must leave out: too low a score, and a row after the number of detections. */
static const Thing doubtful = { "car", 3, 0.1f, 200, 40, 50, 50, 0, 0, FALSE };
static const Thing after_last = { "car", 3, 0.9f, 10, 180, 50, 50, 0, 0, FALSE };

#define N_THINGS G_N_ELEMENTS (things)
#define N_VALID  (N_THINGS + 1)
#define N_ROWS   (N_THINGS + 2)

static gboolean
is_seen (const Thing *thing, guint frame)
{
  return !thing->blinks || frame < 8 || frame > 10;
}

/* --- tensors --- */

typedef struct {
  gfloat count[1];
  gfloat scores[N_ROWS];
  gfloat boxes[N_ROWS][4]; /* top, left, bottom, right; fractions of the frame */
  gfloat classes[N_ROWS];
} Output;

static void
put_row (Output *output, guint row, const Thing *thing, guint frame)
{
  const gfloat x = thing->x + thing->dx * (gint) frame, y = thing->y + thing->dy * (gint) frame;
  const gfloat box[] = { y / H, x / W, (y + thing->h) / H, (x + thing->w) / W };

  memcpy (output->boxes[row], box, sizeof box);
  output->scores[row] = is_seen (thing, frame) ? thing->score : 0;
  output->classes[row] = thing->class_id;
}

/* The order changes from frame to frame, so that it tells nobody which object is which. */
static Output
output_for (guint frame)
{
  Output output = { .count = { N_VALID } };

  for (guint i = 0; i < N_VALID; i++)
    put_row (&output, (i + frame) % N_VALID, i < N_THINGS ? &things[i] : &doubtful, frame);
  put_row (&output, N_VALID, &after_last, frame);
  return output;
}

static GstTensor *
tensor_new (const gchar *id, const gfloat *data, gsize n_dims, gsize *dims)
{
  gsize n = 1;

  for (gsize i = 0; i < n_dims; i++)
    n *= dims[i];
  GstBuffer *buffer = gst_buffer_new_memdup (data, n * sizeof *data);
  return gst_tensor_new_simple (g_quark_from_string (id), GST_TENSOR_DATA_TYPE_FLOAT32, buffer,
                                GST_TENSOR_DIM_ORDER_ROW_MAJOR, n_dims, dims);
}

typedef struct {
  const gchar *count, *scores, *boxes, *classes;
} Ids;

static const Ids ids_1_26 = { "Gst.Model.ObjectDetector.NumDetections", "Gst.Model.ObjectDetector.Scores",
                              "Gst.Model.ObjectDetector.Boxes", "Gst.Model.ObjectDetector.Classes" };
static const Ids ids_1_28 = { "generic-variant-1-out-count", "ssd-mobilenet-v1-variant-1-out-scores",
                              "ssd-mobilenet-v1-variant-1-out-boxes", "ssd-mobilenet-v1-variant-1-out-classes" };

static GstBuffer *
frame_with_tensors (GstHarness *h, const Ids *ids, guint frame)
{
  const Output output = output_for (frame);
  GstTensor **tensors = g_new (GstTensor *, 4);
  GstBuffer *buffer = frame_like (h, frame);

  tensors[0] = tensor_new (ids->count, output.count, 1, (gsize[]){ 1 });
  tensors[1] = tensor_new (ids->scores, output.scores, 2, (gsize[]){ 1, N_ROWS });
  tensors[2] = tensor_new (ids->boxes, output.boxes[0], 3, (gsize[]){ 1, N_ROWS, 4 });
  tensors[3] = tensor_new (ids->classes, output.classes, 2, (gsize[]){ 1, N_ROWS });
  gst_tensor_meta_set (gst_buffer_add_tensor_meta (buffer), 4, tensors);
  return buffer;
}

/* From 1.28 on, decoders accept only caps that announce the tensors. */
static gboolean
needs_tensors_in_caps (void)
{
  g_autoptr (GstElement) element = gst_element_factory_make (decoder, NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_pad_template_caps (sink);

  return gst_structure_has_field (gst_caps_get_structure (caps, 0), "tensors");
}

static gchar *
tensor_caps (const gchar *id, const gchar *dims)
{
  return g_strdup_printf ("(GstCaps)[tensor/strided,tensor-id=(string)%s,dims=(int)<%s>,dims-order=(string)row-major,"
                          "type=(string)float32;]",
                          id, dims);
}

/* The number of rows is dynamic: 0. */
static gchar *
caps_with_tensors (void)
{
  g_autofree gchar *video = video_caps ("BGRx", W, H);
  g_autofree gchar *count = tensor_caps (ids_1_28.count, "1");
  g_autofree gchar *scores = tensor_caps (ids_1_28.scores, "1,0");
  g_autofree gchar *boxes = tensor_caps (ids_1_28.boxes, "1,0,4");
  g_autofree gchar *classes = tensor_caps (ids_1_28.classes, "1,0");

  return g_strdup_printf ("%s,tensors=(structure)[tensorgroups,ssd-mobilenet-v1-variant-1-out=(/uniquelist)"
                          "{%s,%s,%s,%s}]",
                          video, count, scores, boxes, classes);
}

/* --- what comes out --- */

typedef struct {
  gint x, y, w, h;
  guint64 number; /* 0: none */
  const gchar *label;
} Found;

/* The OD's label may be missing, and is then an empty one elsewhere. */
static Found
read_od (GstAnalyticsRelationMeta *graph, const GstAnalyticsMtd *od)
{
  Found found = { 0 };
  GstAnalyticsMtd track;

  fail_unless (gst_analytics_od_mtd_get_location (od, &found.x, &found.y, &found.w, &found.h, NULL));
  const GQuark label = gst_analytics_od_mtd_get_obj_type (od);
  found.label = label != 0 ? g_quark_to_string (label) : "";
  if (gst_analytics_relation_meta_get_direct_related (graph, od->id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                      gst_analytics_tracking_mtd_get_mtd_type (), NULL, &track))
    fail_unless (gst_analytics_tracking_mtd_get_info (&track, &found.number, NULL, NULL, NULL));
  return found;
}

static GArray *
read_analytics (GstBuffer *frame)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Found));
  GstAnalyticsRelationMeta *graph = gst_buffer_get_analytics_relation_meta (frame);
  gpointer state = NULL;
  GstAnalyticsMtd od;

  fail_unless (graph != NULL, "nothing was decoded");
  while (gst_analytics_relation_meta_iterate (graph, &state, gst_analytics_od_mtd_get_mtd_type (), &od)) {
    const Found entry = read_od (graph, &od);
    g_array_append_val (found, entry);
  }
  return found;
}

static GArray *
read_line (JsonParser *parser, GstBuffer *line)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Found));
  GBytes *text = bytes_of (line);

  fail_unless (json_parser_load_from_data (parser, g_bytes_get_data (text, NULL), g_bytes_get_size (text), NULL));
  g_bytes_unref (text);
  JsonArray *objects = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "objects");
  for (guint i = 0; i < json_array_get_length (objects); i++) {
    JsonObject *object = json_array_get_object_element (objects, i);
    const Found entry = { json_object_get_int_member (object, "x"),
                          json_object_get_int_member (object, "y"),
                          json_object_get_int_member (object, "w"),
                          json_object_get_int_member (object, "h"),
                          json_object_get_int_member_with_default (object, "id", 0),
                          json_object_get_string_member (object, "roi_type") };
    g_array_append_val (found, entry);
  }
  return found;
}

/* The decoder rounds down. */
static gboolean
is_at (const Found *found, const Thing *thing, guint frame)
{
  const gint x = thing->x + thing->dx * (gint) frame, y = thing->y + thing->dy * (gint) frame;

  return ABS (found->x - x) <= 1 && ABS (found->y - y) <= 1 && ABS (found->w - thing->w) <= 1 &&
         ABS (found->h - thing->h) <= 1;
}

static const Found *
find (const GArray *found, const Thing *thing, guint frame)
{
  for (guint i = 0; i < found->len; i++) {
    if (is_at (&g_array_index (found, Found, i), thing, frame))
      return &g_array_index (found, Found, i);
  }
  return NULL;
}

/* By default a track has its number from the second frame on. @numbers are those of all things so far. */
static void
expect (GArray *found, guint frame, gboolean labelled, guint64 *numbers)
{
  guint n_seen = 0;

  for (guint i = 0; i < N_THINGS; i++) {
    if (!is_seen (&things[i], frame))
      continue;
    const Found *object = find (found, &things[i], frame);
    fail_unless (object != NULL, "object %u is not on frame %u", i, frame);
    fail_unless_equals_string (object->label, labelled ? things[i].label : "");
    fail_unless (object->number > 0 || frame == 0, "object %u has no number on frame %u", i, frame);
    fail_unless (numbers[i] == 0 || object->number == numbers[i],
                 "object %u is %" G_GUINT64_FORMAT " on frame %u, and was %" G_GUINT64_FORMAT, i, object->number, frame,
                 numbers[i]);
    numbers[i] = object->number;
    for (guint j = 0; j < i; j++)
      fail_if (numbers[i] != 0 && numbers[i] == numbers[j], "objects %u and %u are both %" G_GUINT64_FORMAT, j, i,
               numbers[i]);
    n_seen++;
  }
  fail_unless_equals_int (found->len, n_seen);
  g_array_unref (found);
}

static void
follow (const gchar *settings, gboolean labelled)
{
  const gboolean announced = needs_tensors_in_caps ();
  g_autofree gchar *line = g_strdup_printf ("%s %s ! dicenettrack", decoder, settings);
  g_autofree gchar *caps = announced ? caps_with_tensors () : video_caps ("BGRx", W, H);
  g_autoptr (JsonParser) parser = json_parser_new ();
  GstHarness *h = harness_for (line), *json = harness_for ("dicenetjson");
  guint64 numbers[N_THINGS] = { 0 };

  gst_harness_set_src_caps_str (h, caps);
  gst_harness_set_src_caps_str (json, caps);
  for (guint n = 0; n < N_FRAMES; n++) {
    GstBuffer *in = frame_with_tensors (h, announced ? &ids_1_28 : &ids_1_26, n);
    fail_unless_equals_int (gst_harness_push (h, in), GST_FLOW_OK);
    GstBuffer *frame = gst_harness_pull (h);
    fail_unless (frame != NULL);
    expect (read_analytics (frame), n, labelled, numbers);
    GstBuffer *text = gst_harness_push_and_pull (json, frame);
    fail_unless (text != NULL);
    expect (read_line (parser, text), n, labelled, numbers);
    gst_buffer_unref (text);
  }
  harness_free (h);
  harness_free (json);
}

/* --- tests --- */

GST_START_TEST (test_labels)
{
  g_autofree gchar *path = NULL;
  gint file = g_file_open_tmp ("labels-XXXXXX", &path, NULL);

  fail_unless (file >= 0);
  close (file);
  fail_unless (g_file_set_contents (path, LABELS, -1, NULL));
  g_autofree gchar *settings = g_strdup_printf ("label-file=\"%s\"", path);
  follow (settings, TRUE);
  g_unlink (path);
}
GST_END_TEST;

/* The default: ODs without a type. */
GST_START_TEST (test_no_labels)
{
  follow ("", FALSE);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  decoder = argc > 1 ? argv[1] : "";
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (decoder);
  if (!factory) {
    g_print ("skipped: GStreamer %d.%d has no element '%s' here\n", GST_VERSION_MAJOR, GST_VERSION_MINOR, decoder);
    return 77;
  }
  TCase *tests = tcase_create ("tensors");
  tcase_add_test (tests, test_labels);
  tcase_add_test (tests, test_no_labels);
  return run_tests (argc, argv, decoder, tests);
}
#endif
