/* Photos to a clip: one after the other moves across the frame.
 *
 *   photo-clip OUTPUT.mkv PHOTO...
 *
 * OUTPUT.mkv must not be there yet; it appears when it is whole.
 * Needs: GStreamer's base, good and ugly plugins.
 * Shows: a property that GStreamer itself changes over time (GstController), here where a compositor
 * puts each photo.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/controller/controller.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <gst/gst.h>

#define WIDTH        640 /* also the side of a photo: they are cut to squares */
#define HEIGHT       480
#define FPS          15
#define PHOTO_FRAMES 20 /* while one photo can be seen */

/* The text first, then the names of files, which could hold anything. */
static GstElement *
new_pipeline (char **photos, guint n_photos, guint n_frames, const char *output, GError **error)
{
  GString *text = g_string_new ("compositor name=frame background=black ! ");

  g_string_append_printf (text, "video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 ! ", WIDTH, HEIGHT, FPS);
  g_string_append (text, "x264enc speed-preset=veryfast pass=qual quantizer=18 ! h264parse ! matroskamux ! "
                         "filesink name=output ");
  for (guint i = 0; i < n_photos; i++)
    g_string_append_printf (text,
                            "filesrc name=photo%u ! decodebin ! videoconvert ! aspectratiocrop aspect-ratio=1/1 ! "
                            "videoscale ! video/x-raw,width=%d,height=%d ! imagefreeze num-buffers=%u ! "
                            "video/x-raw,framerate=%d/1 ! frame.sink_%u ",
                            i, WIDTH, WIDTH, n_frames, FPS, i);
  GstElement *pipeline = gst_parse_launch (text->str, error);
  g_string_free (text, TRUE);
  if (!pipeline)
    return NULL;

  gst_child_proxy_set (GST_CHILD_PROXY (pipeline), "output::location", output, NULL);
  for (guint i = 0; i < n_photos; i++) {
    char *name = g_strdup_printf ("photo%u::location", i);
    gst_child_proxy_set (GST_CHILD_PROXY (pipeline), name, photos[i], NULL);
    g_free (name);
  }
  return pipeline;
}

/* Lets a property of a photo's pad go from one value to another between two frames, and stay there. */
static void
animate (GstPad *pad, const char *property, guint frame, gdouble value, guint next_frame, gdouble next_value)
{
  GstControlSource *values = gst_interpolation_control_source_new ();
  GstTimedValueControlSource *points = GST_TIMED_VALUE_CONTROL_SOURCE (values);

  g_object_set (values, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
  gst_timed_value_control_source_set (points, gst_util_uint64_scale (frame, GST_SECOND, FPS), value);
  gst_timed_value_control_source_set (points, gst_util_uint64_scale (next_frame, GST_SECOND, FPS), next_value);
  gst_object_add_control_binding (GST_OBJECT (pad),
                                  gst_direct_control_binding_new_absolute (GST_OBJECT (pad), property, values));
  gst_object_unref (values);
}

/* One photo after the other, the first on top. Each moves up while it can be seen, and is gone from one frame to the
 * next: a frame with parts of two photos would be hard on a network that looks at the whole picture. */
static void
move_photos (GstElement *pipeline, guint n_photos)
{
  GstElement *frame = gst_bin_get_by_name (GST_BIN (pipeline), "frame");

  for (guint i = 0; i < n_photos; i++) {
    char *name = g_strdup_printf ("sink_%u", i);
    GstPad *pad = gst_element_get_static_pad (frame, name);
    guint end = (i + 1) * PHOTO_FRAMES;
    g_object_set (pad, "zorder", n_photos - i, NULL);
    animate (pad, "ypos", end - PHOTO_FRAMES, 0, end, HEIGHT - WIDTH);
    if (i + 1 < n_photos)
      animate (pad, "alpha", end - 1, 1, end, 0);
    gst_object_unref (pad);
    g_free (name);
  }
  gst_object_unref (frame);
}

static int
run (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GError *error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    char *details = NULL;
    gst_message_parse_error (message, &error, &details);
    g_printerr ("error: %s\n%s\n", error->message, details ? details : "");
    g_free (details);
  }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  int status = error ? 1 : 0;
  g_clear_error (&error);
  return status;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;

  gst_init (&argc, &argv);
  if (argc < 3) {
    g_printerr ("usage: photo-clip OUTPUT.mkv PHOTO...\n");
    return 2;
  }
  if (g_file_test (argv[1], G_FILE_TEST_EXISTS)) {
    g_printerr ("error: %s is already there\n", argv[1]);
    return 1;
  }
  char *part = g_strconcat (argv[1], ".part", NULL);
  guint n_photos = (guint) argc - 2;
  guint n_frames = n_photos * PHOTO_FRAMES;
  GstElement *pipeline = new_pipeline (argv + 2, n_photos, n_frames, part, &error);
  if (!pipeline) {
    g_printerr ("error: %s\n", error->message);
    g_error_free (error);
    g_free (part);
    return 1;
  }
  move_photos (pipeline, n_photos);
  int status = run (pipeline);
  gst_object_unref (pipeline);
  if (status == 0 && g_rename (part, argv[1]) != 0) {
    g_printerr ("error: %s could not be written: %s\n", argv[1], g_strerror (errno));
    status = 1;
  }
  if (status != 0)
    g_unlink (part);
  g_free (part);
  return status;
}
