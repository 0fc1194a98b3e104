/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/dicenet/gstdicenetcountmeta.h>
#include "gstdicenetmapping.h"
#include "gstdicenetmeta-private.h"
#include "gstdicenetanalytics.h"
#include "gstdicenetregion.h"
#include <math.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_meta_debug);
#define GST_CAT_DEFAULT gst_dicenet_meta_debug

/* --- detections --- */

/* Copies of a meta share a list; it is modified only while it has a single owner. */
typedef struct {
  gatomicrefcount ref;
  GArray *lost; /* GstDicenetLost, immutable; NULL if there are none */
  guint n;
  GstDicenetDetection items[];
} DetectionList;

typedef struct {
  GstDicenetMeta pub; /* first, so that pointers can be cast */
  DetectionList *detections;
  GstBuffer *analytics_mask; /* in the buffer's relation meta; NULL if there is none */
} MetaImpl;

static gpointer
result_copy (gconstpointer result, gpointer user_data)
{
  return gst_dicenet_result_ref ((GstDicenetResult *) result);
}

static GPtrArray *
results_copy (GPtrArray *results)
{
  return results ? g_ptr_array_copy (results, result_copy, NULL) : NULL;
}

static GstDicenetDetection *
detection_copy (GstDicenetDetection *self)
{
  GstDicenetDetection *copy = g_memdup2 (self, sizeof *self);

  copy->_results = results_copy (self->_results);
  return copy;
}

static void
detection_free (GstDicenetDetection *self)
{
  g_clear_pointer ((GPtrArray **) &self->_results, g_ptr_array_unref);
  g_free (self);
}

G_DEFINE_BOXED_TYPE (GstDicenetDetection, gst_dicenet_detection, detection_copy, detection_free)

static DetectionList *
detection_list_alloc (guint n)
{
  DetectionList *self = g_malloc (sizeof *self + n * sizeof *self->items);

  g_atomic_ref_count_init (&self->ref);
  self->lost = NULL;
  self->n = 0;
  return self;
}

static void
detection_list_append (DetectionList *self, const GstDicenetDetection *d)
{
  GstDicenetDetection *copy = &self->items[self->n++];

  *copy = *d;
  copy->_results = results_copy (d->_results);
}

static DetectionList *
detection_list_ref (DetectionList *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
detection_list_unref (DetectionList *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint i = 0; i < self->n; i++)
    g_clear_pointer ((GPtrArray **) &self->items[i]._results, g_ptr_array_unref);
  g_clear_pointer (&self->lost, g_array_unref);
  g_free (self);
}

static DetectionList *
detections_of (const GstDicenetMeta *meta)
{
  return ((const MetaImpl *) meta)->detections;
}

static GstDicenetDetection *
writable_detection (GstDicenetMeta *meta, guint index)
{
  MetaImpl *impl = (MetaImpl *) meta;
  DetectionList *list = impl->detections;

  if (!g_atomic_ref_count_compare (&list->ref, 1)) {
    DetectionList *own = detection_list_alloc (list->n);
    for (guint i = 0; i < list->n; i++)
      detection_list_append (own, &list->items[i]);
    own->lost = list->lost ? g_array_ref (list->lost) : NULL;
    impl->detections = own;
    detection_list_unref (list);
  }
  return &impl->detections->items[index];
}

void
gst_dicenet_meta_set_track_id (GstDicenetMeta *self, guint index, guint64 track_id)
{
  g_return_if_fail (index < gst_dicenet_meta_get_n_detections (self));

  writable_detection (self, index)->track_id = track_id;
}

void
gst_dicenet_meta_move_detection (GstDicenetMeta *self, guint index, gdouble x, gdouble y, gdouble w, gdouble h)
{
  GstDicenetDetection *d = writable_detection (self, index);

  d->x = x;
  d->y = y;
  d->w = w;
  d->h = h;
}

void
gst_dicenet_meta_add_detection_result (GstDicenetMeta *self, guint index, GstDicenetResult *result)
{
  g_return_if_fail (index < gst_dicenet_meta_get_n_detections (self));
  g_return_if_fail (gst_dicenet_result_is_complete (result));

  GstDicenetDetection *d = writable_detection (self, index);
  if (!d->_results)
    d->_results = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_result_unref);
  g_ptr_array_add (d->_results, gst_dicenet_result_ref (result));
}

guint
gst_dicenet_detection_get_n_results (const GstDicenetDetection *self)
{
  g_return_val_if_fail (self, 0);

  return self->_results ? ((GPtrArray *) self->_results)->len : 0;
}

GstDicenetResult *
gst_dicenet_detection_get_result (const GstDicenetDetection *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_detection_get_n_results (self), NULL);

  return g_ptr_array_index ((GPtrArray *) self->_results, index);
}

/* --- masks --- */

static guint8
outside_label (const GstDicenetResult *result)
{
  return result->background >= 0 ? result->background : GST_DICENET_MASK_NONE;
}

/* Column (or row), of @n in a mask, at position @at (0 to 1 within the mask); -1 outside of the mask. */
static gint
mask_index (gdouble at, guint n)
{
  gdouble i = floor (at * n);

  return i >= 0 && i < n ? (gint) i : -1;
}

/* Number of columns of a frame that are read at once; their indices in the mask are on the stack. */
#define CHUNK 1024

static void
read_row (const guint8 *src, guint8 outside, const gint *columns, guint width, guint8 *dest)
{
  for (guint x = 0; x < width; x++)
    dest[x] = columns[x] < 0 ? outside : src[columns[x]];
}

/* Reads @n columns from @first, of the frame's @width. */
static void
read_columns (const GstDicenetMeta *self, guint8 *mask, guint first, guint n, guint width, guint height, gsize stride)
{
  const GstDicenetResult *result = self->result;
  const guint8 *src = g_bytes_get_data (result->mask, NULL);
  guint8 outside = outside_label (result);
  gint columns[CHUNK], last = -1;

  for (guint x = 0; x < n; x++)
    columns[x] = mask_index (self->view_x + self->view_w * (first + x + 0.5) / width, result->mask_width);
  for (guint y = 0; y < height; y++) {
    guint8 *dest = mask + y * stride + first;
    gint row = mask_index (self->view_y + self->view_h * (y + 0.5) / height, result->mask_height);
    if (row < 0)
      memset (dest, outside, n);
    else if (row == last)
      memcpy (dest, dest - stride, n);
    else
      read_row (src + (gsize) row * result->mask_width, outside, columns, n, dest);
    last = row;
  }
}

void
gst_dicenet_meta_read_mask (const GstDicenetMeta *self, guint8 *mask, guint width, guint height, gsize stride)
{
  g_return_if_fail (self && self->result && self->result->mask);
  g_return_if_fail (mask && stride >= width);

  for (guint first = 0; first < width; first += CHUNK)
    read_columns (self, mask, first, MIN (CHUNK, width - first), width, height, stride);
}

GBytes *
gst_dicenet_meta_get_mask (const GstDicenetMeta *self, guint width, guint height)
{
  g_return_val_if_fail (self && self->result, NULL);

  if (!self->result->mask)
    return NULL;
  if (width == 0)
    width = self->frame_width;
  if (height == 0)
    height = self->frame_height;
  guint8 *mask = g_try_malloc ((gsize) width * height);
  if (!mask)
    return NULL;
  gst_dicenet_meta_read_mask (self, mask, width, height, width);
  return g_bytes_new_take (mask, (gsize) width * height);
}

/* Repeated scaling can make a view arbitrarily large. */
static gint
to_int (gdouble value)
{
  return (gint) CLAMP (value, -G_MAXINT / 4, G_MAXINT / 4);
}

/* Range of columns (or rows) with centres in the view, including those outside of the mask; at least one. */
static void
view_range (gdouble start, gdouble size, guint n, gint *from, gint *to)
{
  *from = to_int (ceil (start * n - 0.5));
  *to = to_int (ceil ((start + size) * n - 0.5));
  if (*to <= *from) {
    *from = to_int (floor ((start + size / 2) * n));
    *to = *from + 1;
  }
}

void
gst_dicenet_meta_get_shares (const GstDicenetMeta *self, gdouble shares[256])
{
  guint64 counts[256] = { 0 };
  gint x0, x1, y0, y1;

  g_return_if_fail (self && self->result && self->result->mask);

  const GstDicenetResult *result = self->result;
  const guint8 *mask = g_bytes_get_data (result->mask, NULL);
  gint w = result->mask_width, h = result->mask_height;
  view_range (self->view_x, self->view_w, w, &x0, &x1);
  view_range (self->view_y, self->view_h, h, &y0, &y1);
  gdouble total = ((gdouble) x1 - x0) * ((gdouble) y1 - y0);

  for (gint y = MAX (y0, 0); y < MIN (y1, h); y++) {
    for (gint x = MAX (x0, 0); x < MIN (x1, w); x++)
      counts[mask[(gsize) y * w + x]]++;
  }
  /* Of a region around an object, the part on the frame; there may be none after a crop. */
  if (self->parent_id >= 0)
    total = MAX ((gdouble) MAX (MIN (x1, w) - MAX (x0, 0), 0) * MAX (MIN (y1, h) - MAX (y0, 0), 0), 1);
  for (guint i = 0; i < 256; i++)
    shares[i] = counts[i] / total;
}

gdouble *
gst_dicenet_meta_dup_shares (const GstDicenetMeta *self, guint *n_shares)
{
  gdouble *shares = g_new0 (gdouble, 256);

  *n_shares = 256;
  gst_dicenet_meta_get_shares (self, shares);
  return shares;
}

/* --- the meta --- */

GType
gst_dicenet_meta_api_get_type (void)
{
  static GType type = 0;
  static const gchar *tags[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR,
                                 GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, gst_meta_api_type_register ("GstDicenetMetaAPI", tags));
  return type;
}

static gboolean
gst_dicenet_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstDicenetMeta *self = (GstDicenetMeta *) meta;

  self->result = NULL;
  self->frame_width = self->frame_height = 0;
  ((MetaImpl *) self)->detections = NULL;
  ((MetaImpl *) self)->analytics_mask = NULL;
  self->view_x = self->view_y = 0;
  self->view_w = self->view_h = 1;
  self->age = 0;
  self->age_time = 0;
  self->source_pts = GST_CLOCK_TIME_NONE;
  self->parent_id = -1;
  return TRUE;
}

static void
gst_dicenet_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstDicenetMeta *self = (GstDicenetMeta *) meta;

  g_clear_pointer (&self->result, gst_dicenet_result_unref);
  g_clear_pointer (&((MetaImpl *) self)->detections, detection_list_unref);
  gst_clear_buffer (&((MetaImpl *) self)->analytics_mask);
}

static GstDicenetMeta *
add_meta (GstBuffer *buffer, GstDicenetResult *result, guint width, guint height)
{
  GstDicenetMeta *self = (GstDicenetMeta *) gst_buffer_add_meta (buffer, GST_DICENET_META_INFO, NULL);

  self->result = gst_dicenet_result_ref (result);
  self->frame_width = width;
  self->frame_height = height;
  return self;
}

static void
copy_age (GstDicenetMeta *to, const GstDicenetMeta *from)
{
  to->age = from->age;
  to->age_time = from->age_time;
  to->source_pts = from->source_pts;
}

static void
copy_meta (GstBuffer *dest, const GstDicenetMeta *self)
{
  GstDicenetMeta *copy = add_meta (dest, self->result, self->frame_width, self->frame_height);

  /* A list with several owners is never modified, so copies can share it. */
  DetectionList *detections = detections_of (self);
  ((MetaImpl *) copy)->detections = detections ? detection_list_ref (detections) : NULL;
  copy->view_x = self->view_x;
  copy->view_y = self->view_y;
  copy->view_w = self->view_w;
  copy->view_h = self->view_h;
  copy_age (copy, self);
  copy->parent_id = self->parent_id;
  gst_dicenet_meta_set_analytics_mask (copy, gst_dicenet_meta_get_analytics_mask (self));
}

/* Returns FALSE if nothing of @d lies in @content, after the mapping if @m is not NULL. */
static gboolean
map_detection (GstDicenetDetection *d, const GstDicenetMapping *m, GstDicenetRect content)
{
  GstDicenetRect r = { d->x, d->y, d->x + d->w, d->y + d->h };

  if (isnan (r.x0) || isnan (r.y0) || isnan (r.x1) || isnan (r.y1)) /* MIN and MAX would hide it */
    return FALSE;
  r = gst_dicenet_rect_intersect (m ? gst_dicenet_mapping_apply (m, r) : r, content);
  d->x = r.x0;
  d->y = r.y0;
  d->w = r.x1 - r.x0;
  d->h = r.y1 - r.y0;
  return r.x1 > r.x0 && r.y1 > r.y0;
}

static DetectionList *
clip_detections (const GstDicenetDetection *detections, guint n, guint width, guint height)
{
  DetectionList *clipped = detection_list_alloc (n);

  for (guint i = 0; i < n; i++) {
    GstDicenetDetection d = detections[i];
    d._od = NULL; /* of another buffer */
    if (map_detection (&d, NULL, (GstDicenetRect){ 0, 0, width, height }))
      detection_list_append (clipped, &d);
  }
  return clipped;
}

static DetectionList *
map_detections (const DetectionList *from, const GstDicenetMapping *m)
{
  DetectionList *mapped = detection_list_alloc (from->n);
  GArray *lost = g_array_new (FALSE, FALSE, sizeof (GstDicenetLost));

  if (from->lost)
    g_array_append_vals (lost, from->lost->data, from->lost->len);
  for (guint i = 0; i < from->n; i++) {
    GstDicenetDetection d = from->items[i];
    const GstDicenetLost id = { d.id, d.label_id, d.confidence, gst_dicenet_detection_get_od (&d) };
    if (map_detection (&d, m, m->content))
      detection_list_append (mapped, &d);
    else
      g_array_append_val (lost, id);
  }
  if (lost->len > 0)
    mapped->lost = lost;
  else
    g_array_unref (lost);
  return mapped;
}

/* Whether the content of the output frame is all of the input frame that falls into it. If so, another view of the same
 * mask describes the output frame. A flip, or a crop followed by borders, requires a new mask. */
static gboolean
view_is_enough (const GstDicenetMapping *m, const GstDicenetMeta *self)
{
  GstDicenetRect all = gst_dicenet_mapping_apply (m, (GstDicenetRect){ 0, 0, self->frame_width, self->frame_height });

  all = gst_dicenet_rect_intersect (all, (GstDicenetRect){ 0, 0, m->width, m->height });
  return m->xx > 0 && m->yy > 0 && fabs (all.x0 - m->content.x0) < 0.5 && fabs (all.y0 - m->content.y0) < 0.5 &&
         fabs (all.x1 - m->content.x1) < 0.5 && fabs (all.y1 - m->content.y1) < 0.5;
}

static void
map_view (GstDicenetMeta *to, const GstDicenetMeta *from, const GstDicenetMapping *m)
{
  gdouble unit_x = from->view_w / from->frame_width, unit_y = from->view_h / from->frame_height;

  to->view_x = from->view_x - m->x0 / m->xx * unit_x;
  to->view_y = from->view_y - m->y0 / m->yy * unit_y;
  to->view_w = m->width / m->xx * unit_x;
  to->view_h = m->height / m->yy * unit_y;
}

/* Mask pixels for the output frame, at the resolution of the old mask, so that no detail is lost. */
static guint
mapped_size (guint frame_out, gdouble factor, gdouble mask_per_pixel)
{
  return (guint) round (CLAMP (frame_out / fabs (factor) * mask_per_pixel, 1, 8192));
}

static GBytes *
map_mask (const GstDicenetMeta *from, const GstDicenetMapping *m, guint width, guint height)
{
  const GstDicenetResult *result = from->result;
  const guint8 *src = g_bytes_get_data (result->mask, NULL);
  guint8 outside = outside_label (result);
  guint8 *mask = g_try_malloc ((gsize) width * height);

  if (!mask)
    return NULL;
  for (guint j = 0; j < height; j++) {
    for (guint i = 0; i < width; i++) {
      gdouble x = (i + 0.5) / width * m->width, y = (j + 0.5) / height * m->height, in_x, in_y;
      gboolean shown = x >= m->content.x0 && x < m->content.x1 && y >= m->content.y0 && y < m->content.y1;
      gst_dicenet_mapping_invert (m, x, y, &in_x, &in_y);
      gint column = mask_index (from->view_x + from->view_w * in_x / from->frame_width, result->mask_width);
      gint row = mask_index (from->view_y + from->view_h * in_y / from->frame_height, result->mask_height);
      mask[(gsize) j * width + i] =
          shown && column >= 0 && row >= 0 ? src[(gsize) row * result->mask_width + column] : outside;
    }
  }
  return g_bytes_new_take (mask, (gsize) width * height);
}

/* Limits the size of the mask for a frame that extends far beyond the old mask: the area outside needs no
 * resolution. */
static void
bound_mask (GstDicenetResult *result, const GstDicenetResult *old)
{
  gdouble pixels = (gdouble) result->mask_width * result->mask_height;
  gdouble most = MAX (1 << 20, 4.0 * old->mask_width * old->mask_height);

  if (pixels <= most)
    return;
  gdouble factor = sqrt (most / pixels);
  result->mask_width = MAX (1, (guint) (result->mask_width * factor));
  result->mask_height = MAX (1, (guint) (result->mask_height * factor));
}

static GstDicenetResult *
map_result (const GstDicenetMeta *from, const GstDicenetMapping *m)
{
  const GstDicenetResult *old = from->result;
  GstDicenetResult *result =
      gst_dicenet_result_new (old->task, old->model, (const gchar *const *) old->labels, old->background);
  gdouble per_x = from->view_w * old->mask_width / from->frame_width;
  gdouble per_y = from->view_h * old->mask_height / from->frame_height;
  gboolean turned = m->xx == 0;

  result->mask_width = mapped_size (m->width, turned ? m->xy : m->xx, turned ? per_y : per_x);
  result->mask_height = mapped_size (m->height, turned ? m->yx : m->yy, turned ? per_x : per_y);
  bound_mask (result, old);
  result->mask = map_mask (from, m, result->mask_width, result->mask_height);
  if (!result->mask)
    g_clear_pointer (&result, gst_dicenet_result_unref);
  return result;
}

/* Returns FALSE if there is not enough memory for a new mask. */
static gboolean
map_meta (GstBuffer *dest, const GstDicenetMeta *self, GstBuffer *buffer, const GstDicenetMapping *m)
{
  const gboolean keeps_mask = !self->result->mask || view_is_enough (m, self);
  GstDicenetResult *result = keeps_mask ? gst_dicenet_result_ref (self->result) : map_result (self, m);

  if (!result)
    return FALSE;
  GstDicenetMeta *mapped = add_meta (dest, result, m->width, m->height);
  gst_dicenet_result_unref (result);
  copy_age (mapped, self);
  mapped->parent_id = self->parent_id;
  DetectionList *detections = detections_of (self);
  if (detections)
    ((MetaImpl *) mapped)->detections = map_detections (detections, m);
  if (self->result->mask && keeps_mask)
    map_view (mapped, self, m);
  gst_dicenet_meta_set_analytics_mask (mapped, gst_dicenet_meta_get_analytics_mask (self));
  gst_dicenet_analytics_follow (dest, mapped, buffer);
  return TRUE;
}

static gboolean
gst_dicenet_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer, GQuark type, gpointer data)
{
  const GstDicenetMeta *self = (const GstDicenetMeta *) meta;
  GstDicenetMapping m;

  if (GST_META_TRANSFORM_IS_COPY (type)) {
    /* A part of the memory is not the picture that the result describes. */
    if (gst_dicenet_copy_is_whole (data, buffer))
      copy_meta (dest, self);
    return TRUE;
  }
  if (gst_dicenet_mapping_init (&m, type, data) && map_meta (dest, self, buffer, &m))
    return TRUE;
  GST_DEBUG ("results of %s are dropped: they can't follow a picture through %s", self->result->model,
             g_quark_to_string (type));
  return FALSE;
}

static const GstMetaInfo *
register_meta (void)
{
  GST_DEBUG_CATEGORY_INIT (gst_dicenet_meta_debug, "dicenetmeta", 0, "DiCENet results on buffers");
#if GST_CHECK_VERSION(1, 24, 0)
  GstMetaInfo *info =
      (GstMetaInfo *) gst_meta_info_new (GST_DICENET_META_API_TYPE, "GstDicenetMeta", sizeof (MetaImpl));

  info->init_func = gst_dicenet_meta_init;
  info->free_func = gst_dicenet_meta_free;
  info->transform_func = gst_dicenet_meta_transform;
  info->serialize_func = gst_dicenet_meta_serialize;
  info->deserialize_func = gst_dicenet_meta_deserialize;
  return gst_meta_info_register (info);
#else
  return gst_meta_register (GST_DICENET_META_API_TYPE, "GstDicenetMeta", sizeof (MetaImpl), gst_dicenet_meta_init,
                            gst_dicenet_meta_free, gst_dicenet_meta_transform);
#endif
}

const GstMetaInfo *
gst_dicenet_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) &info))
    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) register_meta ());
  return info;
}

/* Of a detection, or of a region: the latter are not passed to other processes. */
static gint
next_id (GstBuffer *buffer)
{
  const GstVideoRegionOfInterestMeta *region;
  gpointer state = NULL;
  gint id = 0;

  while ((region = gst_dicenet_region_iterate (buffer, &state)))
    id = MAX (id, region->id);
  state = NULL;
  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++)
      id = MAX (id, detections_of (meta)->items[i].id);
  }
  return id < G_MAXINT ? id + 1 : 1;
}

GstDicenetMeta *
gst_buffer_add_dicenet_meta (GstBuffer *buffer, GstDicenetResult *result, guint frame_width, guint frame_height,
                             GArray *detections, guint age)
{
  GstDicenetMeta *self = gst_buffer_add_dicenet_meta_from_array (
      buffer, result, frame_width, frame_height, detections ? (const GstDicenetDetection *) detections->data : NULL,
      detections ? detections->len : 0, age);

  g_clear_pointer (&detections, g_array_unref);
  return self;
}

/* The view of a mask that covers a part of the frame. */
static void
show_region (GstDicenetMeta *self, const GstVideoRectangle *region)
{
  self->view_x = (gdouble) -region->x / region->w;
  self->view_y = (gdouble) -region->y / region->h;
  self->view_w = (gdouble) self->frame_width / region->w;
  self->view_h = (gdouble) self->frame_height / region->h;
}

/* @region is NULL for the whole frame. */
static GstDicenetMeta *
buffer_add_dicenet_meta (GstBuffer *buffer, GstDicenetResult *result, guint frame_width, guint frame_height,
                         const GstVideoRectangle *region, gint parent_id, const GstDicenetDetection *detections,
                         guint n_detections, guint age)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer) && gst_buffer_is_writable (buffer), NULL);
  g_return_val_if_fail (gst_dicenet_result_is_complete (result), NULL);
  g_return_val_if_fail (frame_width > 0 && frame_height > 0, NULL);
  g_return_val_if_fail (!result->mask ||
                            (result->mask_width > 0 && result->mask_height > 0 &&
                             g_bytes_get_size (result->mask) >= (gsize) result->mask_width * result->mask_height),
                        NULL);

  gst_dicenet_analytics_prepare (buffer, result, n_detections);
  GstDicenetMeta *self = add_meta (buffer, result, frame_width, frame_height);
  self->age = age;
  self->age_time = age > 0 ? GST_CLOCK_TIME_NONE : 0;
  self->source_pts = age > 0 ? GST_CLOCK_TIME_NONE : GST_BUFFER_PTS (buffer);
  self->parent_id = parent_id;
  if (region && result->mask)
    show_region (self, region);
  if (result->task == GST_DICENET_TASK_DETECT) {
    DetectionList *list = clip_detections (detections, n_detections, frame_width, frame_height);
    gint id = next_id (buffer);
    for (guint i = 0; i < list->n; i++) {
      list->items[i].id = id < G_MAXINT ? id++ : id;
      gst_dicenet_region_add (buffer, self, &list->items[i]);
    }
    ((MetaImpl *) self)->detections = list;
  }
  gst_dicenet_analytics_attach (buffer, self);
  return self;
}

GstDicenetMeta *
gst_buffer_add_dicenet_meta_from_array (GstBuffer *buffer, GstDicenetResult *result, guint frame_width,
                                        guint frame_height, const GstDicenetDetection *detections, guint n_detections,
                                        guint age)
{
  return buffer_add_dicenet_meta (buffer, result, frame_width, frame_height, NULL, -1, detections, n_detections, age);
}

GstDicenetMeta *
gst_buffer_add_dicenet_meta_in_region (GstBuffer *buffer, GstDicenetResult *result, guint frame_width,
                                       guint frame_height, const GstVideoRectangle *region, gint parent_id,
                                       GArray *detections, guint age)
{
  g_return_val_if_fail (region && region->w > 0 && region->h > 0 && parent_id >= 0, NULL);

  GstDicenetMeta *self = buffer_add_dicenet_meta (buffer, result, frame_width, frame_height, region, parent_id,
                                                  detections ? (const GstDicenetDetection *) detections->data : NULL,
                                                  detections ? detections->len : 0, age);
  g_clear_pointer (&detections, g_array_unref);
  return self;
}

GstDicenetMeta *
gst_dicenet_meta_restore (GstBuffer *buffer, GstDicenetResult *result, guint frame_width, guint frame_height,
                          const GstDicenetDetection *detections, guint n_detections)
{
  GstDicenetMeta *self = add_meta (buffer, result, frame_width, frame_height);

  if (result->task == GST_DICENET_TASK_DETECT)
    ((MetaImpl *) self)->detections = clip_detections (detections, n_detections, frame_width, frame_height);
  return self;
}

GstDicenetMeta *
gst_buffer_iterate_dicenet_meta (GstBuffer *buffer, gpointer *state)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer) && state, NULL);

  return (GstDicenetMeta *) gst_buffer_iterate_meta_filtered (buffer, state, GST_DICENET_META_API_TYPE);
}

GPtrArray *
gst_buffer_get_dicenet_metas (GstBuffer *buffer)
{
  GPtrArray *metas = g_ptr_array_new ();
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));)
    g_ptr_array_add (metas, meta);
  return metas;
}

GstDicenetMeta *
gst_buffer_get_dicenet_meta (GstBuffer *buffer, GstDicenetTask task)
{
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    if (meta->result->task == task)
      return meta;
  }
  return NULL;
}

GstBuffer *
gst_buffer_apply_crop_to_dicenet_meta (GstBuffer *buffer)
{
  gpointer state = NULL;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  if (!crop)
    return gst_buffer_ref (buffer);
  GstBuffer *cropped = gst_buffer_new ();
  for (GstMeta *meta; (meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_DICENET_META_API_TYPE));)
    gst_dicenet_meta_transform (cropped, meta, buffer, gst_dicenet_crop_quark (), crop);
  state = NULL;
  for (GstDicenetCountMeta *meta; (meta = gst_buffer_iterate_dicenet_count_meta (buffer, &state));)
    meta->meta.info->transform_func (cropped, &meta->meta, buffer, gst_dicenet_crop_quark (), crop);
  return cropped;
}

guint
gst_dicenet_meta_get_n_detections (const GstDicenetMeta *self)
{
  g_return_val_if_fail (self && self->result, 0);

  return detections_of (self) ? detections_of (self)->n : 0;
}

const GstDicenetDetection *
gst_dicenet_meta_get_detection (const GstDicenetMeta *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_meta_get_n_detections (self), NULL);

  return &detections_of (self)->items[index];
}

const GArray *
gst_dicenet_meta_get_lost (const GstDicenetMeta *self)
{
  return detections_of (self) ? detections_of (self)->lost : NULL;
}

void
gst_dicenet_meta_forget_lost_ods (GstDicenetMeta *self)
{
  GArray *lost = detections_of (self) ? detections_of (self)->lost : NULL;

  for (guint i = 0; lost && i < lost->len; i++)
    g_array_index (lost, GstDicenetLost, i).od = GST_DICENET_OD_NONE;
}

void
gst_dicenet_meta_set_od (GstDicenetMeta *self, guint index, guint od)
{
  writable_detection (self, index)->_od = GUINT_TO_POINTER (od + 1);
}

GstBuffer *
gst_dicenet_meta_get_analytics_mask (const GstDicenetMeta *self)
{
  return ((const MetaImpl *) self)->analytics_mask;
}

void
gst_dicenet_meta_set_analytics_mask (GstDicenetMeta *self, GstBuffer *mask)
{
  gst_buffer_replace (&((MetaImpl *) self)->analytics_mask, mask);
}
