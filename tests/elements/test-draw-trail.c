/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way of tracked objects: what is remembered, and how it is drawn. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include "overlay/gstdicenetdrawtrail.h"
#include "overlay/gstdicenettext.h"
#include "overlay/gstdicenettrail.h"

#define GRAY   0x606060
#define WIDTH  320
#define HEIGHT 240
#define SIZE   20 /* of objects */
#define CAR    2  /* their class */
#define CAPS   "video/x-raw,format=BGRx,width=320,height=240,framerate=10/1"

/* --- memory --- */

static const GstVideoRectangle whole = { 0, 0, 1000, 1000 };

typedef struct {
  gboolean wrong;
  guint n_paths, n_points, most;
  GstDicenetTrailPoint first, last;
} Paths;

static void
look_at_path (const GstDicenetTrailPoint *points, guint n, guint32 color, gpointer data)
{
  Paths *paths = data;

  paths->wrong |= n < 2;
  for (guint i = 1; i < n; i++)
    paths->wrong |= points[i].time < points[i - 1].time;
  paths->n_paths++;
  paths->n_points += n;
  paths->most = MAX (paths->most, n);
  paths->first = points[0];
  paths->last = points[n - 1];
}

static Paths
look_at (const GstDicenetTrail *trail)
{
  Paths paths = { 0 };

  gst_dicenet_trail_foreach (trail, look_at_path, &paths);
  fail_if (paths.wrong);
  return paths;
}

static void
begin (GstDicenetTrail *trail, gint64 now, guint64 stay)
{
  gst_dicenet_trail_begin (trail, now, stay, &whole);
}

GST_START_TEST (test_many_numbers)
{
  GstDicenetTrail *trail = gst_dicenet_trail_new ();

  for (guint i = 0; i < 1000; i++) {
    begin (trail, i, GST_SECOND);
    for (guint k = 0; k < 100; k++) /* all numbers are new */
      gst_dicenet_trail_add (trail, "model", 100 * i + k + 1, k, i % 1000, 0);
    fail_unless (gst_dicenet_trail_get_n_objects (trail) <= GST_DICENET_MAX_TRAILS);
  }
  fail_unless_equals_int (gst_dicenet_trail_get_n_objects (trail), GST_DICENET_MAX_TRAILS);
  /* The last ones are there. */
  begin (trail, 1000, GST_SECOND);
  for (guint k = 0; k < 100; k++)
    gst_dicenet_trail_add (trail, "model", 99901 + k, k, 500, 0);
  fail_unless_equals_int (look_at (trail).n_paths, 100);
  /* So many at once. */
  begin (trail, 1001, GST_SECOND);
  for (guint k = 0; k < 100000; k++)
    gst_dicenet_trail_add (trail, "model", 200000 + k, k % 1000, 500, 0);
  fail_unless_equals_int (gst_dicenet_trail_get_n_objects (trail), GST_DICENET_MAX_TRAILS);
  begin (trail, 2 * GST_SECOND, GST_SECOND);
  fail_unless_equals_int (gst_dicenet_trail_get_n_objects (trail), 0);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* However many frames there are in the time: positions cover all of it. */
GST_START_TEST (test_many_frames)
{
  const guint64 stay = 10 * GST_SECOND;
  GstDicenetTrail *trail = gst_dicenet_trail_new ();
  gint64 now = 0;

  for (guint i = 0; i < 100000; i++) {
    now = i * (gint64) GST_MSECOND;
    begin (trail, now, stay);
    gst_dicenet_trail_add (trail, NULL, 7, i % 100 * 10, i / 100 % 100 * 10, 0);
  }
  const Paths paths = look_at (trail);
  fail_unless_equals_int (paths.n_paths, 1);
  fail_unless (paths.most <= GST_DICENET_MAX_TRAIL_POINTS && paths.most > GST_DICENET_MAX_TRAIL_POINTS / 2, "%u",
               paths.most);
  fail_unless (paths.first.time >= now - (gint64) stay && paths.first.time < now - (gint64) stay * 9 / 10);
  fail_unless_equals_float (paths.last.x, 990);
  /* A longer time has room, too; a shorter one forgets. */
  begin (trail, ++now, 3600 * GST_SECOND);
  fail_unless_equals_int (look_at (trail).n_points, paths.n_points);
  begin (trail, ++now, GST_SECOND);
  fail_unless (look_at (trail).first.time >= now - (gint64) GST_SECOND);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* However many objects there are: so do the positions of all, and what is drawn is bounded. */
GST_START_TEST (test_many_objects)
{
  const guint64 stay = 10 * GST_SECOND;
  GstDicenetTrail *trail = gst_dicenet_trail_new ();
  guint n_objects = 10;

  for (guint i = 0; i < 600; i++) {
    begin (trail, i * (gint64) GST_SECOND / 20, stay);
    n_objects = i % 5 == 4 ? MIN (n_objects + 25, GST_DICENET_MAX_TRAILS) : n_objects;
    for (guint k = 0; k < n_objects; k++)
      gst_dicenet_trail_add (trail, NULL, k, i % 100 * 10, i / 100 % 100 * 10, 0);
    const Paths paths = look_at (trail);
    fail_unless (paths.n_points <= GST_DICENET_MAX_ALL_TRAIL_POINTS + 2 * n_objects, "%u of %u objects", paths.n_points,
                 n_objects);
    if (i == 599)
      fail_unless (paths.first.time <= (i - 160) * (gint64) GST_SECOND / 20);
  }
  fail_unless_equals_int (look_at (trail).n_paths, GST_DICENET_MAX_TRAILS);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

GST_START_TEST (test_standing)
{
  GstDicenetTrail *trail = gst_dicenet_trail_new ();

  for (guint i = 0; i < 100; i++) { /* trembles, stands for longer than positions stay */
    begin (trail, i * (gint64) GST_SECOND / 10, GST_SECOND);
    gst_dicenet_trail_add (trail, NULL, 1, 500 + i % 2, 500, 0);
    fail_unless_equals_int (look_at (trail).n_paths, 0);
  }
  begin (trail, 10 * GST_SECOND, GST_SECOND);
  gst_dicenet_trail_add (trail, NULL, 1, 510, 500, 0);
  const Paths paths = look_at (trail); /* from where it stood */
  fail_unless_equals_int (paths.n_paths, 1);
  fail_unless_equals_float (paths.first.x, 500);
  fail_unless_equals_float (paths.last.x, 510);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* A little is the jitter of a camera, more is another time. */
GST_START_TEST (test_time_goes_back)
{
  const gint64 times[] = { G_MININT64, G_MAXINT64, -5, 0, G_MAXINT64, G_MININT64 };
  GstDicenetTrail *trail = gst_dicenet_trail_new ();

  begin (trail, 5 * GST_SECOND, GST_SECOND);
  gst_dicenet_trail_add (trail, NULL, 1, 10, 10, 0);
  begin (trail, 5 * GST_SECOND - 1, GST_SECOND);
  gst_dicenet_trail_add (trail, NULL, 1, 20, 10, 0);
  fail_unless_equals_int (look_at (trail).n_paths, 1);
  begin (trail, GST_SECOND, GST_SECOND);
  gst_dicenet_trail_add (trail, NULL, 1, 30, 10, 0);
  fail_unless_equals_int (look_at (trail).n_paths, 0);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    begin (trail, times[i], i % 2 ? G_MAXUINT64 : 1);
    gst_dicenet_trail_add (trail, NULL, 1, i * 100, NAN, 0);
    gst_dicenet_trail_add (trail, NULL, 2, i * 100, INFINITY, 0);
    gst_dicenet_trail_add (trail, NULL, 3, i * 100, 10, 0);
    fail_unless_equals_int (gst_dicenet_trail_get_n_objects (trail), 1);
  }
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* --- drawing --- */

static void
count_new (GstVideoOverlayComposition *composition, GstVideoOverlayComposition *before, guint *n_new)
{
  const guint n = gst_video_overlay_composition_n_rectangles (composition);

  *n_new = n;
  for (guint i = 0; i < n; i++) {
    for (guint j = 0; j < gst_video_overlay_composition_n_rectangles (before); j++)
      *n_new -= gst_video_overlay_composition_get_rectangle (composition, i) ==
                gst_video_overlay_composition_get_rectangle (before, j);
  }
}

/* Tiles are drawn anew where the trail changed, and only there. */
GST_START_TEST (test_reuse)
{
  GstVideoInfo info;
  GstDicenetTrail *trail = gst_dicenet_trail_new ();
  GstDicenetTrailRenderer *renderer = gst_dicenet_trail_renderer_new ();
  GstVideoOverlayComposition *last = NULL;
  guint n_new;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_BGRx, 1000, 1000);
  fail_unless (gst_dicenet_trail_renderer_compose (renderer, trail, &info, NULL) == NULL);
  for (guint i = 0; i < 22; i++) {
    begin (trail, i * (gint64) GST_SECOND / 25, GST_SECOND);
    gst_dicenet_trail_add (trail, NULL, 1, 30 + 40 * MIN (i, 18), 30, 0xff0000);
    if (i == 0)
      continue;
    GstVideoOverlayComposition *composition = gst_dicenet_trail_renderer_compose (renderer, trail, &info, NULL);
    fail_unless (composition != NULL);
    if (last) {
      count_new (composition, last, &n_new);
      if (i < 20)
        fail_unless (n_new >= 1 && n_new <= 2, "%u of %u tiles are new", n_new,
                     gst_video_overlay_composition_n_rectangles (composition));
      else
        fail_unless_equals_int (n_new, 0);
      gst_video_overlay_composition_unref (last);
    }
    last = composition;
  }
  fail_unless (gst_video_overlay_composition_n_rectangles (last) <= 13);
  fail_unless (gst_dicenet_trail_renderer_get_problem (renderer) == NULL);
  gst_video_overlay_composition_unref (last);
  gst_dicenet_trail_renderer_free (renderer);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* As many objects as are remembered, which jump across frames of any size. */
GST_START_TEST (test_extremes)
{
  static const gint sizes[][2] = { { 1, 1 }, { 1, 300 }, { 16, 16 }, { 161, 121 }, { 1920, 1080 }, { 32767, 8 } };
  const gint width = sizes[__i__][0], height = sizes[__i__][1];
  const GstVideoRectangle view = { 0, 0, width, height };
  GstDicenetTrail *trail = gst_dicenet_trail_new ();
  GstDicenetTrailRenderer *renderer = gst_dicenet_trail_renderer_new ();
  GRand *rand = g_rand_new_with_seed (1);
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_BGRx, (guint) width, (guint) height);
  for (guint i = 0; i < 8; i++) {
    gst_dicenet_trail_begin (trail, i * (gint64) GST_SECOND, 60 * GST_SECOND, &view);
    for (guint k = 0; k < GST_DICENET_MAX_TRAILS; k++) {
      const gdouble far = k % 100 == 99 ? 1e30 : 1; /* nothing keeps a caller from it */
      gst_dicenet_trail_add (trail, NULL, k, g_rand_double_range (rand, 0, width) * far,
                             g_rand_double_range (rand, 0, height) * far, 0x123456);
    }
    GstVideoOverlayComposition *composition = gst_dicenet_trail_renderer_compose (renderer, trail, &info, NULL);
    if (composition) {
      fail_unless (gst_video_overlay_composition_n_rectangles (composition) < 1100);
      gst_video_overlay_composition_unref (composition);
    }
  }
  fail_unless_equals_int (gst_dicenet_trail_get_n_objects (trail), GST_DICENET_MAX_TRAILS);
  g_rand_free (rand);
  gst_dicenet_trail_renderer_free (renderer);
  gst_dicenet_trail_free (trail);
}
GST_END_TEST;

/* --- the element --- */

static GstBuffer *
frame_new (gint width, gint height, guint n)
{
  const gsize size = (gsize) width * height * 4;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < size; i++)
    map.data[i] = i % 4 == 3 ? 255 : 0x60; /* the blender takes the fourth for alpha */
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = n * GST_SECOND / 10;
  return buffer;
}

/* An object that stands on (@x, @y). */
static void
add_object (GstBuffer *buffer, const gchar *model, guint64 number, gdouble x, gdouble y)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, model, NULL, -1);
  const GstDicenetDetection object = {
    .label_id = CAR, .confidence = 0.9, .x = x - SIZE / 2, .y = y - SIZE, .w = SIZE, .h = SIZE, .track_id = number
  };

  gst_buffer_add_dicenet_meta_from_array (buffer, result, WIDTH, HEIGHT, &object, 1, 0);
  gst_dicenet_result_unref (result);
}

static guint32
pixel_at (GstBuffer *buffer, gint x, gint y)
{
  guint8 bgr[3];

  gst_buffer_extract (buffer, (gsize) (y * WIDTH + x) * 4, bgr, 3);
  return (guint32) (bgr[2] << 16 | bgr[1] << 8 | bgr[0]);
}

/* Takes @buffer; returns the colours on the way from @x0 to @x1, which must all be the same. */
static guint32
push (GstHarness *h, GstBuffer *buffer, gint x0, gint x1, gint y)
{
  GstBuffer *out = gst_harness_push_and_pull (h, buffer);

  fail_unless (out != NULL);
  const guint32 color = pixel_at (out, x0, y);
  gint x = x0;
  while (x < x1 && pixel_at (out, x, y) == color)
    x++;
  fail_unless (x >= x1, "0x%06x at %d, not 0x%06x", pixel_at (out, x, y), x, color);
  gst_buffer_unref (out);
  return color;
}

static GstHarness *
harness_new (const gchar *line)
{
  GstHarness *h = gst_harness_new_parse (line);

  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

/* The object goes from 20 to 220, with frames 0 to 10; the rest of its way is before its box. */
static guint32
push_way (GstHarness *h)
{
  guint32 color = 0;

  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = frame_new (WIDTH, HEIGHT, i);
    add_object (buffer, "model", 7, 20 + 20 * i, 100);
    color = push (h, buffer, 21, i == 10 ? 205 : 21, 100);
  }
  return color;
}

GST_START_TEST (test_way)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=2000000000");
  const guint32 color = gst_dicenet_class_color (CAR);

  fail_unless_equals_int_hex (push_way (h), color);
  /* It isn't seen any more. */
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 15), 21, 219, 100), color);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 15), 21, 219, 99), color);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 15), 21, 219, 110), GRAY);
  /* Positions stay for 2 seconds: at 2.5 s, those from 0.5 s on. */
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 25), 122, 219, 100), color);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 25), 10, 115, 100), GRAY);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 31), 0, WIDTH, 100), GRAY);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_off)
{
  GstHarness *h = harness_new ("dicenetoverlay");
  GstElement *overlay = gst_harness_find_element (h, "dicenetoverlay");

  fail_unless_equals_int_hex (push_way (h), GRAY);
  g_object_set (overlay, "trail", 5 * GST_SECOND, NULL);
  fail_unless_equals_int_hex (push_way (h), gst_dicenet_class_color (CAR));
  g_object_set (overlay, "trail", G_GUINT64_CONSTANT (0), NULL);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 11), 0, WIDTH, 100), GRAY);
  g_object_set (overlay, "trail", 5 * GST_SECOND, NULL);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 12), 0, WIDTH, 100), GRAY);
  gst_object_unref (overlay);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_attached)
{
  GstHarness *h = gst_harness_new_parse ("dicenetoverlay trail=2000000000");
  GstVideoOverlayCompositionMeta *meta;

  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_harness_set_src_caps_str (h, CAPS);
  fail_unless_equals_int_hex (push_way (h), GRAY); /* pixels are not changed */
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (WIDTH, HEIGHT, 11));
  meta = (GstVideoOverlayCompositionMeta *) gst_buffer_get_meta (out, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE);
  fail_unless (meta != NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (meta->overlay), 4);
  GstVideoInfo info;
  GstVideoFrame frame;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_BGRx, WIDTH, HEIGHT);
  GstVideoOverlayComposition *composition = gst_video_overlay_composition_ref (meta->overlay);
  out = gst_buffer_make_writable (out);
  fail_unless (gst_video_frame_map (&frame, &info, out, GST_MAP_READWRITE));
  fail_unless (gst_video_overlay_composition_blend (composition, &frame));
  gst_video_frame_unmap (&frame);
  gst_video_overlay_composition_unref (composition);
  for (gint x = 21; x < 219; x++)
    fail_unless_equals_int_hex (pixel_at (out, x, 100), gst_dicenet_class_color (CAR));
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

static void
push_segment (GstHarness *h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

static void
interrupt (GstHarness *h, guint how)
{
  switch (how) {
  case 0:
  case 1: /* running time goes on */
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (how == 0)));
    push_segment (h);
    break;
  case 2:
    push_segment (h);
    break;
  case 3:
    fail_unless (gst_harness_push_event (h, gst_event_new_stream_start ("another")));
    break;
  case 4:
    gst_harness_set_src_caps_str (h, "video/x-raw,format=BGRx,width=320,height=300,framerate=10/1");
    break;
  case 5:
    gst_harness_set_src_caps_str (h, "video/x-raw,format=BGRx,width=640,height=480,framerate=10/1");
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_new (640, 480, 11)));
    gst_harness_set_src_caps_str (h, CAPS);
    break;
  default:
    gst_element_set_state (h->element, GST_STATE_READY);
    gst_element_set_state (h->element, GST_STATE_PLAYING);
    gst_harness_push_event (h, gst_event_new_stream_start ("test"));
    gst_harness_set_src_caps_str (h, CAPS);
    push_segment (h);
    break;
  }
}

GST_START_TEST (test_forgets)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=5000000000");

  fail_unless_equals_int_hex (push_way (h), gst_dicenet_class_color (CAR));
  interrupt (h, __i__);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, __i__ == 4 ? 300 : HEIGHT, 12), 0, WIDTH, 100), GRAY);
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, __i__ == 4 ? 300 : HEIGHT, 13), 0, WIDTH, 100), GRAY);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Without timestamps, nothing is drawn, and nothing remembered. */
GST_START_TEST (test_no_timestamps)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=5000000000");

  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = frame_new (WIDTH, HEIGHT, 0);
    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    add_object (buffer, "model", 7, 20 + 20 * i, 100);
    fail_unless_equals_int_hex (push (h, buffer, 0, 20 + 20 * i - SIZE / 2 - 2, 100), GRAY);
  }
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 11), 0, WIDTH, 100), GRAY);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Both count from 1: no line leads from the one's object to the other's. Nor to that without a number. */
GST_START_TEST (test_sources)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=5000000000");

  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = frame_new (WIDTH, HEIGHT, i);
    add_object (buffer, i % 2 ? "one" : "other", 1, 20 + 20 * i, 60);
    add_object (buffer, i % 2 ? "other" : "one", 1, 20 + 20 * i, 200);
    add_object (buffer, "one", 0, 20 + 20 * i, 130);
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  /* Each goes up and down: what is straight would have mixed them up. */
  fail_unless_equals_int_hex (push (h, frame_new (WIDTH, HEIGHT, 11), 0, WIDTH, 230), GRAY);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (WIDTH, HEIGHT, 12));
  fail_unless_equals_int_hex (pixel_at (out, 30, 60), GRAY);
  fail_unless_equals_int_hex (pixel_at (out, 30, 200), GRAY);
  fail_unless_equals_int_hex (pixel_at (out, 30, 130), gst_dicenet_class_color (CAR));
  fail_unless_equals_int_hex (pixel_at (out, 40, 130), GRAY); /* of the object without a number */
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Regions of another detector, numbered by another tracker. */
GST_START_TEST (test_others)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=5000000000");

  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = frame_new (WIDTH, HEIGHT, i);
    GstVideoRegionOfInterestMeta *region =
        gst_buffer_add_video_region_of_interest_meta (buffer, "ship", 20 + 20 * i - SIZE / 2, 80, SIZE, 20);
    gst_video_region_of_interest_meta_add_param (region, gst_structure_new ("object_id", "id", G_TYPE_INT, 5, NULL));
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  const guint32 color = push (h, frame_new (WIDTH, HEIGHT, 11), 21, 219, 100);
  fail_unless_equals_int_hex (color, gst_dicenet_class_color (0));
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Another part of the picture. */
GST_START_TEST (test_crop)
{
  GstHarness *h = harness_new ("dicenetoverlay trail=5000000000");

  fail_unless_equals_int_hex (push_way (h), gst_dicenet_class_color (CAR));
  GstBuffer *buffer = frame_new (WIDTH, HEIGHT, 11);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = 10;
  crop->width = WIDTH;
  crop->height = HEIGHT;
  fail_unless_equals_int_hex (push (h, buffer, 0, WIDTH, 100), GRAY);
  gst_harness_teardown (h);
}
GST_END_TEST;

static Suite *
draw_trail_suite (void)
{
  Suite *suite = suite_create ("draw-trail");
  TCase *tests = tcase_create ("draw-trail");

  suite_add_tcase (suite, tests);
  tcase_set_timeout (tests, 180);
  tcase_add_test (tests, test_many_numbers);
  tcase_add_test (tests, test_many_frames);
  tcase_add_test (tests, test_many_objects);
  tcase_add_test (tests, test_standing);
  tcase_add_test (tests, test_time_goes_back);
  tcase_add_test (tests, test_reuse);
  tcase_add_loop_test (tests, test_extremes, 0, 6);
  tcase_add_test (tests, test_way);
  tcase_add_test (tests, test_off);
  tcase_add_test (tests, test_attached);
  tcase_add_loop_test (tests, test_forgets, 0, 7);
  tcase_add_test (tests, test_no_timestamps);
  tcase_add_test (tests, test_sources);
  tcase_add_test (tests, test_others);
  tcase_add_test (tests, test_crop);
  return suite;
}

GST_CHECK_MAIN (draw_trail)
