/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs dicenettrack on detections in a text file, without pictures, for the scripts in this folder.
 *
 *   track [PROPERTY=VALUE...] < DETECTIONS > TRACKS
 *
 * Input: for each frame a line `frame PTS AGE` (nanoseconds; AGE 0, or the number of frames since the inference that
 * this frame's objects are from), followed, if AGE is 0, by the objects: `object LABEL CONFIDENCE X Y W H` (pixels).
 * Output: for each numbered object of each frame `PTS NUMBER X Y W H`.
 */

#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetobject.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  1280
#define HEIGHT 720

typedef struct {
  GstHarness *harness;
  GPtrArray *labels;
  GArray *detections; /* GstDicenetDetection, of the last inference */
  GstDicenetResult *result;
  GstClockTime inferred;

  /* The frame that is being read. */
  gboolean has_frame;
  GstClockTime pts;
  guint age;
} Run;

G_GNUC_NORETURN static void
fail (const gchar *what, const gchar *line)
{
  fprintf (stderr, "error: %s: %s\n", what, line);
  exit (2);
}

static guint
label_id (Run *run, const gchar *label)
{
  guint index;

  if (!g_ptr_array_find_with_equal_func (run->labels, label, g_str_equal, &index)) {
    index = run->labels->len;
    g_ptr_array_add (run->labels, g_strdup (label));
  }
  return index;
}

static void
renew_result (Run *run)
{
  g_clear_pointer (&run->result, gst_dicenet_result_unref);
  g_ptr_array_add (run->labels, NULL);
  run->result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "made", (const gchar *const *) run->labels->pdata, -1);
  g_ptr_array_remove_index (run->labels, run->labels->len - 1);
  run->inferred = run->pts;
}

static void
print_tracks (GstBuffer *buffer)
{
  GArray *objects = gst_buffer_get_dicenet_objects (buffer);

  for (guint i = 0; i < objects->len; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    if (object->track_id != 0)
      printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %.2f %.2f %.2f %.2f\n", GST_BUFFER_PTS (buffer),
              object->track_id, object->x, object->y, object->w, object->h);
  }
  g_array_unref (objects);
}

static void
push_frame (Run *run)
{
  if (!run->has_frame)
    return;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 1, NULL); /* nobody looks at pixels */
  GST_BUFFER_PTS (buffer) = run->pts;
  if (run->age == 0)
    renew_result (run);
  if (run->result) {
    GstDicenetMeta *meta =
        gst_buffer_add_dicenet_meta (buffer, run->result, WIDTH, HEIGHT, g_array_copy (run->detections), run->age);
    meta->source_pts = run->inferred;
    meta->age_time = run->pts - run->inferred;
  }
  buffer = gst_harness_push_and_pull (run->harness, buffer);
  if (!buffer)
    fail ("no frame came out", "dicenettrack");
  print_tracks (buffer);
  gst_buffer_unref (buffer);
}

static void
read_line (Run *run, const gchar *line)
{
  GstDicenetDetection d = { 0 };
  gchar label[64];

  if (g_str_has_prefix (line, "frame ")) {
    push_frame (run);
    if (sscanf (line, "frame %" G_GUINT64_FORMAT " %u", &run->pts, &run->age) != 2)
      fail ("expected: frame PTS AGE", line);
    run->has_frame = TRUE;
    if (run->age == 0)
      g_array_set_size (run->detections, 0);
    return;
  }
  if (sscanf (line, "object %63s %lf %lf %lf %lf %lf", label, &d.confidence, &d.x, &d.y, &d.w, &d.h) != 6)
    fail ("expected: object LABEL CONFIDENCE X Y W H", line);
  d.label_id = label_id (run, label);
  g_array_append_val (run->detections, d);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);

  g_autoptr (GString) launch = g_string_new ("dicenettrack");
  for (gint i = 1; i < argc; i++)
    g_string_append_printf (launch, " %s", argv[i]);
  Run run = { .harness = gst_harness_new_parse (launch->str),
              .labels = g_ptr_array_new_with_free_func (g_free),
              .detections = g_array_new (FALSE, TRUE, sizeof (GstDicenetDetection)) };
  gst_harness_set_src_caps_str (run.harness, "video/x-raw,format=GRAY8,width=" G_STRINGIFY (
                                                 WIDTH) ",height=" G_STRINGIFY (HEIGHT) ",framerate=25/1");
  gchar line[512];
  while (fgets (line, sizeof line, stdin))
    read_line (&run, line);
  push_frame (&run);

  gst_harness_teardown (run.harness);
  g_clear_pointer (&run.result, gst_dicenet_result_unref);
  g_ptr_array_unref (run.labels);
  g_array_unref (run.detections);
  gst_deinit ();
  return 0;
}
