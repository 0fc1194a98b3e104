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
 * @stretch: what widths are multiplied by, so that text looks right where pixels are not square
 * @max_label: width that the label of a box may have even if the box is narrower
 * @max_width: widest text box in a corner
 * @max_height: highest text box in a corner
 *
 * Sizes that suit a frame.
 */
typedef struct {
  gint font, line, pad;
  gdouble stretch;
  gint max_label, max_width, max_height;
} GstDicenetStyle;

/** Sizes for a frame. Lists can be wider on a small one if not @two_lists lie side by side. */
void gst_dicenet_style_init (GstDicenetStyle *self, const GstVideoInfo *info, gboolean two_lists);

/**
 * gst_dicenet_class_color:
 * @label_id: index of a class
 *
 * Returns: its colour, 0xRRGGBB. The same for the same class at all times; they repeat after 32 classes
 */
guint32 gst_dicenet_class_color (guint label_id);

/**
 * gst_dicenet_pixels_new:
 * @width: width in pixels
 * @height: height in pixels
 * @pixels: (out): its memory, rows without padding; to be written before the buffer is shared
 *
 * Returns: (transfer full) (nullable): a picture of %GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, which is cairo's ARGB32,
 * uninitialised; %NULL if there is no memory for it
 */
GstBuffer *gst_dicenet_pixels_new (guint width, guint height, guint32 **pixels);

/**
 * GstDicenetTextBox:
 * @pixels: the picture
 * @width: width in pixels
 * @height: height in pixels
 *
 * A rendered piece of text on its background.
 */
typedef struct {
  GstBuffer *pixels;
  gint width, height;
} GstDicenetTextBox;

/**
 * GstDicenetTextCache:
 *
 * Renders text boxes, and keeps those that were used last. Not thread-safe. Plates are valid until
 * gst_dicenet_text_cache_trim().
 */
typedef struct _GstDicenetTextCache GstDicenetTextCache;

GstDicenetTextCache *gst_dicenet_text_cache_new (void);
void gst_dicenet_text_cache_free (GstDicenetTextCache *self);

/** A picture is drawn: lets go of the text boxes that were not used for long, and while all take more memory than is
 * worth keeping, of those that were not used for longest. */
void gst_dicenet_text_cache_trim (GstDicenetTextCache *self);

/** (nullable): why text looks wrong, or is left out, in words for the user. Static. */
const gchar *gst_dicenet_text_cache_get_problem (const GstDicenetTextCache *self);

/** One opaque pixel in a class's colour. Owned by @self; %NULL if there is no memory, as for the following. */
GstBuffer *gst_dicenet_text_cache_get_pixel (GstDicenetTextCache *self, guint label_id);

/** One line of text in its class's colour, shortened in the middle where it is wider than @max_width. */
const GstDicenetTextBox *gst_dicenet_text_cache_get_label (GstDicenetTextCache *self, const GstDicenetStyle *style,
                                                           const gchar *text, guint label_id, gint max_width);

/** Rows of a list: a class, its name and a value. */
GPtrArray *gst_dicenet_rows_new (void);
/** Appends a row; takes ownership of @value. */
void gst_dicenet_rows_add (GPtrArray *rows, guint label_id, const gchar *name, gchar *value);

/** Rows on a dark text box, with a patch of the class's colour before each if @swatches. What is too many is counted
 * only.
 */
const GstDicenetTextBox *gst_dicenet_text_cache_get_list (GstDicenetTextCache *self, const GstDicenetStyle *style,
                                                          GPtrArray *rows, gboolean swatches);

G_END_DECLS
