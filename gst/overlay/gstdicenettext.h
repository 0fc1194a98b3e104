/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetStyle:
 * @font: height of the font in pixels
 * @line: thickness of a box's edges in pixels, even
 * @pad: space around text in pixels
 * @stretch: factor on widths that compensates for pixels that are not square
 * @max_label: maximum width of a box's label if the box is narrower
 * @max_width: maximum width of a text box in a corner
 * @max_height: maximum height of a text box in a corner
 *
 * Sizes for drawing, which depend on the frame's size.
 */
typedef struct {
  gint font, line, pad;
  gdouble stretch;
  gint max_label, max_width, max_height;
} GstDicenetStyle;

/** Sets the sizes for a frame. On small frames lists may be wider if @two_lists is not set, as they then do not share
 * the width. */
void gst_dicenet_style_init (GstDicenetStyle *self, const GstVideoInfo *info, gboolean two_lists);

/**
 * gst_dicenet_class_color:
 * @label_id: index of a class
 *
 * Returns: the colour of the class, 0xRRGGBB. It never changes; colours repeat after 32 classes
 */
guint32 gst_dicenet_class_color (guint label_id);

/**
 * gst_dicenet_pixels_new:
 * @width: width in pixels
 * @height: height in pixels
 * @pixels: (out): the memory, rows without padding; write to it before the buffer is shared
 *
 * Returns: (transfer full) (nullable): an uninitialised picture in %GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, which is
 * cairo's ARGB32; %NULL if there is not enough memory
 */
GstBuffer *gst_dicenet_pixels_new (guint width, guint height, guint32 **pixels);

/**
 * GstDicenetTextBox:
 * @pixels: the picture
 * @width: width in pixels
 * @height: height in pixels
 *
 * Rendered text with its background.
 */
typedef struct {
  GstBuffer *pixels;
  gint width, height;
} GstDicenetTextBox;

/**
 * GstDicenetTextCache:
 *
 * Renders text boxes and caches them. Not thread-safe. Text boxes are valid until gst_dicenet_text_cache_trim().
 */
typedef struct _GstDicenetTextCache GstDicenetTextCache;

GstDicenetTextCache *gst_dicenet_text_cache_new (void);
void gst_dicenet_text_cache_free (GstDicenetTextCache *self);

/** Call this after each picture. Frees text boxes that were not used for a long time and, while the cache is too large,
 * those that were used least recently. */
void gst_dicenet_text_cache_trim (GstDicenetTextCache *self);

/** (nullable): why text looks wrong or is missing, as a message to the user. A static string. */
const gchar *gst_dicenet_text_cache_get_problem (const GstDicenetTextCache *self);

/** @name for use within a text: in a script from right to left, it would reorder the numbers after it.
 *
 * Returns: (transfer full): the name, in Unicode's isolates if it is not ASCII */
gchar *gst_dicenet_text_isolate (const gchar *name);

/** One opaque pixel in the colour of a class. Owned by @self. %NULL if there is not enough memory, as for the functions
 * below. */
GstBuffer *gst_dicenet_text_cache_get_pixel (GstDicenetTextCache *self, guint label_id);

/** One line of text in the colour of a class, ellipsized in the middle if it is wider than @max_width. */
const GstDicenetTextBox *gst_dicenet_text_cache_get_label (GstDicenetTextCache *self, const GstDicenetStyle *style,
                                                           const gchar *text, guint label_id, gint max_width);

/** Rows of a list: class, name and value. */
GPtrArray *gst_dicenet_rows_new (void);
/** Appends a row. Takes @value. */
void gst_dicenet_rows_add (GPtrArray *rows, guint label_id, const gchar *name, gchar *value);

/** Rows on a dark background, each with a colour swatch if @swatches. Rows that do not fit are only counted. */
const GstDicenetTextBox *gst_dicenet_text_cache_get_list (GstDicenetTextCache *self, const GstDicenetStyle *style,
                                                          GPtrArray *rows, gboolean swatches);

G_END_DECLS
