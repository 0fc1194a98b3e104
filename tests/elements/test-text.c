/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cases in which text can't be drawn: without fonts ("fonts"), and without threads ("threads") or with too few of them
 * ("more-threads"), which Pango requires. Each is a separate process, because Pango and fontconfig check only once. */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "compose.h"
#include <gst/dicenet/gstdicenetmeta.h>

static guint n_asked = 0, n_allowed = G_MAXUINT; /* numbers of threads */

#ifndef DICENET_SANITIZED
#include <dlfcn.h>

/* Replaces the C library's. */
int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*func) (void *), void *data)
{
  int (*real) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) =
      (int (*) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *)) dlsym (RTLD_NEXT, "pthread_create");

  return n_asked++ >= n_allowed ? EAGAIN : real (thread, attributes, func, data);
}
#endif

static GstBuffer *
frame_with_box (GstVideoInfo *info, const GstDicenetDetection *boxes, guint n)
{
  static const gchar *const labels[] = { "background", "person", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);
  GstBuffer *buffer = gst_buffer_new ();

  gst_video_info_set_format (info, GST_VIDEO_FORMAT_I420, 640, 480);
  gst_buffer_add_dicenet_meta_from_array (buffer, result, 640, 480, boxes, n, 0);
  gst_dicenet_result_unref (result);
  return buffer;
}

/* Without a font, Pango's text sizes are undefined. */
static void
check_size (GstVideoOverlayRectangle *rectangle)
{
  gint x, y;
  guint width, height;

  gst_video_overlay_rectangle_get_render_rectangle (rectangle, &x, &y, &width, &height);
  g_assert_cmpuint (width, <=, 640);
  g_assert_cmpuint (height, <=, 480);
}

/* Returns the number of rectangles drawn. */
static guint
draw (GstDicenetRenderer *renderer, guint n_boxes)
{
  const GstDicenetDetection box = { .label_id = 1, .confidence = 0.9, .x = 200, .y = 160, .w = 240, .h = 200 };
  GstVideoInfo info;
  GstBuffer *buffer = frame_with_box (&info, &box, n_boxes);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, 0.5, NULL);
  const guint n = composition ? gst_video_overlay_composition_n_rectangles (composition) : 0;

  for (guint i = 0; i < n; i++)
    check_size (gst_video_overlay_composition_get_rectangle (composition, i));
  g_clear_pointer (&composition, gst_video_overlay_composition_unref);
  gst_buffer_unref (buffer);
  return n;
}

int
main (int argc, char **argv)
{
  g_assert_cmpint (argc, ==, 2);
  const gboolean fonts = strcmp (argv[1], "fonts") == 0;

  gst_init (&argc, &argv);
#ifdef DICENET_SANITIZED
  if (!fonts)
    return 77; /* the sanitizers' runtime replaces pthread_create() */
#endif
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  n_allowed = fonts ? G_MAXUINT : strcmp (argv[1], "threads") == 0 ? 0 : 2;
  n_asked = 0;
  g_assert_cmpuint (draw (renderer, 0), ==, 0);
  g_assert_cmpuint (n_asked, ==, 0); /* no text, so Pango is not initialised */
  g_assert_null (gst_dicenet_renderer_get_problem (renderer));
  g_assert_cmpuint (draw (renderer, 1), ==, fonts ? 5 : 4); /* four edges and the label */
  g_assert_nonnull (strstr (gst_dicenet_renderer_get_problem (renderer), fonts ? "fonts-dejavu-core" : "ulimit -u"));
  gst_dicenet_renderer_free (renderer);
  return 0;
}
