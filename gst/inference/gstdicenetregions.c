/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetregions.h"
#include "video/gstdicenetbox.h"

#include <math.h>
#include <string.h>

/* About 10 seconds: trackers themselves give up earlier. */
#define FORGET_AFTER 300

/* Two boxes that overlap by more than this (intersection over union) are the same object. */
#define SAME_OBJECT 0.5

/* Trackers number objects after some frames, and doubtful ones never. If none of the objects on as many frames ever had
 * a number, there is no tracker. */
#define UNTRACKED_FRAMES 30

/* --- settings --- */

GType
gst_dicenet_inference_region_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_DICENET_INFERENCE_REGION_FULL_FRAME, "The whole frame", "full-frame" },
    { GST_DICENET_INFERENCE_REGION_OBJECTS, "Each object that an element before this one detected", "objects" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstDicenetInferenceRegion", values));
  return type;
}

void
gst_dicenet_region_settings_init (GstDicenetRegionSettings *self)
{
  *self = (GstDicenetRegionSettings){ .max_objects = 100, .reclassify_interval = 1 };
}

void
gst_dicenet_region_settings_copy (GstDicenetRegionSettings *to, const GstDicenetRegionSettings *from)
{
  *to = *from;
  to->object_class = g_strdupv (from->object_class);
}

void
gst_dicenet_region_settings_clear (GstDicenetRegionSettings *self)
{
  g_clear_pointer (&self->object_class, g_strfreev);
}

/* The labels of a list, without blank entries. */
static gchar **
split (const gchar *text)
{
  gchar **labels = g_strsplit (text, ",", -1);
  gsize n = 0;

  for (gsize i = 0; labels[i]; i++) {
    if (*g_strstrip (labels[i]))
      labels[n++] = labels[i];
    else
      g_free (labels[i]);
  }
  labels[n] = NULL;
  return labels;
}

static gboolean
set_class (GstDicenetRegionSettings *self, const gchar *text, GError **error)
{
  gchar **labels = text && *text ? split (text) : NULL;

  if (labels && !labels[0]) {
    g_strfreev (labels);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "the classes of objects to look at are commas and spaces only, which would exclude all objects: "
                 "expected labels, separated by commas, for example person,car, or an empty text for all classes");
    return FALSE;
  }
  g_strfreev (self->object_class);
  self->object_class = labels;
  return TRUE;
}

gboolean
gst_dicenet_region_settings_set (GstDicenetRegionSettings *self, guint id, const GValue *value, GError **error)
{
  switch (id) {
  case GST_DICENET_REGION_SETTING_INFERENCE_REGION:
    self->inference_region = g_value_get_enum (value);
    break;
  case GST_DICENET_REGION_SETTING_OBJECT_CLASS:
    return set_class (self, g_value_get_string (value), error);
  case GST_DICENET_REGION_SETTING_OBJECT_MIN_SIZE:
    self->object_min_size = g_value_get_uint (value);
    break;
  case GST_DICENET_REGION_SETTING_OBJECT_MARGIN:
    self->object_margin = g_value_get_double (value);
    break;
  case GST_DICENET_REGION_SETTING_MAX_OBJECTS:
    self->max_objects = g_value_get_uint (value);
    break;
  case GST_DICENET_REGION_SETTING_RECLASSIFY_INTERVAL:
    self->reclassify_interval = g_value_get_uint (value);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

gboolean
gst_dicenet_region_settings_get (const GstDicenetRegionSettings *self, guint id, GValue *value)
{
  switch (id) {
  case GST_DICENET_REGION_SETTING_INFERENCE_REGION:
    g_value_set_enum (value, self->inference_region);
    break;
  case GST_DICENET_REGION_SETTING_OBJECT_CLASS:
    g_value_take_string (value, self->object_class ? g_strjoinv (",", self->object_class) : NULL);
    break;
  case GST_DICENET_REGION_SETTING_OBJECT_MIN_SIZE:
    g_value_set_uint (value, self->object_min_size);
    break;
  case GST_DICENET_REGION_SETTING_OBJECT_MARGIN:
    g_value_set_double (value, self->object_margin);
    break;
  case GST_DICENET_REGION_SETTING_MAX_OBJECTS:
    g_value_set_uint (value, self->max_objects);
    break;
  case GST_DICENET_REGION_SETTING_RECLASSIFY_INTERVAL:
    g_value_set_uint (value, self->reclassify_interval);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

void
gst_dicenet_region_settings_install (GObjectClass *klass)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (
      klass, GST_DICENET_REGION_SETTING_INFERENCE_REGION,
      g_param_spec_enum ("inference-region", "Inference region",
                         "What the model runs on: the frame, or each object that an element before this one detected",
                         GST_TYPE_DICENET_INFERENCE_REGION, GST_DICENET_INFERENCE_REGION_FULL_FRAME, ready));
  g_object_class_install_property (
      klass, GST_DICENET_REGION_SETTING_OBJECT_CLASS,
      g_param_spec_string ("object-class", "Object class",
                           "inference-region=objects: comma-separated labels of the objects to look at; empty for all",
                           NULL, playing));
  g_object_class_install_property (
      klass, GST_DICENET_REGION_SETTING_OBJECT_MIN_SIZE,
      g_param_spec_uint ("object-min-size", "Minimum size of objects",
                         "inference-region=objects: minimum of the smaller side of an object in pixels", 0, 32767, 0,
                         playing));
  g_object_class_install_property (
      klass, GST_DICENET_REGION_SETTING_OBJECT_MARGIN,
      g_param_spec_double ("object-margin", "Margin around objects",
                           "inference-region=objects: what the model sees around an object, on each side, as a "
                           "fraction of the object's width or height",
                           0, 10, 0, playing));
  g_object_class_install_property (
      klass, GST_DICENET_REGION_SETTING_MAX_OBJECTS,
      g_param_spec_uint ("max-objects", "Maximum objects",
                         "inference-region=objects: maximum number of objects per frame to run the model on: new ones "
                         "first, then those whose result is oldest, then the most confident",
                         1, GST_DICENET_MAX_REGIONS, 100, playing));
}

/* --- regions --- */

static gboolean
is_wanted (const GstDicenetRegionSettings *settings, const gchar *label)
{
  if (!settings->object_class)
    return TRUE;
  for (gsize i = 0; settings->object_class[i]; i++) {
    if (label && g_ascii_strcasecmp (settings->object_class[i], label) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Clips an edge pair to the frame; FALSE if nothing is left. Others' objects may be anywhere. */
static gboolean
clip (gdouble *from, gdouble *to, gdouble limit)
{
  *from = MAX (*from, 0);
  *to = MIN (*to, limit);
  return *to > *from;
}

/* In whole pixels, at least one. */
static void
pad (gdouble from, gdouble to, gdouble margin, gint limit, gint *at, gint *size)
{
  const gdouble more = margin * (to - from);

  *at = (gint) CLAMP (round (from - more), 0, limit - 1);
  *size = (gint) CLAMP (round (to + more), *at + 1, limit) - *at;
}

static gboolean
place (const GstDicenetObject *object, const GstVideoInfo *info, const GstDicenetRegionSettings *settings,
       GstVideoRectangle *area)
{
  gdouble x0 = object->x, x1 = object->x + object->w, y0 = object->y, y1 = object->y + object->h;

  if (isnan (x0) || isnan (x1) || isnan (y0) || isnan (y1) || !clip (&x0, &x1, GST_VIDEO_INFO_WIDTH (info)) ||
      !clip (&y0, &y1, GST_VIDEO_INFO_HEIGHT (info)) || MIN (x1 - x0, y1 - y0) < settings->object_min_size)
    return FALSE;
  pad (x0, x1, settings->object_margin, GST_VIDEO_INFO_WIDTH (info), &area->x, &area->w);
  pad (y0, y1, settings->object_margin, GST_VIDEO_INFO_HEIGHT (info), &area->y, &area->h);
  return TRUE;
}

static void
clear_result (GstDicenetRegion *self)
{
  g_clear_pointer (&self->result, gst_dicenet_result_unref);
  g_clear_pointer (&self->detections, g_array_unref);
  self->age = 0;
}

static void
region_clear (gpointer data)
{
  clear_result (data);
}

static gint
by_confidence (gconstpointer a, gconstpointer b)
{
  const GstDicenetRegion *first = a, *second = b;

  return first->object.confidence > second->object.confidence   ? -1
         : first->object.confidence < second->object.confidence ? 1
                                                                : 0;
}

GArray *
gst_dicenet_regions_find (GstBuffer *buffer, const GstVideoInfo *info, const GstDicenetRegionSettings *settings)
{
  GArray *objects = gst_buffer_get_dicenet_objects (buffer);
  GArray *regions = g_array_new (FALSE, TRUE, sizeof (GstDicenetRegion));

  g_array_set_clear_func (regions, region_clear);
  for (guint i = 0; i < objects->len; i++) {
    GstDicenetRegion region = { .object = g_array_index (objects, GstDicenetObject, i), .is_due = TRUE };
    if (is_wanted (settings, region.object.label) && place (&region.object, info, settings, &region.area))
      g_array_append_val (regions, region);
  }
  g_array_unref (objects);
  g_array_sort (regions, by_confidence);
  if (regions->len > GST_DICENET_MAX_REGIONS)
    g_array_set_size (regions, GST_DICENET_MAX_REGIONS);
  return regions;
}

/* --- inference --- */

typedef struct {
  DicenetSubmission *submission;
  GstDicenetRegion *region;
} Look;

typedef struct {
  const GstDicenetEngine *engine;
  const GstVideoInfo *info;
  DicenetRequest *request;
  GstDicenetPicture picture;
  guint depth; /* submissions at a time */
  Look looks[DICENET_MAX_SUBMISSIONS];
  guint n_looks, next;
  GstDicenetRegionRead read;
  gpointer user;
} Run;

/* Waits for the oldest submission. */
static gboolean
collect (Run *run, GError **error)
{
  Look *look = &run->looks[run->next];

  run->next = (run->next + 1) % G_N_ELEMENTS (run->looks);
  run->n_looks--;
  g_autoptr (DicenetResult) found = dicenet_submission_wait (look->submission, error);
  g_clear_pointer (&look->submission, dicenet_submission_unref);
  if (!found)
    return FALSE;
  clear_result (look->region);
  run->read (run->user, found, look->region);
  return TRUE;
}

static gboolean
submit (Run *run, GstDicenetRegion *region, GError **error)
{
  const GstVideoRectangle *area = &region->area;
  Look *look = &run->looks[(run->next + run->n_looks) % G_N_ELEMENTS (run->looks)];
  guint width, height;

  gst_dicenet_engine_choose_region_size (run->engine, run->info, area, &width, &height);
  dicenet_request_set_size (run->request, width, height);
  dicenet_request_set_rectangle (run->request, (guint) area->x, (guint) area->y, (guint) area->w, (guint) area->h);
  look->region = region;
  look->submission = dicenet_session_submit_image (gst_dicenet_engine_get_session (run->engine), &run->picture.image,
                                                   run->request, error);
  run->n_looks += look->submission != NULL;
  return look->submission != NULL;
}

static gboolean
infer_one (Run *run, GstDicenetRegion *region, GError **error)
{
  return (run->n_looks < run->depth || collect (run, error)) && submit (run, region, error);
}

static gboolean
collect_all (Run *run, GError **error)
{
  while (run->n_looks > 0) {
    if (!collect (run, error))
      return FALSE;
  }
  return TRUE;
}

/* After an error. */
static void
drop_all (Run *run)
{
  for (; run->n_looks > 0; run->n_looks--) {
    g_clear_pointer (&run->looks[run->next].submission, dicenet_submission_unref);
    run->next = (run->next + 1) % G_N_ELEMENTS (run->looks);
  }
}

static gint
by_need (gconstpointer a, gconstpointer b)
{
  const GstDicenetRegion *first = *(GstDicenetRegion *const *) a, *second = *(GstDicenetRegion *const *) b;

  if (!first->result != !second->result)
    return first->result ? 1 : -1;
  return first->age > second->age ? -1 : first->age < second->age ? 1 : 0;
}

/* Those that need it most first. */
static GPtrArray *
find_due (GArray *regions)
{
  GPtrArray *due = g_ptr_array_new ();

  for (guint i = 0; i < regions->len; i++) {
    GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    if (region->is_due)
      g_ptr_array_add (due, region);
  }
  g_ptr_array_sort (due, by_need);
  return due;
}

gboolean
gst_dicenet_regions_infer (GArray *regions, guint max, const GstDicenetEngine *engine, GstBuffer *buffer,
                           const GstVideoInfo *info, DicenetRequest *request, GstDicenetRegionRead read, gpointer user,
                           guint *n_inferred, GError **error)
{
  /* The CPU computes a submission when it is waited for: a second one would only drive its input from the cache. */
  const gboolean is_gpu = dicenet_session_get_backend (gst_dicenet_engine_get_session (engine)) != DICENET_BACKEND_CPU;
  Run run = { .engine = engine,
              .info = info,
              .request = request,
              .depth = is_gpu ? DICENET_MAX_SUBMISSIONS : 1,
              .read = read,
              .user = user };
  gboolean ok = TRUE;

  *n_inferred = 0;
  g_autoptr (GPtrArray) due = find_due (regions);
  if (due->len == 0)
    return TRUE;
  if (!gst_dicenet_engine_map (engine, &run.picture, buffer, info, error))
    return FALSE;
  for (guint i = 0; ok && i < due->len && *n_inferred < max; i++) {
    ok = infer_one (&run, g_ptr_array_index (due, i), error);
    *n_inferred += ok;
  }
  ok = ok && collect_all (&run, error);
  drop_all (&run);
  gst_video_frame_unmap (&run.picture.frame);
  return ok;
}

/* --- results --- */

/* Timestamps decrease in reverse playback. */
static GstClockTime
time_between (GstClockTime a, GstClockTime b)
{
  if (!GST_CLOCK_TIME_IS_VALID (a) || !GST_CLOCK_TIME_IS_VALID (b))
    return GST_CLOCK_TIME_NONE;
  return a > b ? a - b : b - a;
}

static GstDicenetMeta *
attach_meta (const GstDicenetRegion *region, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDicenetMeta *meta = gst_buffer_add_dicenet_meta_in_region (
      buffer, region->result, (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info), &region->area,
      MAX (region->object.region_id, 0), region->detections ? g_array_copy (region->detections) : NULL, region->age);

  if (region->age > 0) {
    meta->source_pts = region->source_pts;
    meta->age_time = time_between (region->source_pts, GST_BUFFER_PTS (buffer));
  }
  return meta;
}

void
gst_dicenet_regions_attach (GArray *regions, GstBuffer *buffer, const GstVideoInfo *info)
{
  for (guint i = 0; i < regions->len; i++) {
    GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    if (!region->result)
      continue;
    if (!region->result->mask && !region->detections)
      gst_buffer_add_dicenet_object_result (buffer, &region->object, region->result);
    else
      region->meta = attach_meta (region, buffer, info);
  }
}

static gboolean
is_drawn (const GstDicenetMeta *meta, const GArray *regions)
{
  for (guint i = 0; i < regions->len; i++) {
    const GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    if (region->result && (region->meta ? region->meta == meta : region->object._meta == meta))
      return TRUE;
  }
  return FALSE;
}

GPtrArray *
gst_dicenet_regions_get_metas (const GArray *regions, GstBuffer *buffer)
{
  GPtrArray *metas = g_ptr_array_new ();
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    if (is_drawn (meta, regions))
      g_ptr_array_add (metas, meta);
  }
  return metas;
}

/* --- results of earlier frames --- */

/* An object that the model looked at. */
typedef struct {
  gchar *label;
  GstDicenetBox box;
  GstVideoRectangle area;
  GstDicenetResult *result;
  GArray *detections;
  guint64 inferred, seen; /* numbers of frames */
  GstClockTime source_pts;
} Known;

struct _GstDicenetLooks {
  guint64 frame; /* number of this frame, from 1 */
  guint64 last;  /* the last frame that was to be inferred; 0 if there is none */
  GHashTable *tracks;
  GPtrArray *others;   /* objects without a track id */
  gboolean is_tracked; /* whether any object had a track id */
  guint n_untracked;   /* frames with objects while none had */
};

static void
known_free (gpointer data)
{
  Known *self = data;

  g_free (self->label);
  gst_dicenet_result_unref (self->result);
  g_clear_pointer (&self->detections, g_array_unref);
  g_free (self);
}

static Known *
known_new (const GstDicenetRegion *region, guint64 frame, GstClockTime pts)
{
  const GstDicenetObject *object = &region->object;
  Known *self = g_new (Known, 1);

  *self = (Known){ .label = g_strdup (object->label),
                   .box = { object->x, object->y, object->w, object->h },
                   .area = region->area,
                   .result = gst_dicenet_result_ref (region->result),
                   .detections = region->detections ? g_array_ref (region->detections) : NULL,
                   .inferred = frame - region->age,
                   .seen = frame,
                   .source_pts = region->age > 0 ? region->source_pts : pts };
  return self;
}

GstDicenetLooks *
gst_dicenet_looks_new (void)
{
  GstDicenetLooks *self = g_new0 (GstDicenetLooks, 1);

  self->tracks = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, known_free);
  self->others = g_ptr_array_new_with_free_func (known_free);
  return self;
}

void
gst_dicenet_looks_free (GstDicenetLooks *self)
{
  g_hash_table_unref (self->tracks);
  g_ptr_array_unref (self->others);
  g_free (self);
}

void
gst_dicenet_looks_forget (GstDicenetLooks *self)
{
  g_hash_table_remove_all (self->tracks);
  g_ptr_array_set_size (self->others, 0);
  self->frame = self->last = self->n_untracked = 0;
  self->is_tracked = FALSE;
}

gboolean
gst_dicenet_looks_next_frame (GstDicenetLooks *self, guint interval)
{
  self->frame++;
  if (self->last > 0 && self->frame - self->last < interval)
    return FALSE;
  self->last = self->frame;
  return TRUE;
}

static Known *
find_by_place (const GstDicenetLooks *self, const GstDicenetObject *object)
{
  const GstDicenetBox box = { object->x, object->y, object->w, object->h };
  gdouble best = SAME_OBJECT;
  Known *found = NULL;

  for (guint i = 0; i < self->others->len; i++) {
    Known *known = g_ptr_array_index (self->others, i);
    const gdouble now = gst_dicenet_box_overlap (&known->box, &box, 0);
    if (now > best && g_strcmp0 (known->label, object->label) == 0) {
      best = now;
      found = known;
    }
  }
  return found;
}

/* Boxes that were found in another area, moved with it. */
static GArray *
moved (GArray *detections, const GstVideoRectangle *from, const GstVideoRectangle *to)
{
  const gdouble sx = (gdouble) to->w / from->w, sy = (gdouble) to->h / from->h;
  GArray *copy = g_array_copy (detections);

  for (guint i = 0; i < copy->len; i++) {
    GstDicenetDetection *d = &g_array_index (copy, GstDicenetDetection, i);
    d->x = to->x + (d->x - from->x) * sx;
    d->y = to->y + (d->y - from->y) * sy;
    d->w *= sx;
    d->h *= sy;
  }
  return copy;
}

static void
use_again (const GstDicenetLooks *self, const Known *known, GstDicenetRegion *region)
{
  region->result = gst_dicenet_result_ref (known->result);
  region->detections = known->detections ? moved (known->detections, &known->area, &region->area) : NULL;
  region->age = (guint) (self->frame - known->inferred);
  region->source_pts = known->source_pts;
}

static gboolean
is_too_old (const Known *known, GstClockTime pts, GstClockTime max_age)
{
  const GstClockTime age = time_between (known->source_pts, pts);

  return max_age > 0 && GST_CLOCK_TIME_IS_VALID (age) && age > max_age;
}

gboolean
gst_dicenet_looks_recall (GstDicenetLooks *self, GArray *regions, guint interval, GstClockTime pts,
                          GstClockTime max_age)
{
  for (guint i = 0; i < regions->len; i++) {
    GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    guint64 track = region->object.track_id;
    Known *known = track ? g_hash_table_lookup (self->tracks, &track) : find_by_place (self, &region->object);
    self->is_tracked |= track != 0;
    if (!known)
      continue;
    known->seen = self->frame;
    if (is_too_old (known, pts, max_age))
      continue;
    use_again (self, known, region);
    region->is_due = track == 0 || (interval > 0 && region->age >= interval);
  }
  if (!self->is_tracked && regions->len > 0)
    self->n_untracked++;
  return self->n_untracked < UNTRACKED_FRAMES;
}

static gboolean
is_gone (gpointer key, gpointer value, gpointer data)
{
  const guint64 *frame = data;

  return ((Known *) value)->seen < *frame;
}

static void
forget_oldest (GstDicenetLooks *self)
{
  GHashTableIter iter;
  gpointer key, value, oldest = NULL;
  guint64 seen = G_MAXUINT64;

  g_hash_table_iter_init (&iter, self->tracks);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (((Known *) value)->seen < seen) {
      seen = ((Known *) value)->seen;
      oldest = key;
    }
  }
  g_hash_table_remove (self->tracks, oldest);
}

static void
remember_track (GstDicenetLooks *self, const GstDicenetRegion *region, GstClockTime pts)
{
  gint64 *key = g_new (gint64, 1);

  *key = (gint64) region->object.track_id;
  g_hash_table_replace (self->tracks, key, known_new (region, self->frame, pts));
  if (g_hash_table_size (self->tracks) > GST_DICENET_MAX_REGIONS)
    forget_oldest (self);
}

void
gst_dicenet_looks_remember (GstDicenetLooks *self, const GArray *regions, GstClockTime pts, gboolean keep_tracks)
{
  g_ptr_array_set_size (self->others, 0);
  guint64 last = !keep_tracks ? self->frame : self->frame > FORGET_AFTER ? self->frame - FORGET_AFTER : 0;
  g_hash_table_foreach_remove (self->tracks, is_gone, &last);
  for (guint i = 0; i < regions->len; i++) {
    const GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    if (region->result && region->object.track_id != 0)
      remember_track (self, region, pts);
    else if (region->result)
      g_ptr_array_add (self->others, known_new (region, self->frame, pts));
  }
}
