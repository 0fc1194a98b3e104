/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A composition consists of small rectangles: four thin edges per box, each a single pixel that the sink or the blender
 * scales; one per text box; and the mask at its own size, to be scaled as well. A canvas of the frame's size would have
 * to be cleared, uploaded and blended completely for every frame.
 */

#include "gstdicenetdraw.h"

#include "gstdicenettext.h"
#include <math.h>
#include <string.h>

struct _GstDicenetRenderer {
  GstDicenetTextCache *texts;
  gboolean lacks_memory;

  /* The last composition, the key of its contents, and the results to which the key points. */
  GstVideoOverlayComposition *last;
  GByteArray *last_key;
  GPtrArray *last_results;
};

typedef struct {
  gint x, y, w, h;
} Place;

/* State while a frame is drawn. */
typedef struct {
  GstDicenetRenderer *renderer;
  GstDicenetStyle style;
  gint width, height;
  GstVideoOverlayComposition *composition;
  GArray *taken; /* Place: positions of text boxes */
} Canvas;

/* Distance of text boxes from the frame's corners and from each other. */
#define MARGIN(canvas) ((canvas)->style.pad * 2)

GstDicenetRenderer *
gst_dicenet_renderer_new (void)
{
  return g_new0 (GstDicenetRenderer, 1);
}

static void
forget_last (GstDicenetRenderer *self)
{
  g_clear_pointer (&self->last, gst_video_overlay_composition_unref);
  g_clear_pointer (&self->last_key, g_byte_array_unref);
  g_clear_pointer (&self->last_results, g_ptr_array_unref);
}

const gchar *
gst_dicenet_renderer_get_problem (const GstDicenetRenderer *self)
{
  if (self->lacks_memory)
    return "No memory for drawing all results: some are missing";
  return self->texts ? gst_dicenet_text_cache_get_problem (self->texts) : NULL;
}

void
gst_dicenet_renderer_lacks_memory (GstDicenetRenderer *self)
{
  self->lacks_memory = TRUE;
}

void
gst_dicenet_renderer_free (GstDicenetRenderer *self)
{
  if (!self)
    return;
  forget_last (self);
  g_clear_pointer (&self->texts, gst_dicenet_text_cache_free);
  g_free (self);
}

/* @pixels is NULL if there was not enough memory: leave out this rectangle and draw the others. */
static void
add_rectangle_with_flags (Canvas *canvas, GstBuffer *pixels, Place at, GstVideoOverlayFormatFlags flags)
{
  if (!pixels) {
    gst_dicenet_renderer_lacks_memory (canvas->renderer);
    return;
  }
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (pixels, at.x, at.y, at.w, at.h, flags);

  if (canvas->composition)
    gst_video_overlay_composition_add_rectangle (canvas->composition, rectangle);
  else
    canvas->composition = gst_video_overlay_composition_new (rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
}

/* For pictures that cairo drew (premultiplied) or that are opaque. */
static void
add_rectangle (Canvas *canvas, GstBuffer *pixels, Place at)
{
  add_rectangle_with_flags (canvas, pixels, at, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
}

/* --- masks --- */

/* Colours of the labels, 0xAARRGGBB; 0 for labels that are not drawn. */
static void
fill_palette (guint32 palette[256], const GstDicenetResult *result, gdouble opacity)
{
  guint32 alpha = lround (CLAMP (opacity, 0, 1) * 255);

  for (guint i = 0; i < 256; i++)
    palette[i] = alpha ? alpha << 24 | gst_dicenet_class_color (i) : 0;
  palette[GST_DICENET_MASK_NONE] = 0;
  if (result->background >= 0 && result->background < 256)
    palette[result->background] = 0;
}

static GstDicenetLayer *
layer_new (const GstDicenetMeta *meta, gdouble opacity)
{
  GstDicenetLayer *layer = g_new (GstDicenetLayer, 1);

  *layer = (GstDicenetLayer){ .mask = g_bytes_ref (meta->result->mask),
                              .width = meta->result->mask_width,
                              .height = meta->result->mask_height,
                              .x = meta->view_x,
                              .y = meta->view_y,
                              .w = meta->view_w,
                              .h = meta->view_h };
  fill_palette (layer->palette, meta->result, opacity);
  return layer;
}

/* The part of the mask that the frame shows, in mask pixels. */
static Place
visible_part (const GstDicenetMeta *meta)
{
  gint w = meta->result->mask_width, h = meta->result->mask_height;
  gint x0 = CLAMP (floor (meta->view_x * w), 0, w), x1 = CLAMP (ceil ((meta->view_x + meta->view_w) * w), 0, w);
  gint y0 = CLAMP (floor (meta->view_y * h), 0, h), y1 = CLAMP (ceil ((meta->view_y + meta->view_h) * h), 0, h);

  return (Place){ x0, y0, MAX (x1 - x0, 0), MAX (y1 - y0, 0) };
}

/* The part of @part with visible labels, and a border of one pixel in which the colours fade out. */
static Place
trim (const guint8 *mask, gint stride, const guint32 palette[256], Place part)
{
  gint x0 = part.x + part.w, x1 = -1, y0 = part.y + part.h, y1 = -1;

  for (gint y = part.y; y < part.y + part.h; y++) {
    const guint8 *row = mask + (gsize) y * stride;
    gint first = part.x, last = part.x + part.w - 1;
    while (first <= last && !palette[row[first]])
      first++;
    if (first > last)
      continue;
    while (!palette[row[last]])
      last--;
    x0 = MIN (x0, first);
    x1 = MAX (x1, last);
    y0 = MIN (y0, y);
    y1 = y;
  }
  if (y1 < 0)
    return (Place){ 0, 0, 0, 0 };
  x0 = MAX (x0 - 1, part.x);
  y0 = MAX (y0 - 1, part.y);
  x1 = MIN (x1 + 1, part.x + part.w - 1);
  y1 = MIN (y1 + 1, part.y + part.h - 1);
  return (Place){ x0, y0, x1 - x0 + 1, y1 - y0 + 1 };
}

/* The colour of a visible neighbour with alpha 0. Scaling interpolates between both, so that the mask fades out in its
 * own colour instead of black. */
static guint32
fringe_color (const guint8 *mask, gint stride, const guint32 palette[256], Place part, gint x, gint y)
{
  for (gint j = MAX (y - 1, part.y); j <= MIN (y + 1, part.y + part.h - 1); j++) {
    for (gint i = MAX (x - 1, part.x); i <= MIN (x + 1, part.x + part.w - 1); i++) {
      guint32 color = palette[mask[(gsize) j * stride + i]];
      if (color)
        return color & 0xffffff;
    }
  }
  return 0;
}

static GstBuffer *
color_mask (const guint8 *mask, gint stride, const guint32 palette[256], Place part)
{
  guint32 *dest;
  GstBuffer *pixels = gst_dicenet_pixels_new (part.w, part.h, &dest);

  for (gint y = part.y; pixels && y < part.y + part.h; y++) {
    const guint8 *row = mask + (gsize) y * stride;
    for (gint x = part.x; x < part.x + part.w; x++) {
      guint32 color = palette[row[x]];
      *dest++ = color ? color : fringe_color (mask, stride, palette, part, x, y);
    }
  }
  return pixels;
}

/* Position of a part of the mask in the frame. */
static Place
mask_to_frame (const Canvas *canvas, const GstDicenetMeta *meta, Place part)
{
  gdouble w = meta->result->mask_width, h = meta->result->mask_height;
  gdouble sx = canvas->width / meta->view_w, sy = canvas->height / meta->view_h;
  gint x0 = lround ((part.x / w - meta->view_x) * sx), x1 = lround (((part.x + part.w) / w - meta->view_x) * sx);
  gint y0 = lround ((part.y / h - meta->view_y) * sy), y1 = lround (((part.y + part.h) / h - meta->view_y) * sy);

  return (Place){ x0, y0, MAX (x1 - x0, 1), MAX (y1 - y0, 1) };
}

/* Not premultiplied: GStreamer's blender ignores the flag when it scales (1.22 to 1.28), which darkens the colours. */
static void
add_mask (Canvas *canvas, GstBuffer *pixels, Place at)
{
  add_rectangle_with_flags (canvas, pixels, at, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  gst_clear_buffer (&pixels);
}

/* For a frame that shows less than one mask pixel, which would extend far beyond the frame: resamples the mask to the
 * frame instead. */
static void
draw_enlarged_mask (Canvas *canvas, const GstDicenetMeta *meta, const guint32 palette[256])
{
  const gint w = MIN (canvas->width, 256), h = MIN (canvas->height, 256);
  guint8 *mask = g_malloc ((gsize) w * h);

  gst_dicenet_meta_read_mask (meta, mask, w, h, w);
  add_mask (canvas, color_mask (mask, w, palette, (Place){ 0, 0, w, h }),
            (Place){ 0, 0, canvas->width, canvas->height });
  g_free (mask);
}

static void
draw_mask (Canvas *canvas, const GstDicenetMeta *meta, gdouble opacity)
{
  const guint8 *mask = g_bytes_get_data (meta->result->mask, NULL);
  gint stride = meta->result->mask_width;
  guint32 palette[256];

  fill_palette (palette, meta->result, opacity);
  if (meta->view_w * stride < 1 || meta->view_h * meta->result->mask_height < 1) {
    draw_enlarged_mask (canvas, meta, palette);
    return;
  }
  Place part = trim (mask, stride, palette, visible_part (meta));
  if (part.w > 0)
    add_mask (canvas, color_mask (mask, stride, palette, part), mask_to_frame (canvas, meta, part));
}

/* --- text boxes in the corners: legend and top classes --- */

/* Results that are drawn together. */
typedef struct {
  const GstDicenetMeta *const *metas;
  guint n;
} Results;

static gboolean
is_mask_of_object (const GstDicenetMeta *meta)
{
  return meta->result->mask && meta->parent_id >= 0;
}

typedef struct {
  guint label_id;
  gdouble share;
} Share;

static gint
compare_shares (gconstpointer a, gconstpointer b)
{
  const Share *first = a, *second = b;

  if (first->share != second->share)
    return first->share < second->share ? 1 : -1;
  return first->label_id < second->label_id ? -1 : 1;
}

static gchar *
format_percent (gdouble fraction)
{
  return fraction < 0.005 ? g_strdup ("<1%") : g_strdup_printf ("%ld%%", lround (fraction * 100));
}

static gboolean
overlaps (Place a, Place b)
{
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/* In the upper right or left corner, below other text boxes there. */
static void
place_in_corner (Canvas *canvas, const GstDicenetTextBox *text_box, gboolean right)
{
  gint margin = MARGIN (canvas);
  if (!text_box)
    return;
  Place at = { right ? canvas->width - margin - text_box->width : margin, margin, text_box->width, text_box->height };

  at.x = MAX (at.x, 0);
  at.y = MIN (at.y, MAX (canvas->height - at.h, 0));
  for (guint i = 0; i < canvas->taken->len; i++) {
    Place other = g_array_index (canvas->taken, Place, i);
    if (overlaps (at, other))
      at.y = other.y + other.h + margin / 2;
  }
  if (at.y + at.h > canvas->height && at.y > margin)
    return; /* no space left: do not draw over other text */
  add_rectangle (canvas, text_box->pixels, at);
  g_array_append_val (canvas->taken, at);
}

static void
draw_list (Canvas *canvas, GPtrArray *rows, gboolean swatches, gboolean right)
{
  if (rows->len > 0)
    place_in_corner (canvas, gst_dicenet_text_cache_get_list (canvas->renderer->texts, &canvas->style, rows, swatches),
                     right);
}

static void
draw_shares (Canvas *canvas, const GstDicenetMeta *meta, const gdouble all[256])
{
  GArray *shares = g_array_new (FALSE, FALSE, sizeof (Share));
  GPtrArray *rows = gst_dicenet_rows_new ();

  for (guint i = 0; i < 256; i++) {
    Share s = { i, all[i] };
    if (s.share > 0 && i != GST_DICENET_MASK_NONE && (gint) i != meta->result->background)
      g_array_append_val (shares, s);
  }
  g_array_sort (shares, compare_shares);
  for (guint i = 0; i < shares->len; i++) {
    Share s = g_array_index (shares, Share, i);
    gst_dicenet_rows_add (rows, s.label_id, gst_dicenet_result_get_label (meta->result, s.label_id),
                          format_percent (s.share));
  }
  draw_list (canvas, rows, TRUE, TRUE);
  g_ptr_array_unref (rows);
  g_array_unref (shares);
}

static void
draw_legend (Canvas *canvas, const GstDicenetMeta *meta)
{
  gdouble shares[256];

  gst_dicenet_meta_get_shares (meta, shares);
  draw_shares (canvas, meta, shares);
}

/* One legend for the masks of objects, with the share of all their regions together. */
static void
draw_legend_of_objects (Canvas *canvas, const Results *results)
{
  const GstDicenetMeta *first = NULL;
  gdouble sum[256] = { 0 }, shares[256];
  guint n = 0;

  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    if (!is_mask_of_object (meta) || (first && meta->result->labels != first->result->labels))
      continue;
    first = first ? first : meta;
    n++;
    gst_dicenet_meta_get_shares (meta, shares);
    for (guint k = 0; k < 256; k++)
      sum[k] += shares[k];
  }
  for (guint k = 0; k < 256; k++)
    sum[k] /= MAX (n, 1);
  if (first)
    draw_shares (canvas, first, sum);
}

static void
draw_classes (Canvas *canvas, const GstDicenetMeta *meta)
{
  GPtrArray *rows = gst_dicenet_rows_new ();

  for (guint i = 0; i < gst_dicenet_result_get_n_classes (meta->result); i++) {
    const GstDicenetClass *c = gst_dicenet_result_get_class (meta->result, i);
    gst_dicenet_rows_add (rows, c->label_id, gst_dicenet_result_get_label (meta->result, c->label_id),
                          format_percent (c->confidence));
  }
  draw_list (canvas, rows, FALSE, FALSE);
  g_ptr_array_unref (rows);
}

/* --- boxes --- */

/* Round to even coordinates if the frame is large enough: a chroma sample of 4:2:0 video covers 2 x 2 pixels, and a
 * line that covers half of it has washed-out colours. */
static gint
snap (gdouble at, gint limit)
{
  return CLAMP (2 * (gint) lround (at / 2), 0, limit);
}

static Place
box_place (const Canvas *canvas, const GstDicenetDetection *d)
{
  gint x0 = snap (d->x, canvas->width), x1 = snap (d->x + d->w, canvas->width);
  gint y0 = snap (d->y, canvas->height), y1 = snap (d->y + d->h, canvas->height);

  return (Place){ x0, y0, x1 - x0, y1 - y0 };
}

static void
draw_edges (Canvas *canvas, const GstDicenetDetection *d)
{
  Place box = box_place (canvas, d);
  gint t = MIN (canvas->style.line, MIN (box.w, box.h));
  GstBuffer *pixel = gst_dicenet_text_cache_get_pixel (canvas->renderer->texts, d->label_id);

  if (t <= 0)
    return;
  if (box.w <= 2 * t || box.h <= 2 * t) {
    add_rectangle (canvas, pixel, box);
    return;
  }
  add_rectangle (canvas, pixel, (Place){ box.x, box.y, box.w, t });
  add_rectangle (canvas, pixel, (Place){ box.x, box.y + box.h - t, box.w, t });
  add_rectangle (canvas, pixel, (Place){ box.x, box.y + t, t, box.h - 2 * t });
  add_rectangle (canvas, pixel, (Place){ box.x + box.w - t, box.y + t, t, box.h - 2 * t });
}

/* Area of existing text boxes that a text box at @at would cover. */
static gint64
covered (const Canvas *canvas, Place at)
{
  gint64 area = 0;

  for (guint i = 0; i < canvas->taken->len; i++) {
    Place other = g_array_index (canvas->taken, Place, i);
    if (overlaps (at, other))
      area += (gint64) (MIN (at.x + at.w, other.x + other.w) - MAX (at.x, other.x)) *
              (MIN (at.y + at.h, other.y + other.h) - MAX (at.y, other.y));
  }
  return area;
}

/* Tries positions above the box, inside it at the top, below it, and inside it at the bottom, the upper ones also
 * right-aligned. Takes the first that covers no other text box, or the one that covers the least. */
static Place
place_label (const Canvas *canvas, Place box, gint w, gint h)
{
  gint right = box.x + box.w - w;
  const struct {
    gint x, y;
  } candidates[] = {
    { box.x, box.y - h }, { box.x, box.y },         { right, box.y - h },
    { right, box.y },     { box.x, box.y + box.h }, { box.x, box.y + box.h - h },
  };
  Place best = { 0, 0, w, h };
  gint64 least = G_MAXINT64;

  for (guint i = 0; i < G_N_ELEMENTS (candidates) && least > 0; i++) {
    Place at = { CLAMP (candidates[i].x, 0, MAX (canvas->width - w, 0)), candidates[i].y, w, h };
    if (at.y < 0 || at.y + h > canvas->height)
      continue;
    gint64 area = covered (canvas, at);
    if (area < least) {
      least = area;
      best = at;
    }
  }
  if (least == G_MAXINT64) {
    best.x = CLAMP (box.x, 0, MAX (canvas->width - w, 0));
    best.y = CLAMP (box.y, 0, MAX (canvas->height - h, 0));
  }
  return best;
}

/* Class, number if there is one, and confidence. */
static gchar *
describe_object (const GstDicenetMeta *meta, const GstDicenetDetection *d)
{
  g_autofree gchar *label = gst_dicenet_text_isolate (gst_dicenet_result_get_label (meta->result, d->label_id));
  g_autofree gchar *percent = format_percent (d->confidence);

  if (d->track_id == 0)
    return g_strdup_printf ("%s %s", label, percent);
  return g_strdup_printf ("%s #%" G_GUINT64_FORMAT " %s", label, d->track_id, percent);
}

/* The most likely class. */
static gchar *
describe_class (const GstDicenetResult *result)
{
  const GstDicenetClass *best = gst_dicenet_result_get_class (result, 0);
  g_autofree gchar *label = gst_dicenet_text_isolate (gst_dicenet_result_get_label (result, best->label_id));
  g_autofree gchar *percent = format_percent (best->confidence);

  return g_strdup_printf ("%s %s", label, percent);
}

/* Lines of a label: the class of the object, and what models found in it. */
#define MAX_LINES 4

typedef struct {
  const GstDicenetTextBox *boxes[MAX_LINES];
  guint n;
  gint width, height;
} Lines;

/* Takes @text. */
static void
add_line (Canvas *canvas, Lines *lines, Place box, gchar *text, guint label_id)
{
  const GstDicenetTextBox *text_box = gst_dicenet_text_cache_get_label (
      canvas->renderer->texts, &canvas->style, text, label_id, CLAMP (box.w, canvas->style.max_label, canvas->width));

  g_free (text);
  if (!text_box)
    return;
  lines->boxes[lines->n++] = text_box;
  lines->width = MAX (lines->width, text_box->width);
  lines->height += text_box->height;
}

static void
draw_lines (Canvas *canvas, const Lines *lines, Place box)
{
  Place at = place_label (canvas, box, lines->width, lines->height);

  g_array_append_val (canvas->taken, at);
  for (guint i = 0; i < lines->n; i++) {
    const GstDicenetTextBox *line = lines->boxes[i];
    add_rectangle (canvas, line->pixels, (Place){ at.x, at.y, line->width, line->height });
    at.y += line->height;
  }
}

static void
draw_label (Canvas *canvas, const GstDicenetMeta *meta, const GstDicenetDetection *d)
{
  Place box = box_place (canvas, d);
  Lines lines = { 0 };

  add_line (canvas, &lines, box, describe_object (meta, d), d->label_id);
  for (guint i = 0; i < gst_dicenet_detection_get_n_results (d) && lines.n < MAX_LINES; i++) {
    const GstDicenetResult *result = gst_dicenet_detection_get_result (d, i);
    if (gst_dicenet_result_get_n_classes (result) > 0)
      add_line (canvas, &lines, box, describe_class (result), d->label_id);
  }
  if (lines.n > 0)
    draw_lines (canvas, &lines, box);
}

/* --- composition --- */

static void
add_number (GByteArray *key, gdouble number)
{
  g_byte_array_append (key, (const guint8 *) &number, sizeof number);
}

/* Builds a key of everything that determines the picture. The address of a result identifies it, because a reference is
 * held. */
static GByteArray *
describe (const Results *results, const GstVideoInfo *info, gdouble opacity, gboolean with_masks)
{
  const gdouble frame[] = { info->width, info->height, info->par_n, info->par_d, opacity, with_masks };
  GByteArray *key = g_byte_array_new ();

  g_byte_array_append (key, (const guint8 *) frame, sizeof frame);
  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    const gdouble view[] = { meta->view_x, meta->view_y, meta->view_w, meta->view_h, meta->parent_id >= 0 };
    g_byte_array_append (key, (const guint8 *) &meta->result, sizeof meta->result);
    g_byte_array_append (key, (const guint8 *) view, sizeof view);
    for (guint j = 0; j < gst_dicenet_meta_get_n_detections (meta); j++) {
      const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, j);
      const guint n = gst_dicenet_detection_get_n_results (d);
      const gdouble numbers[] = { d->label_id, d->confidence, d->x, d->y, d->w, d->h, d->track_id, n };
      g_byte_array_append (key, (const guint8 *) numbers, sizeof numbers);
      for (guint k = 0; k < n; k++) {
        const GstDicenetResult *result = gst_dicenet_detection_get_result (d, k);
        g_byte_array_append (key, (const guint8 *) &result, sizeof result);
      }
    }
    add_number (key, NAN); /* terminates the detections of a meta */
  }
  return key;
}

static gboolean
same_key (const GByteArray *a, const GByteArray *b)
{
  return a && b && a->len == b->len && memcmp (a->data, b->data, a->len) == 0;
}

static void
remember_results (GPtrArray *kept, const GstDicenetMeta *meta)
{
  g_ptr_array_add (kept, gst_dicenet_result_ref (meta->result));
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    for (guint k = 0; k < gst_dicenet_detection_get_n_results (d); k++)
      g_ptr_array_add (kept, gst_dicenet_result_ref (gst_dicenet_detection_get_result (d, k)));
  }
}

static void
remember (GstDicenetRenderer *self, const Results *results, GByteArray *key, GstVideoOverlayComposition *composition)
{
  forget_last (self);
  self->last_key = g_byte_array_ref (key);
  self->last_results = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_result_unref);
  for (guint i = 0; i < results->n; i++)
    remember_results (self->last_results, results->metas[i]);
  self->last = composition ? gst_video_overlay_composition_ref (composition) : NULL;
}

/* Limits detections to the most confident ones: more would hide the picture. The position of each label is compared
 * with those of all others, and GStreamer copies all rectangles of a composition on every fourth one added. */
static guint
n_drawn (const GstDicenetMeta *meta)
{
  return MIN (gst_dicenet_meta_get_n_detections (meta), 1000);
}

/* Drawing order: masks, then boxes with the most confident on top, then text. */
static void
draw_all (Canvas *canvas, const Results *results, gdouble opacity, gboolean with_masks)
{
  for (guint i = 0; with_masks && i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    if (meta->result->mask)
      draw_mask (canvas, meta, opacity);
  }
  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    for (guint j = n_drawn (meta); j-- > 0;)
      draw_edges (canvas, gst_dicenet_meta_get_detection (meta, j));
  }
  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    if (meta->result->mask && !is_mask_of_object (meta))
      draw_legend (canvas, meta);
    if (gst_dicenet_result_get_n_classes (meta->result) > 0)
      draw_classes (canvas, meta);
  }
  draw_legend_of_objects (canvas, results);
  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    for (guint j = 0; j < n_drawn (meta); j++)
      draw_label (canvas, meta, gst_dicenet_meta_get_detection (meta, j));
  }
}

static gboolean
has_both_lists (const Results *results)
{
  gboolean legend = FALSE, classes = FALSE;

  for (guint i = 0; i < results->n; i++) {
    const GstDicenetMeta *meta = results->metas[i];
    legend |= meta->result->mask != NULL;
    classes |= gst_dicenet_result_get_n_classes (meta->result) > 0;
  }
  return legend && classes;
}

static GstVideoOverlayComposition *
compose_anew (GstDicenetRenderer *self, const Results *results, const GstVideoInfo *info, gdouble opacity,
              gboolean with_masks)
{
  Canvas canvas = { .renderer = self, .width = info->width, .height = info->height };

  if (!self->texts)
    self->texts = gst_dicenet_text_cache_new ();
  gst_dicenet_style_init (&canvas.style, info, has_both_lists (results));
  canvas.taken = g_array_new (FALSE, FALSE, sizeof (Place));
  draw_all (&canvas, results, opacity, with_masks);
  g_array_unref (canvas.taken);
  gst_dicenet_text_cache_trim (self->texts);
  return canvas.composition;
}

GstVideoOverlayComposition *
gst_dicenet_renderer_compose (GstDicenetRenderer *self, const GstDicenetMeta *const *metas, guint n_metas,
                              const GstVideoInfo *info, gdouble opacity, GPtrArray *layers)
{
  g_return_val_if_fail (self && info && info->width > 0 && info->height > 0, NULL);

  const Results results = { metas, n_metas };
  GByteArray *key = describe (&results, info, opacity, layers == NULL);
  GstVideoOverlayComposition *composition;

  for (guint i = 0; layers && i < n_metas; i++) {
    if (metas[i]->result->mask)
      g_ptr_array_add (layers, layer_new (metas[i], opacity));
  }

  if (same_key (key, self->last_key)) {
    composition = self->last ? gst_video_overlay_composition_ref (self->last) : NULL;
  } else {
    composition = compose_anew (self, &results, info, opacity, layers == NULL);
    remember (self, &results, key, composition);
  }
  g_byte_array_unref (key);
  return composition;
}
