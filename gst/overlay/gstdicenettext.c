/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenettext.h"

#include <math.h>
#include <pango/pangocairo.h>
#include <string.h>
#include "video/gstdicenetaspect.h"
#include "video/gstdicenetmemory.h"

/* Several hundred labels at 1080p; a legend at 2160p takes 2 MiB. */
#define MAX_CACHE_BYTES (16 * 1024 * 1024)
/* A text box is freed after this number of pictures without it. Percentages rarely repeat: if they were kept until the
 * cache is full, memory would grow slowly in each element, which looks like a leak. */
#define MAX_UNUSED 100

/* Frames larger than this get no larger text boxes: a text box takes at most 64 MiB. */
#define MAX_SIZE 4096

/* Each colour is as far as possible, in CIELAB, from those before it, among saturated colours of medium lightness: the
 * minimum distance is 34 among the first 21, and 27 among all 32 (2 is just noticeable). */
static const guint32 colors[32] = {
  0xff3c3c, 0x00ff00, 0x1e4bff, 0x1ef0ff, 0xffd200, 0xffb4ff, 0x2d781e, 0xff00e1, 0x0069b4, 0x965a00, 0xb42d69,
  0x00f0a5, 0xd2e187, 0xa5e11e, 0xff9687, 0x963cb4, 0xff8700, 0xb400ff, 0x0078ff, 0x1ec33c, 0x878700, 0xf0b45a,
  0xff69d2, 0x0fb496, 0x0fc3ff, 0xff0069, 0xb43c3c, 0x96a5ff, 0xff87b4, 0xa569b4, 0xd25aff, 0xc34b00,
};

struct _GstDicenetTextCache {
  PangoContext *context; /* NULL until text is drawn */
  const gchar *problem;
  GHashTable *texts; /* key -> CachedTextBox */
  GQueue recent;     /* CachedTextBox, most recently used first */
  gsize bytes;
  guint n_pictures; /* number of pictures drawn so far */
  GstBuffer *pixels[G_N_ELEMENTS (colors)];
};

typedef struct {
  GstDicenetTextBox text_box;
  gchar *key;
  GList link; /* in @recent */
  guint used; /* the last picture that used it */
} CachedTextBox;

typedef struct {
  guint label_id;
  gchar *name;
  gchar *value;
} Row;

guint32
gst_dicenet_class_color (guint label_id)
{
  return colors[label_id % G_N_ELEMENTS (colors)];
}

void
gst_dicenet_style_init (GstDicenetStyle *self, const GstVideoInfo *info, gboolean two_lists)
{
  gdouble par = gst_dicenet_pixel_aspect (info);
  gdouble size = MIN (MIN (info->height, info->width * par), MAX_SIZE);

  self->font = MAX (10, lround (size / 40));
  self->line = MAX (2, 2 * lround (size / 540));
  self->pad = MAX (2, self->font / 4);
  self->stretch = 1 / par;
  self->max_label = MIN (MIN (MAX (info->width * 2 / 5, 10 * self->font), info->width), MAX_SIZE);
  self->max_width = MIN (info->width * (info->width >= 320 ? 0.4 : two_lists ? 0.47 : 0.6), MAX_SIZE);
  self->max_height = MIN (info->height * 0.9, MAX_SIZE);
}

GstBuffer *
gst_dicenet_pixels_new (guint width, guint height, guint32 **pixels)
{
  gsize n = (gsize) width * height;

  /* One more pixel: when GStreamer enlarges a picture with one column, it reads the pixel beside it, with a weight of
   * 0. */
  *pixels = g_try_new (guint32, n + 1);
  if (!*pixels)
    return NULL;
  (*pixels)[n] = 0;
  GstBuffer *buffer = gst_buffer_new_wrapped (*pixels, n * sizeof (guint32));

  gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, width,
                             height);
  return buffer;
}

/* --- cache --- */

static void
cached_text_box_free (CachedTextBox *self)
{
  gst_buffer_unref (self->text_box.pixels);
  g_free (self->key);
  g_free (self);
}

GstDicenetTextCache *
gst_dicenet_text_cache_new (void)
{
  GstDicenetTextCache *self = g_new0 (GstDicenetTextCache, 1);

  self->texts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) cached_text_box_free);
  g_queue_init (&self->recent);
  return self;
}

void
gst_dicenet_text_cache_free (GstDicenetTextCache *self)
{
  g_hash_table_unref (self->texts);
  for (guint i = 0; i < G_N_ELEMENTS (colors); i++)
    gst_clear_buffer (&self->pixels[i]);
  g_clear_object (&self->context);
  g_free (self);
}

static gsize
text_box_bytes (const CachedTextBox *cached)
{
  return sizeof *cached + strlen (cached->key) + (gsize) cached->text_box.width * cached->text_box.height * 4;
}

void
gst_dicenet_text_cache_trim (GstDicenetTextCache *self)
{
  CachedTextBox *oldest;

  self->n_pictures++;
  while ((oldest = g_queue_peek_tail (&self->recent)) &&
         (self->bytes > MAX_CACHE_BYTES || self->n_pictures - oldest->used > MAX_UNUSED)) {
    g_queue_unlink (&self->recent, &oldest->link);
    self->bytes -= text_box_bytes (oldest);
    g_hash_table_remove (self->texts, oldest->key);
  }
}

static const GstDicenetTextBox *
lookup (GstDicenetTextCache *self, const gchar *key)
{
  CachedTextBox *cached = g_hash_table_lookup (self->texts, key);

  if (!cached)
    return NULL;
  g_queue_unlink (&self->recent, &cached->link);
  g_queue_push_head_link (&self->recent, &cached->link);
  cached->used = self->n_pictures;
  return &cached->text_box;
}

static const GstDicenetTextBox *
insert (GstDicenetTextCache *self, const gchar *key, GstDicenetTextBox text_box)
{
  if (!text_box.pixels) {
    self->problem = "No memory for labels: some are left out";
    return NULL;
  }
  CachedTextBox *cached = g_new0 (CachedTextBox, 1);

  cached->text_box = text_box;
  cached->key = g_strdup (key);
  cached->link.data = cached;
  cached->used = self->n_pictures;
  g_queue_push_head_link (&self->recent, &cached->link);
  g_hash_table_insert (self->texts, cached->key, cached);
  self->bytes += text_box_bytes (cached);
  return &cached->text_box;
}

/* --- drawing --- */

static void
set_color (cairo_t *cr, guint32 rgb, gdouble alpha)
{
  cairo_set_source_rgba (cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0, alpha);
}

/* Black or white, whichever is readable on @rgb. */
static guint32
text_color (guint32 rgb)
{
  return 0.299 * (rgb >> 16 & 255) + 0.587 * (rgb >> 8 & 255) + 0.114 * (rgb & 255) > 130 ? 0x000000 : 0xffffff;
}

static PangoLayout *
layout_new (GstDicenetTextCache *self, const GstDicenetStyle *style, const gchar *text)
{
  PangoLayout *layout = pango_layout_new (self->context);
  PangoFontDescription *font = pango_font_description_new ();

  pango_font_description_set_family_static (font, "Sans");
  pango_font_description_set_weight (font, PANGO_WEIGHT_BOLD);
  pango_font_description_set_absolute_size (font, style->font * PANGO_SCALE);
  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  pango_layout_set_single_paragraph_mode (layout, TRUE);
  pango_layout_set_auto_dir (layout, FALSE); /* from left to right, as all texts but names are */
  pango_layout_set_text (layout, text, -1);
  return layout;
}

/* Pango starts one thread to read fontconfig's files, and one for each of its two ways to look up a font. */
#define FONT_THREADS 3

static gpointer
wait_for (gpointer lock)
{
  g_mutex_lock (lock);
  g_mutex_unlock (lock);
  return NULL;
}

/* Pango aborts if it can't start a thread, so try to start as many as it runs at once. */
static gboolean
can_start_threads (void)
{
  GThread *threads[FONT_THREADS];
  GMutex lock;
  guint n = 0;

  g_mutex_init (&lock);
  g_mutex_lock (&lock);
  while (n < FONT_THREADS && (threads[n] = g_thread_try_new ("dicenet-probe", wait_for, &lock, NULL)))
    n++;
  g_mutex_unlock (&lock);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  g_mutex_clear (&lock);
  return n == FONT_THREADS;
}

/* Fontconfig crashes if it runs out of memory. This is an upper bound on the address space for its threads' stacks and
 * heaps and for the files it reads. */
#define FONT_MIB 128

static void
check_fonts (GstDicenetTextCache *self)
{
  const GstDicenetStyle style = { .font = 10, .stretch = 1 };
  PangoLayout *layout = layout_new (self, &style, "Ag 1%");

  if (pango_layout_get_unknown_glyphs_count (layout) > 0)
    self->problem = "No font is installed: labels are drawn as empty boxes. Install one, for example Debian's "
                    "package fonts-dejavu-core";
  g_object_unref (layout);
}

/* Pango and fontconfig are initialised with the first text, so that they are not needed unless text is drawn. */
static gboolean
ensure_context (GstDicenetTextCache *self)
{
  if (self->context)
    return TRUE;
  if (!gst_dicenet_has_memory (FONT_MIB * 1024 * 1024)) {
    self->problem =
        "No memory for fonts, " G_STRINGIFY (FONT_MIB) " MiB: labels are left out. Stop other programs, or raise this "
                                                       "one's limit of memory (ulimit -v)";
    return FALSE;
  }
  if (!can_start_threads ()) {
    self->problem =
        "Three threads, which drawing text needs, can't be started: labels are left out. Raise the limit of "
        "processes (ulimit -u, or the container's)";
    return FALSE;
  }
  /* The default font map belongs to one thread, but the streaming thread may change. */
  PangoFontMap *fonts = pango_cairo_font_map_new ();
  cairo_font_options_t *options = cairo_font_options_create ();

  self->context = pango_font_map_create_context (fonts);
  g_object_unref (fonts);
  cairo_font_options_set_antialias (options, CAIRO_ANTIALIAS_GRAY);
  pango_cairo_context_set_font_options (self->context, options);
  cairo_font_options_destroy (options);
  check_fonts (self);
  return TRUE;
}

const gchar *
gst_dicenet_text_cache_get_problem (const GstDicenetTextCache *self)
{
  return self->problem;
}

/* Size of a line on the frame, whose pixels may not be square. Without a font, Pango's sizes are uninitialised memory
 * (up to a million pixels), hence the limits. */
static void
layout_size (PangoLayout *layout, const GstDicenetStyle *style, gint *width, gint *height)
{
  gint w, h;

  pango_layout_get_pixel_size (layout, &w, &h);
  *width = CLAMP (ceil (w * style->stretch), 0, MAX_SIZE);
  *height = CLAMP (h, 0, 4 * style->font);
}

static void
layout_limit (PangoLayout *layout, const GstDicenetStyle *style, gint width, PangoEllipsizeMode mode)
{
  pango_layout_set_ellipsize (layout, mode);
  pango_layout_set_width (layout, MAX (width, 1) / style->stretch * PANGO_SCALE);
}

static void
show_layout (cairo_t *cr, PangoLayout *layout, const GstDicenetStyle *style, gint x, gint y)
{
  cairo_save (cr);
  cairo_translate (cr, x, y);
  cairo_scale (cr, style->stretch, 1);
  pango_cairo_show_layout (cr, layout);
  cairo_restore (cr);
}

/* Returns NULL if there is not enough memory. */
static cairo_t *
text_box_begin (GstDicenetTextBox *text_box, guint32 color, gdouble alpha)
{
  guint32 *pixels;

  text_box->pixels = gst_dicenet_pixels_new (text_box->width, text_box->height, &pixels);
  if (!text_box->pixels)
    return NULL;
  cairo_surface_t *surface = cairo_image_surface_create_for_data (
      (guchar *) pixels, CAIRO_FORMAT_ARGB32, text_box->width, text_box->height, text_box->width * 4);
  cairo_t *cr = cairo_create (surface);

  cairo_surface_destroy (surface);
  cairo_set_operator (cr, CAIRO_OPERATOR_SOURCE);
  set_color (cr, color, alpha);
  cairo_paint (cr);
  cairo_set_operator (cr, CAIRO_OPERATOR_OVER);
  return cr;
}

static void
text_box_end (cairo_t *cr)
{
  cairo_surface_flush (cairo_get_target (cr));
  cairo_destroy (cr);
}

gchar *
gst_dicenet_text_isolate (const gchar *name)
{
  return g_str_is_ascii (name) ? g_strdup (name) : g_strconcat ("\u2068", name, "\u2069", NULL);
}

GstBuffer *
gst_dicenet_text_cache_get_pixel (GstDicenetTextCache *self, guint label_id)
{
  GstBuffer **pixel = &self->pixels[label_id % G_N_ELEMENTS (colors)];
  guint32 *color;

  if (!*pixel) {
    *pixel = gst_dicenet_pixels_new (1, 1, &color);
    if (!*pixel)
      return NULL;
    *color = 0xff000000 | gst_dicenet_class_color (label_id);
  }
  return *pixel;
}

static GstDicenetTextBox
render_label (GstDicenetTextCache *self, const GstDicenetStyle *style, const gchar *text, guint label_id,
              gint max_width)
{
  guint32 color = gst_dicenet_class_color (label_id);
  gint pad = ceil (style->pad * style->stretch), above = style->pad / 2, w, h;
  PangoLayout *layout = layout_new (self, style, text);
  GstDicenetTextBox text_box;

  layout_size (layout, style, &w, &h);
  if (w > max_width - 2 * pad) {
    /* Ellipsize in the middle, to keep the confidence at the end. */
    layout_limit (layout, style, max_width - 2 * pad, PANGO_ELLIPSIZE_MIDDLE);
    layout_size (layout, style, &w, &h);
  }
  text_box.width = w + 2 * pad;
  text_box.height = h + 2 * above;
  cairo_t *cr = text_box_begin (&text_box, color, 1);
  if (cr) {
    set_color (cr, text_color (color), 1);
    show_layout (cr, layout, style, pad, above);
    text_box_end (cr);
  }
  g_object_unref (layout);
  return text_box;
}

const GstDicenetTextBox *
gst_dicenet_text_cache_get_label (GstDicenetTextCache *self, const GstDicenetStyle *style, const gchar *text,
                                  guint label_id, gint max_width)
{
  /* Box widths vary: round them, and ignore them if the text certainly fits, so that most boxes share a cached picture.
   */
  if (!ensure_context (self))
    return NULL;
  gint step = 4 * style->font;
  gboolean fits = max_width >= strlen (text) * style->font * MAX (style->stretch, 1);
  gint limit = fits ? G_MAXINT : CLAMP (max_width / step, 1, MAX (MAX_SIZE / step, 1)) * step;
  gchar *key = g_strdup_printf ("label %d %g %d %u %s", style->font, style->stretch, limit, label_id, text);
  const GstDicenetTextBox *text_box = lookup (self, key);

  if (!text_box)
    text_box = insert (self, key, render_label (self, style, text, label_id, limit));
  g_free (key);
  return text_box;
}

/* --- lists --- */

/* A row without a colour swatch. */
#define NO_LABEL G_MAXUINT

static void
row_free (Row *self)
{
  g_free (self->name);
  g_free (self->value);
  g_free (self);
}

GPtrArray *
gst_dicenet_rows_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) row_free);
}

void
gst_dicenet_rows_add (GPtrArray *rows, guint label_id, const gchar *name, gchar *value)
{
  Row *row = g_new (Row, 1);

  row->label_id = label_id;
  row->name = g_strdup (name);
  row->value = value;
  g_ptr_array_add (rows, row);
}

typedef struct {
  PangoLayout *name, *value;
  gint value_width;
} RowLayout;

/* Columns of a list: colour swatch, name, value. */
typedef struct {
  RowLayout *rows;
  guint n;
  gint pad, swatch, name_width, value_width, row_height;
} List;

static void
list_init (List *list, GstDicenetTextCache *self, const GstDicenetStyle *style, GPtrArray *rows, gboolean swatches)
{
  gint w, h;

  *list = (List){ .n = rows->len, .rows = g_new0 (RowLayout, rows->len) };
  list->pad = ceil (style->pad * style->stretch);
  list->swatch = swatches ? ceil (style->font * style->stretch) + list->pad : 0;
  for (guint i = 0; i < list->n; i++) {
    const Row *row = g_ptr_array_index (rows, i);
    RowLayout *layout = &list->rows[i];
    layout->value = layout_new (self, style, row->value);
    layout_size (layout->value, style, &layout->value_width, &h);
    list->value_width = MAX (list->value_width, layout->value_width);
    layout->name = layout_new (self, style, row->name);
    layout_size (layout->name, style, &w, &h);
    list->name_width = MAX (list->name_width, w);
    list->row_height = MAX (list->row_height, h);
  }
  gint room = style->max_width - list->swatch - list->value_width - 4 * list->pad;
  if (list->name_width > room) {
    list->name_width = MAX (room, style->font);
    for (guint i = 0; i < list->n; i++)
      layout_limit (list->rows[i].name, style, list->name_width, PANGO_ELLIPSIZE_END);
  }
}

static void
list_clear (List *list)
{
  for (guint i = 0; i < list->n; i++) {
    g_object_unref (list->rows[i].name);
    g_object_unref (list->rows[i].value);
  }
  g_free (list->rows);
}

static GstDicenetTextBox
list_render (const List *list, const GstDicenetStyle *style, GPtrArray *rows)
{
  GstDicenetTextBox text_box = { .width = list->swatch + list->name_width + list->value_width + 4 * list->pad,
                                 .height = list->row_height * list->n + 2 * style->pad };
  cairo_t *cr = text_box_begin (&text_box, 0x000000, 0.65);

  for (guint i = 0; cr && i < list->n; i++) {
    const RowLayout *layout = &list->rows[i];
    gint y = style->pad + i * list->row_height, x = list->pad;
    guint label_id = ((const Row *) g_ptr_array_index (rows, i))->label_id;
    if (list->swatch && label_id != NO_LABEL) {
      gint side = style->font * 4 / 5;
      set_color (cr, gst_dicenet_class_color (((Row *) g_ptr_array_index (rows, i))->label_id), 1);
      cairo_rectangle (cr, x, y + (list->row_height - side) / 2, ceil (side * style->stretch), side);
      cairo_fill (cr);
    }
    set_color (cr, 0xffffff, 1);
    show_layout (cr, layout->name, style, x + list->swatch, y);
    show_layout (cr, layout->value, style, text_box.width - list->pad - layout->value_width, y);
  }
  if (cr)
    text_box_end (cr);
  return text_box;
}

static gint
row_height (GstDicenetTextCache *self, const GstDicenetStyle *style)
{
  PangoLayout *layout = layout_new (self, style, "Xg");
  gint w, h;

  layout_size (layout, style, &w, &h);
  g_object_unref (layout);
  return MAX (h, 1);
}

/* Returns the first @room rows, the last of which says how many more there are. The rows are still owned by @rows. */
static GPtrArray *
rows_that_fit (GPtrArray *rows, guint room, Row *more)
{
  GPtrArray *fitting = g_ptr_array_new ();
  guint shown = rows->len <= room ? rows->len : room - 1;

  for (guint i = 0; i < shown; i++)
    g_ptr_array_add (fitting, g_ptr_array_index (rows, i));
  if (shown < rows->len) {
    *more = (Row){ .label_id = NO_LABEL, .name = g_strdup_printf ("+%u", rows->len - shown), .value = g_strdup ("") };
    g_ptr_array_add (fitting, more);
  }
  return fitting;
}

static GstDicenetTextBox
render_list (GstDicenetTextCache *self, const GstDicenetStyle *style, GPtrArray *rows, gboolean swatches)
{
  Row more = { 0 };
  gint room = (style->max_height - 2 * style->pad) / row_height (self, style);
  GPtrArray *fitting = rows_that_fit (rows, MAX (room, 1), &more);
  List list;

  list_init (&list, self, style, fitting, swatches);
  GstDicenetTextBox text_box = list_render (&list, style, fitting);
  list_clear (&list);
  g_ptr_array_unref (fitting);
  g_free (more.name);
  g_free (more.value);
  return text_box;
}

const GstDicenetTextBox *
gst_dicenet_text_cache_get_list (GstDicenetTextCache *self, const GstDicenetStyle *style, GPtrArray *rows,
                                 gboolean swatches)
{
  if (!ensure_context (self))
    return NULL;
  GString *key = g_string_new (NULL);

  g_string_printf (key, "list %d %g %d %d %d", style->font, style->stretch, style->max_width, style->max_height,
                   swatches);
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = g_ptr_array_index (rows, i);
    g_string_append_printf (key, "\n%u %s\t%s", row->label_id, row->name, row->value);
  }
  const GstDicenetTextBox *text_box = lookup (self, key->str);
  if (!text_box)
    text_box = insert (self, key->str, render_list (self, style, rows, swatches));
  g_string_free (key, TRUE);
  return text_box;
}
