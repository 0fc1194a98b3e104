/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The renderer: what it draws and where, for frames from the smallest to the largest. */

#include "compose.h"
#include "overlay/gstdicenettext.h"
#include <gst/check/gstcheck.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <string.h>

#define OPACITY 0.5

static const gchar *const labels[] = { "background",     "person", "car", "a class with quite a long name",
                                       "bad \xff UTF-8", NULL };

/* The blender uses the fourth byte of BGRx as alpha. */
static void
make_opaque (GstBuffer *buffer)
{
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 3; i < map.size; i += 4)
    map.data[i] = 255;
  gst_buffer_unmap (buffer, &map);
}

static GstBuffer *
frame_new (GstVideoInfo *info, GstVideoFormat format, guint width, guint height)
{
  gst_video_info_set_format (info, format, width, height);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  gst_buffer_memset (buffer, 0, 0x60, GST_VIDEO_INFO_SIZE (info));
  if (format == GST_VIDEO_FORMAT_BGRx)
    make_opaque (buffer);
  return buffer;
}

static void
add_boxes (GstBuffer *buffer, const GstVideoInfo *info, const GstDicenetDetection *boxes, guint n)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta_from_array (buffer, result, info->width, info->height, boxes, n, 0);
  gst_dicenet_result_unref (result);
}

/* Class 1 in the centre, a quarter of the area. */
static void
add_mask (GstBuffer *buffer, const GstVideoInfo *info, gint background)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, background);
  guint8 *mask = g_malloc0 (64 * 48);

  for (guint y = 12; y < 36; y++)
    memset (mask + 64 * y + 16, 1, 32);
  GBytes *bytes = g_bytes_new_take (mask, 64 * 48);
  gst_dicenet_result_set_mask (result, bytes, 64, 48);
  g_bytes_unref (bytes);
  gst_buffer_add_dicenet_meta (buffer, result, info->width, info->height, NULL, 0);
  gst_dicenet_result_unref (result);
}

static void
add_classes (GstBuffer *buffer, const GstVideoInfo *info, guint n)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "cls", labels, -1);

  for (guint i = 0; i < n; i++)
    gst_dicenet_result_add_class (result, i, 1.0 / (i + 2));
  gst_buffer_add_dicenet_meta (buffer, result, info->width, info->height, NULL, 0);
  gst_dicenet_result_unref (result);
}

static void
blend (GstVideoOverlayComposition *composition, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstVideoFrame frame;

  fail_unless (gst_video_frame_map (&frame, info, buffer, GST_MAP_READWRITE));
  fail_unless (gst_video_overlay_composition_blend (composition, &frame));
  gst_video_frame_unmap (&frame);
}

/* 0xRRGGBB of a pixel of a BGRx frame. */
static guint32
pixel_at (GstBuffer *buffer, const GstVideoInfo *info, guint x, guint y)
{
  guint8 bgr[4];

  gst_buffer_extract (buffer, y * GST_VIDEO_INFO_PLANE_STRIDE (info, 0) + 4 * x, bgr, 4);
  return bgr[2] << 16 | bgr[1] << 8 | bgr[0];
}

static void
expect_color (GstBuffer *buffer, const GstVideoInfo *info, guint x, guint y, guint32 color)
{
  guint32 found = pixel_at (buffer, info, x, y);

  for (guint shift = 0; shift < 24; shift += 8)
    fail_unless (ABS ((gint) (found >> shift & 255) - (gint) (color >> shift & 255)) <= 2,
                 "at %u, %u: %06x is not %06x", x, y, found, color);
}

static guint32
half_of (guint32 color, guint32 other)
{
  guint32 mixed = 0;

  for (guint shift = 0; shift < 24; shift += 8)
    mixed |= ((color >> shift & 255) + (other >> shift & 255)) / 2 << shift;
  return mixed;
}

/* clang-format off */
#define DETECTION(label, how_sure, left, top, width, height) \
  { .label_id = (label), .confidence = (how_sure), .x = (left), .y = (top), .w = (width), .h = (height) }
/* clang-format on */

static const GstDicenetDetection BOX = { .label_id = 1, .confidence = 0.9, .x = 200, .y = 160, .w = 240, .h = 200 };

GST_START_TEST (test_nothing)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_I420, 64, 48);

  fail_unless (compose_all (renderer, buffer, &info, OPACITY, NULL) == NULL);
  add_boxes (buffer, &info, NULL, 0);
  add_classes (buffer, &info, 0);
  fail_unless (compose_all (renderer, buffer, &info, OPACITY, NULL) == NULL);
  fail_unless (compose_all (renderer, buffer, &info, OPACITY, NULL) == NULL);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
  gst_dicenet_renderer_free (NULL);
}
GST_END_TEST;

GST_START_TEST (test_box)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);

  add_boxes (buffer, &info, &BOX, 1);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless (composition != NULL);
  gst_dicenet_renderer_free (renderer);
  blend (composition, buffer, &info);
  guint32 color = gst_dicenet_class_color (1);
  expect_color (buffer, &info, 320, 160, color);
  expect_color (buffer, &info, 320, 161, color);
  expect_color (buffer, &info, 320, 162, 0x606060);
  expect_color (buffer, &info, 320, 359, color);
  expect_color (buffer, &info, 320, 360, 0x606060);
  expect_color (buffer, &info, 200, 250, color);
  expect_color (buffer, &info, 439, 250, color);
  expect_color (buffer, &info, 440, 250, 0x606060);
  expect_color (buffer, &info, 320, 250, 0x606060);
  /* The label is above the box. */
  expect_color (buffer, &info, 201, 159, color);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_mask)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);

  add_mask (buffer, &info, 0);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  /* The mask at its own size, cropped to classes that are not background, and the legend. */
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 2);
  GstVideoOverlayRectangle *mask = gst_video_overlay_composition_get_rectangle (composition, 0);
  GstBuffer *pixels = gst_video_overlay_rectangle_get_pixels_unscaled_raw (mask, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  fail_unless_equals_int (gst_buffer_get_video_meta (pixels)->width, 34);
  fail_unless_equals_int (gst_buffer_get_video_meta (pixels)->height, 26);

  blend (composition, buffer, &info);
  expect_color (buffer, &info, 320, 240, half_of (gst_dicenet_class_color (1), 0x606060));
  expect_color (buffer, &info, 170, 130, half_of (gst_dicenet_class_color (1), 0x606060));
  /* At the edge it fades out in its own colour: green falls to 0x60 and not below. */
  for (guint x = 140; x < 180; x++)
    fail_unless ((pixel_at (buffer, &info, x, 240) >> 8 & 255) >= 0x5e);
  expect_color (buffer, &info, 320, 105, 0x606060);
  expect_color (buffer, &info, 145, 240, 0x606060);
  expect_color (buffer, &info, 495, 240, 0x606060);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);

  /* Without a background, all classes are coloured. */
  buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);
  add_mask (buffer, &info, -1);
  composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  blend (composition, buffer, &info);
  expect_color (buffer, &info, 30, 450, half_of (gst_dicenet_class_color (0), 0x606060));
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* --- masks blended by our own code --- */

static const GstVideoFormat layer_formats[] = {
  GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_NV21,  GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YV12, GST_VIDEO_FORMAT_YUY2,
  GST_VIDEO_FORMAT_UYVY, GST_VIDEO_FORMAT_Y42B,  GST_VIDEO_FORMAT_Y444, GST_VIDEO_FORMAT_v308, GST_VIDEO_FORMAT_YUV9,
  GST_VIDEO_FORMAT_Y41B, GST_VIDEO_FORMAT_GRAY8, GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_BGR,  GST_VIDEO_FORMAT_BGRx,
  GST_VIDEO_FORMAT_RGBx, GST_VIDEO_FORMAT_xRGB,  GST_VIDEO_FORMAT_xBGR, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA,
  GST_VIDEO_FORMAT_ARGB, GST_VIDEO_FORMAT_ABGR,  GST_VIDEO_FORMAT_AYUV, GST_VIDEO_FORMAT_A420,
};

/* Class 1 in the centre of the mask. */
static GstDicenetLayer *
layer_new (guint32 color)
{
  GstDicenetLayer *layer = g_new0 (GstDicenetLayer, 1);
  guint8 *mask = g_malloc0 (64 * 48);

  for (guint y = 12; y < 36; y++)
    memset (mask + 64 * y + 16, 1, 32);
  layer->mask = g_bytes_new_take (mask, 64 * 48);
  layer->width = 64;
  layer->height = 48;
  layer->w = layer->h = 1;
  layer->palette[1] = color;
  return layer;
}

/* Expected component for 0xff00ff00, green, at half opacity on 0x60. */
static guint8
half_green (const GstVideoInfo *info, guint component)
{
  static const gdouble rgb[] = { 0, 255, 0 };
  gdouble value = rgb[component];

  if (!GST_VIDEO_INFO_IS_RGB (info)) {
    gdouble kr, kb;
    gint offset[4], scale[4];
    if (!gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &kr, &kb))
      kr = 0.299, kb = 0.114; /* GRAY8 has no matrix */
    gst_video_color_range_offsets (info->colorimetry.range, info->finfo, offset, scale);
    const gdouble kg = 1 - kr - kb, factor[] = { kg, -kg / (2 - 2 * kb), -kg / (2 - 2 * kr) };
    value = offset[component] + scale[component] * factor[component];
  }
  return (value + 0x60) / 2;
}

/* 1: certainly inside the class, 0: certainly outside, -1: near its edge. */
static gint
covered_by (gdouble position, gdouble from, gdouble to)
{
  return position > from + 1.5 && position < to - 1.5 ? 1 : position < from - 1.5 || position > to + 1.5 ? 0 : -1;
}

/* @scale and @shift: the part of the mask that the frame shows. */
static void
check_layer (GstVideoFrame *frame, gdouble shift, gdouble scale)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  for (guint c = 0; c < format->n_components; c++) {
    const gboolean is_alpha = c == GST_VIDEO_COMP_A; /* unchanged */
    const guint8 expected = is_alpha ? 0x60 : half_green (&frame->info, c);
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (frame, c); y++) {
      const guint8 *row = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c) + y * GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
      for (gint x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH (frame, c); x++) {
        const guint8 found = row[x * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c)];
        const gdouble at_x = (x + 0.5) * (1 << format->w_sub[c]) / frame->info.width,
                      at_y = (y + 0.5) * (1 << format->h_sub[c]) / frame->info.height;
        const gint in_x = covered_by (64 * (shift + scale * at_x), 16, 48),
                   in_y = covered_by (48 * (shift + scale * at_y), 12, 36);
        const gboolean inside = in_x == 1 && in_y == 1, outside = in_x == 0 || in_y == 0;
        const gint least = inside ? expected : MIN (expected, 0x60), most = inside ? expected : MAX (expected, 0x60);
        if (outside ? found != 0x60 : found < least - 1 || found > most + 1) /* each fail_unless() is a system call */
          fail ("%s, component %u at %d, %d: %u, where %s was expected", format->name, c, x, y, found,
                inside    ? "the mask's colour"
                : outside ? "the frame's"
                          : "one between the two");
      }
    }
  }
}

static void
check_every_fourth (GstBuffer *buffer, gsize first)
{
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize at = first; at < map.size; at += 4)
    if (map.data[at] != 0x60)
      fail ("byte %" G_GSIZE_FORMAT " was drawn", at);
  gst_buffer_unmap (buffer, &map);
}

/* In every format and for any part of the mask; padding between rows and pixels is unchanged. */
GST_START_TEST (test_layers)
{
  static const gdouble views[][2] = { { 0, 1 }, { 0.3, 0.6 }, { -0.5, 2 } };
  static const guint sizes[][2] = { { 320, 240 }, { 97, 61 }, { 30, 20 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes) * G_N_ELEMENTS (views); i++) {
    const gdouble *view = views[i % 3];
    GstDicenetLayer *layer = layer_new (0x8000ff00);
    GstVideoInfo info;
    GstVideoFrame frame;
    gst_video_info_set_format (&info, layer_formats[__i__], sizes[i / 3][0], sizes[i / 3][1]);
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
    gst_buffer_memset (buffer, 0, 0x60, info.size);

    layer->x = layer->y = view[0];
    layer->w = layer->h = view[1];
    fail_unless (gst_dicenet_layer_can_blend (&info));
    fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    fail_unless (gst_dicenet_layer_blend (layer, &frame));
    check_layer (&frame, view[0], view[1]);
    gst_video_frame_unmap (&frame);
    if (GST_VIDEO_INFO_COMP_PSTRIDE (&info, 0) == 4) /* the unused byte */
      check_every_fourth (buffer, 6 - info.finfo->poffset[0] - info.finfo->poffset[1] - info.finfo->poffset[2]);
    gst_buffer_unref (buffer);
    gst_dicenet_layer_free (layer);
  }
}
GST_END_TEST;

/* Formats with more bits and with premultiplied alpha are blended by GStreamer. */
GST_START_TEST (test_layers_unknown)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_IYU1,      GST_VIDEO_FORMAT_RGB16,
                                            GST_VIDEO_FORMAT_ARGB64,    GST_VIDEO_FORMAT_I420_10LE,
                                            GST_VIDEO_FORMAT_GRAY16_LE, GST_VIDEO_FORMAT_NV12_64Z32 };
  GstVideoInfo premultiplied;

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    GstVideoInfo info;
    gst_video_info_set_format (&info, formats[i], 64, 64);
    fail_if (gst_dicenet_layer_can_blend (&info), "%s", gst_video_format_to_string (formats[i]));
  }
  gst_video_info_set_format (&premultiplied, GST_VIDEO_FORMAT_RGBA, 64, 64);
  GST_VIDEO_INFO_FLAG_SET (&premultiplied, GST_VIDEO_FLAG_PREMULTIPLIED_ALPHA);
  fail_if (gst_dicenet_layer_can_blend (&premultiplied));
}
GST_END_TEST;

/* A mask that is appended as a layer is not in the composition. */
GST_START_TEST (test_layers_apart)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GPtrArray *layers = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_layer_free);
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_I420, 640, 480);

  add_mask (buffer, &info, 0);
  for (guint i = 0; i < 2; i++) { /* the second time from the cache */
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, layers);
    fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 1);
    fail_unless_equals_int (layers->len, i + 1);
    gst_video_overlay_composition_unref (composition);
  }
  GstVideoOverlayComposition *whole = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (whole), 2);
  gst_video_overlay_composition_unref (whole);
  g_ptr_array_unref (layers);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* Only the text is lighter than the dark text box. */
GST_START_TEST (test_classes)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);
  guint light = 0, dark = 0;

  add_classes (buffer, &info, 3);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  blend (composition, buffer, &info);
  for (guint y = 0; y < 60; y++) {
    for (guint x = 0; x < 200; x++) {
      guint green = pixel_at (buffer, &info, x, y) >> 8 & 255;
      light += green > 200;
      dark += green < 0x60;
    }
  }
  fail_unless (dark > 1000, "no text box");
  fail_unless (light > 100, "no text: is a font installed?");
  expect_color (buffer, &info, 400, 300, 0x606060);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* As long as nothing changes, the same composition is returned, so that a sink can keep its textures. */
GST_START_TEST (test_steady)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *first = frame_new (&info, GST_VIDEO_FORMAT_I420, 320, 240);

  add_mask (first, &info, 0);
  add_boxes (first, &info, &BOX, 1);
  GstBuffer *second = gst_buffer_copy (first);
  GstVideoOverlayComposition *a = compose_all (renderer, first, &info, OPACITY, NULL);
  gst_buffer_unref (first);
  GstVideoOverlayComposition *b = compose_all (renderer, second, &info, OPACITY, NULL);
  fail_unless (a && a == b);
  GstVideoOverlayComposition *c = compose_all (renderer, second, &info, 0.25, NULL);
  fail_unless (c && c != a);
  add_classes (second, &info, 1);
  GstVideoOverlayComposition *d = compose_all (renderer, second, &info, 0.25, NULL);
  fail_unless (d && d != c);
  gst_video_overlay_composition_unref (a);
  gst_video_overlay_composition_unref (b);
  gst_video_overlay_composition_unref (c);
  gst_video_overlay_composition_unref (d);
  gst_buffer_unref (second);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* Position of a rectangle. */
static GstVideoRectangle
place_of (GstVideoOverlayComposition *composition, guint index)
{
  GstVideoRectangle at;
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_composition_get_rectangle (composition, index);

  fail_unless (
      gst_video_overlay_rectangle_get_render_rectangle (rectangle, &at.x, &at.y, (guint *) &at.w, (guint *) &at.h));
  return at;
}

static void
expect_text (GstVideoOverlayComposition *composition, guint index, GstDicenetTextCache *texts,
             const GstDicenetStyle *style, const gchar *expected)
{
  const GstDicenetTextBox *text = gst_dicenet_text_cache_get_label (texts, style, expected, 1, 640);
  GstVideoOverlayRectangle *label = gst_video_overlay_composition_get_rectangle (composition, index);
  GstBuffer *pixels =
      gst_video_overlay_rectangle_get_pixels_unscaled_raw (label, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  GstMapInfo map;

  fail_unless (gst_buffer_map (text->pixels, &map, GST_MAP_READ));
  fail_unless (gst_buffer_get_size (pixels) == map.size && gst_buffer_memcmp (pixels, 0, map.data, map.size) == 0,
               "the label is not '%s'", expected);
  gst_buffer_unmap (text->pixels, &map);
}

/* The label says what the object is, and its number if a tracker gave one, also if nothing else changed. */
GST_START_TEST (test_numbers)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstDicenetTextCache *texts = gst_dicenet_text_cache_new ();
  GstDicenetStyle style;
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_I420, 640, 480);
  const gchar *const expected[] = { "person 90%", "person #7 90%", "person #4294967296 90%" };
  const guint64 ids[] = { 0, 7, G_GUINT64_CONSTANT (4294967296) };

  gst_dicenet_style_init (&style, &info, FALSE);
  add_boxes (buffer, &info, &BOX, 1);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++) {
    gst_dicenet_meta_set_track_id (meta, 0, ids[i]);
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
    expect_text (composition, 4, texts, &style, expected[i]);
    gst_video_overlay_composition_unref (composition);
  }
  gst_buffer_unref (buffer);
  gst_dicenet_text_cache_free (texts);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST

/* Whether two pictures of text differ in columns from @from to @to, as fractions of the width. */
static gboolean
columns_differ (const GstDicenetTextBox *a, const GstDicenetTextBox *b, gdouble from, gdouble to)
{
  const guint width = (guint) MIN (a->width, b->width), height = (guint) a->height;
  GstMapInfo x, y;
  gboolean differ = FALSE;

  fail_unless (gst_buffer_map (a->pixels, &x, GST_MAP_READ) && gst_buffer_map (b->pixels, &y, GST_MAP_READ));
  for (guint row = 0; row < height; row++) {
    const guint32 *p = (const guint32 *) x.data + row * (guint) a->width;
    const guint32 *q = (const guint32 *) y.data + row * (guint) b->width;
    for (guint column = (guint) (from * width); column < (guint) (to * width); column++)
      differ |= p[column] != q[column];
  }
  gst_buffer_unmap (a->pixels, &x);
  gst_buffer_unmap (b->pixels, &y);
  return differ;
}

/* A name in a script from right to left does not reorder what comes after it: the number stays on the right. */
GST_START_TEST (test_right_to_left)
{
  GstDicenetTextCache *texts = gst_dicenet_text_cache_new ();
  g_autofree gchar *latin = gst_dicenet_text_isolate ("door"), *name = gst_dicenet_text_isolate ("\u0627\u0644\u0628");
  g_autofree gchar *one = g_strconcat (name, ": 1 forward", NULL), *four = g_strconcat (name, ": 4 forward", NULL);
  GstDicenetStyle style;
  GstVideoInfo info;

  fail_unless_equals_string (latin, "door");
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 640, 480);
  gst_dicenet_style_init (&style, &info, FALSE);
  const GstDicenetTextBox *a = gst_dicenet_text_cache_get_label (texts, &style, one, 1, 400);
  const GstDicenetTextBox *b = gst_dicenet_text_cache_get_label (texts, &style, four, 1, 400);
  const GstDicenetTextBox *alone = gst_dicenet_text_cache_get_label (texts, &style, name, 1, 400);
  const gdouble end_of_name = (gdouble) (alone->width - style.pad) / a->width;
  fail_if (columns_differ (a, b, 0, end_of_name));
  fail_if (columns_differ (a, alone, 0, 1.0 * style.pad / alone->width));
  fail_unless (columns_differ (a, b, end_of_name, 0.6));
  fail_if (columns_differ (a, b, 0.6, 1));
  gst_dicenet_text_cache_free (texts);
}
GST_END_TEST

static void
add_second_stage (GstBuffer *buffer, const gchar *label, gdouble confidence)
{
  const gchar *const names[] = { label, NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "second", names, -1);

  if (confidence > 0)
    gst_dicenet_result_add_class (result, 0, confidence);
  gst_dicenet_meta_add_detection_result (gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT), 0, result);
  gst_dicenet_result_unref (result);
}

/* What models found in an object is below its class, line by line. */
GST_START_TEST (test_second_stage)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstDicenetTextCache *texts = gst_dicenet_text_cache_new ();
  GstDicenetStyle style;
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_I420, 640, 480);
  const gchar *const expected[] = { "person 90%", "a man\n 75%", "red 25%" };

  gst_dicenet_style_init (&style, &info, FALSE);
  add_boxes (buffer, &info, &BOX, 1);
  for (guint n = 1; n <= 3; n++) {
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
    fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 4 + n);
    for (guint i = 0; i < n; i++) {
      GstVideoRectangle at = place_of (composition, 4 + i);
      expect_text (composition, 4 + i, texts, &style, expected[i]);
      fail_unless_equals_int (at.x, 200);
      fail_unless_equals_int (at.y + at.h, i + 1 < n ? place_of (composition, 5 + i).y : 160);
    }
    gst_video_overlay_composition_unref (composition);
    if (n == 1) {
      add_second_stage (buffer, "a man\n", 0.75);
      add_second_stage (buffer, "nothing", 0); /* found no class */
    } else {
      add_second_stage (buffer, "red", 0.25);
    }
  }
  for (guint i = 0; i < 5; i++)
    add_second_stage (buffer, "red", 0.25);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 4 + 4);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_text_cache_free (texts);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST

/* Masks of objects are where these are, and have one legend. */
GST_START_TEST (test_masks_of_objects)
{
  const GstVideoRectangle regions[] = { { 40, 40, 128, 96 }, { 400, 300, 64, 48 } };
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);
  const guint32 person = half_of (gst_dicenet_class_color (1), 0x606060);

  for (guint i = 0; i < G_N_ELEMENTS (regions); i++) {
    GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, 0);
    guint8 *mask = g_malloc (64 * 48);
    memset (mask, 1, 64 * 48);
    GBytes *bytes = g_bytes_new_take (mask, 64 * 48);
    gst_dicenet_result_set_mask (result, bytes, 64, 48);
    g_bytes_unref (bytes);
    gst_buffer_add_dicenet_meta_in_region (buffer, result, 640, 480, &regions[i], (gint) i, NULL, 0);
    gst_dicenet_result_unref (result);
  }
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 2 + 1);
  blend (composition, buffer, &info);
  for (guint i = 0; i < G_N_ELEMENTS (regions); i++) {
    const GstVideoRectangle *at = &regions[i];
    expect_color (buffer, &info, (guint) (at->x + at->w / 2), (guint) (at->y + at->h / 2), person);
    expect_color (buffer, &info, (guint) (at->x + at->w - 2), (guint) (at->y + at->h - 2), person);
    expect_color (buffer, &info, (guint) at->x - 2, (guint) at->y, 0x606060);
    expect_color (buffer, &info, (guint) (at->x + at->w + 2), (guint) at->y, 0x606060);
    expect_color (buffer, &info, (guint) at->x, (guint) (at->y + at->h + 2), 0x606060);
  }
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST

/* Each box has four rectangles for its edges; labels follow. */
static GstVideoRectangle
label_of (GstVideoOverlayComposition *composition, guint n_boxes, guint index)
{
  return place_of (composition, 4 * n_boxes + index);
}

GST_START_TEST (test_label_places)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_I420, 640, 480);
  const GstDicenetDetection boxes[] = {
    DETECTION (1, 0.9, 100, 100, 200, 200), DETECTION (2, 0.8, 104, 102, 200, 200),
    DETECTION (1, 0.7, 98, 98, 208, 208),   DETECTION (1, 0.6, 400, 0, 100, 200), /* touches the top */
    DETECTION (3, 0.5, 600, 300, 40, 100),                                        /* narrow, at the right edge */
  };
  const guint n = G_N_ELEMENTS (boxes);

  add_boxes (buffer, &info, boxes, n);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 5 * n);
  for (guint i = 0; i < n; i++) {
    GstVideoRectangle a = label_of (composition, n, i);
    fail_unless (a.x >= 0 && a.y >= 0 && a.x + a.w <= 640 && a.y + a.h <= 480, "label %u is cut off", i);
    for (guint j = 0; j < i; j++) {
      GstVideoRectangle b = label_of (composition, n, j);
      fail_unless (a.x >= b.x + b.w || b.x >= a.x + a.w || a.y >= b.y + b.h || b.y >= a.y + a.h,
                   "labels %u and %u cover each other", i, j);
    }
  }
  GstVideoRectangle above = label_of (composition, n, 0), inside = label_of (composition, n, 3);
  fail_unless (above.x == 100 && above.y + above.h == 100);
  fail_unless (inside.x == 400 && inside.y == 0);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

static const struct {
  guint width, height;
} sizes[] = { { 1, 1 },       { 32, 32 },   { 33, 47 },   { 160, 120 },  { 641, 479 },
              { 1080, 1920 }, { 4096, 32 }, { 32, 4096 }, { 3840, 2160 } };

static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_BGRx,
                                          GST_VIDEO_FORMAT_RGB };

/* Everything at once, with boxes at every border; sanitizers check the blending. */
GST_START_TEST (test_sizes)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  guint w = sizes[__i__].width, h = sizes[__i__].height;

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    GstVideoInfo info;
    GstBuffer *buffer = frame_new (&info, formats[f], w, h);
    const GstDicenetDetection boxes[] = {
      DETECTION (1, 0.9, 0, 0, w, h),
      DETECTION (2, 0.8, w * 0.5, h * 0.5, w * 0.5, h * 0.5),
      DETECTION (3, 0.7, w - 1.5, h - 1.5, 1.5, 1.5),
      DETECTION (4, 0.001, w * 0.2, h * 0.1, w * 0.6, 0.01),
      DETECTION (77, 1, w * 0.3, h * 0.3, 5, 5),
    };
    info.par_n = f == 0 ? 12 : 1;
    info.par_d = f == 0 ? 11 : 1;
    add_mask (buffer, &info, f % 2 ? -1 : 0);
    add_classes (buffer, &info, 5);
    add_boxes (buffer, &info, boxes, G_N_ELEMENTS (boxes));
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
    fail_unless (composition != NULL);
    blend (composition, buffer, &info);
    gst_video_overlay_composition_unref (composition);
    gst_buffer_unref (buffer);
  }
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* Extreme pixel aspect ratios: pictures do not grow with them, and are bounded in size. */
GST_START_TEST (test_extremes)
{
  static const gint pars[][2] = { { 1, 1000000 }, { 1, G_MAXINT }, { G_MAXINT, 1 }, { 1000000, 1 },
                                  { 0, 1 },       { -1, 1 },       { 1, 8 },        { 8, 1 } };
  static const guint shapes[][2] = { { 640, 480 }, { 32767, 1 }, { 1, 32767 }, { 32767, 32767 } };
  const guint w = shapes[__i__][0], h = shapes[__i__][1];
  const GstDicenetDetection boxes[] = { DETECTION (1, 0.9, 0, 0, w, h), DETECTION (3, 0.5, 0, 0, w, h) };

  for (guint p = 0; p < G_N_ELEMENTS (pars); p++) {
    GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
    GstBuffer *buffer = gst_buffer_new ();
    GstVideoInfo info = { .width = w, .height = h, .par_n = pars[p][0], .par_d = pars[p][1] };

    add_mask (buffer, &info, 0);
    add_classes (buffer, &info, 200);
    add_boxes (buffer, &info, boxes, G_N_ELEMENTS (boxes));
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
    fail_unless (composition != NULL);
    for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (composition); i++) {
      GstVideoOverlayRectangle *r = gst_video_overlay_composition_get_rectangle (composition, i);
      GstBuffer *pixels =
          gst_video_overlay_rectangle_get_pixels_unscaled_raw (r, gst_video_overlay_rectangle_get_flags (r));
      fail_unless (gst_buffer_get_size (pixels) <= 65 << 20, "%d:%d: %" G_GSIZE_FORMAT " bytes", pars[p][0], pars[p][1],
                   gst_buffer_get_size (pixels));
    }
    gst_video_overlay_composition_unref (composition);
    gst_buffer_unref (buffer);
    gst_dicenet_renderer_free (renderer);
  }
}
GST_END_TEST;

/* A frame that shows a small part of one mask pixel: drawing is clipped to the frame. */
GST_START_TEST (test_enlarged_mask)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);

  add_mask (buffer, &info, 0);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);
  meta->view_x = meta->view_y = 0.5;
  meta->view_w = meta->view_h = 1e-6;
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  const GstVideoRectangle at = place_of (composition, 0);
  fail_unless (at.x == 0 && at.y == 0 && at.w == 640 && at.h == 480, "%dx%d", at.w, at.h);
  blend (composition, buffer, &info);
  expect_color (buffer, &info, 320, 240, half_of (gst_dicenet_class_color (1), 0x606060));
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* More different labels than the cache holds. */
GST_START_TEST (test_many_labels)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;

  for (guint i = 0; i < 60; i++) {
    GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_GRAY8, 1920, 1080);
    GstDicenetDetection boxes[20];
    for (guint j = 0; j < G_N_ELEMENTS (boxes); j++)
      boxes[j] = (GstDicenetDetection) DETECTION (1000 + i * 20 + j, 0.5, 10 * j, 30 * j, 300, 100);
    add_boxes (buffer, &info, boxes, G_N_ELEMENTS (boxes));
    GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
    fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 100);
    gst_video_overlay_composition_unref (composition);
    gst_buffer_unref (buffer);
  }
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

/* The maximum number of boxes: the most confident ones are drawn. */
GST_START_TEST (test_crowd)
{
  const guint n = 16384;
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_GRAY8, 1920, 1080);
  GstDicenetDetection *boxes = g_new0 (GstDicenetDetection, n);

  for (guint j = 0; j < n; j++)
    boxes[j] = (GstDicenetDetection) DETECTION (1000 + j, 0.5, j % 1800, j % 1000, 60, 40);
  add_boxes (buffer, &info, boxes, n);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 5 * 1000);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  g_free (boxes);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

static void
forget_text_box (gpointer forgotten, GstMiniObject *pixels)
{
  *(gboolean *) forgotten = TRUE;
}

/* Text boxes in use stay cached; unused ones are freed even if there is room. */
GST_START_TEST (test_texts_unused)
{
  GstDicenetTextCache *texts = gst_dicenet_text_cache_new ();
  GstDicenetStyle style;
  GstVideoInfo info;
  gboolean forgotten = FALSE;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_BGRx, 640, 480);
  gst_dicenet_style_init (&style, &info, FALSE);
  const GstDicenetTextBox *once = gst_dicenet_text_cache_get_label (texts, &style, "person 87%", 1, 200);
  gst_mini_object_weak_ref (GST_MINI_OBJECT (once->pixels), forget_text_box, &forgotten);
  const GstDicenetTextBox *always = gst_dicenet_text_cache_get_label (texts, &style, "car 12%", 2, 200);
  for (guint i = 0; i < 500; i++) {
    fail_unless (gst_dicenet_text_cache_get_label (texts, &style, "car 12%", 2, 200) == always);
    gst_dicenet_text_cache_trim (texts);
    fail_if (forgotten && i < 50, "%u", i);
  }
  fail_unless (forgotten);
  gst_dicenet_text_cache_free (texts);
}
GST_END_TEST

/* More classes than rows: the text box stays within the frame. */
GST_START_TEST (test_long_list)
{
  GstDicenetRenderer *renderer = gst_dicenet_renderer_new ();
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, GST_VIDEO_FORMAT_GRAY8, 320, 100);

  add_classes (buffer, &info, 100);
  GstVideoOverlayComposition *composition = compose_all (renderer, buffer, &info, OPACITY, NULL);
  const GstVideoRectangle at = place_of (composition, 0);
  fail_unless (at.y >= 0 && at.y + at.h <= 100 && at.x + at.w <= 160);
  fail_unless (at.h > 50);
  gst_video_overlay_composition_unref (composition);
  gst_buffer_unref (buffer);
  gst_dicenet_renderer_free (renderer);
}
GST_END_TEST;

static Suite *
draw_suite (void)
{
  Suite *suite = suite_create ("dicenetdraw");
  TCase *tests = tcase_create ("draw");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_nothing);
  tcase_add_test (tests, test_box);
  tcase_add_test (tests, test_mask);
  tcase_add_loop_test (tests, test_layers, 0, G_N_ELEMENTS (layer_formats));
  tcase_add_test (tests, test_layers_unknown);
  tcase_add_test (tests, test_layers_apart);
  tcase_add_test (tests, test_classes);
  tcase_add_test (tests, test_steady);
  tcase_add_test (tests, test_numbers);
  tcase_add_test (tests, test_right_to_left);
  tcase_add_test (tests, test_second_stage);
  tcase_add_test (tests, test_masks_of_objects);
  tcase_add_test (tests, test_label_places);
  tcase_add_loop_test (tests, test_sizes, 0, G_N_ELEMENTS (sizes));
  tcase_add_loop_test (tests, test_extremes, 0, 4);
  tcase_add_test (tests, test_enlarged_mask);
  tcase_add_test (tests, test_many_labels);
  tcase_add_test (tests, test_crowd);
  tcase_add_test (tests, test_texts_unused);
  tcase_add_test (tests, test_long_list);
  return suite;
}

GST_CHECK_MAIN (draw);
