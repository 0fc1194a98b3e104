/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetcount
 * @title: dicenetcount
 * @see_also: dicenetdetect, dicenettrack, dicenetoverlay, dicenetjson
 *
 * Counts tracked objects that cross lines, in both directions, and those that enter, leave and stay in zones, by class.
 * An object counts when it is clearly on the other side, once, however it or its box trembles on the line, and again
 * when it comes back. docs/counting.md has the exact rules.
 *
 * Objects need numbers that stay the same from frame to frame (track_id): put a tracker such as dicenettrack before
 * dicenetcount. Counts go with the frames, as #GstDicenetCountMeta: dicenetoverlay draws them, dicenetjson writes them.
 *
 * Coordinates are fractions of the frame, from its upper left corner. Forward is from the left of a line to its right,
 * as seen on the way from its first point to its second one: a line from left to right is crossed forward by what moves
 * down, and dicenetoverlay draws an arrow.
 *
 * ## Messages
 * With #GstDicenetCount:post-messages, an element message `dicenet-count` for each event:
 * `event` (string: forward, backward, entered, left), `line` or `zone` (string: its name), `track-id` (uint64), `label`
 * (string), `x`, `y` (double: where the object is, or was last, as fractions of the frame), `dwell` (uint64, ns: for
 * left, the time in the zone), the counts of the line or zone with this event: `forward`, `backward`, or `entered`,
 * `left`, `inside`, and if any left, `mean-dwell` (uint64), and `pts`, `running-time`, `stream-time` (uint64, ns) of
 * the frame.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -m v4l2src ! videoconvert ! dicenetdetect ! dicenettrack !
 * dicenetcount lines=door:0.1,0.5,0.9,0.5 post-messages=true ! dicenetoverlay ! videoconvert ! autovideosink
 * ]|
 */

#include "gstdicenetcount.h"

#include <dicenet/text.h>
#include <gst/dicenet/gstdicenetobject.h>
#include "gstdicenetcounter.h"
#include "gstdicenetcountreport.h"
#include "video/gstdicenetothers.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_count_debug);
#define GST_CAT_DEFAULT gst_dicenet_count_debug

enum {
  PROP_0,
  PROP_LINES,
  PROP_ZONES,
  PROP_FILE,
  PROP_ANCHOR,
  PROP_MARGIN,
  PROP_CONFIRMATIONS,
  PROP_MAX_SPEED,
  PROP_LOST_TIME,
  PROP_POST_MESSAGES,
  PROP_COUNTS,
};

enum {
  SIGNAL_RESET,
  N_SIGNALS,
};

enum {
  ANCHOR_BOTTOM,
  ANCHOR_CENTER,
};

#define DEFAULT_ANCHOR        ANCHOR_BOTTOM
#define DEFAULT_MARGIN        0.1
#define DEFAULT_CONFIRMATIONS 3
#define DEFAULT_MAX_SPEED     10.0
#define DEFAULT_LOST_TIME     (2 * GST_SECOND)

/* After as many frames with objects of which none ever had a number, there is no tracker. Trackers may ignore objects
 * that the detector is in doubt of; such a frame counts as a tenth. */
#define FRAMES_WITHOUT_NUMBERS 30
#define FEW_WITHOUT_NUMBERS    5 /* in a stream that ends */
#define CONFIDENT              0.5

/* Of frames without timestamps and without a frame rate. */
#define USUAL_DURATION (GST_SECOND / 30)

/* Far from overflow, and far beyond any stream. */
#define LAST_TIME (G_GINT64_CONSTANT (1) << 60)

struct _GstDicenetCount {
  GstDicenetVideo parent;

  /* Protected by the object lock. */
  gchar *lines, *zones, *file;
  gboolean is_started;
  GstDicenetCountSettings settings;
  gboolean post_messages;

  GMutex lock;                /* of the two below */
  GstDicenetCounter *counter; /* from the first start on */
  GArray *events;             /* GstDicenetCrossing: since the last frame */

  /* Streaming thread only. */
  gint64 now;              /* running time of the last frame */
  guint n_without_numbers; /* tenths of frames with objects, none of which has a number */
  gboolean saw_numbers, knows_classes, warned_of_time, warned_of_number;
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (GstDicenetCount, gst_dicenet_count, GST_TYPE_DICENET_VIDEO)
GST_ELEMENT_REGISTER_DEFINE (dicenetcount, "dicenetcount", GST_RANK_NONE, GST_TYPE_DICENET_COUNT)

static GType
gst_dicenet_count_anchor_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { ANCHOR_BOTTOM, "The middle of the box's lower edge, where the object stands", "bottom-center" },
    { ANCHOR_CENTER, "The middle of the box", "center" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstDicenetCountAnchor", values));
  return type;
}

/* --- time --- */

static gint64
frame_duration (GstDicenetCount *self)
{
  const GstVideoInfo *info = gst_dicenet_video_get_info (GST_DICENET_VIDEO (self));

  if (info->fps_n > 0 && info->fps_d > 0)
    return (gint64) gst_util_uint64_scale_int (GST_SECOND, info->fps_d, info->fps_n);
  return USUAL_DURATION;
}

/* Without timestamps, frames are counted. */
static gint64
next_time (GstDicenetCount *self)
{
  const GstVideoInfo *info = gst_dicenet_video_get_info (GST_DICENET_VIDEO (self));

  if (!self->warned_of_time && info->fps_n <= 0) {
    self->warned_of_time = TRUE;
    GST_ELEMENT_WARNING (self, STREAM, FORMAT,
                         ("Frames have neither timestamps nor a frame rate: '%s' takes them for 30 per second. Set the "
                          "frame rate in caps before it for right times.",
                          GST_OBJECT_NAME (self)),
                         (NULL));
  }
  return self->now + frame_duration (self);
}

static gint64
time_of_frame (GstDicenetCount *self, GstBuffer *buffer)
{
  gint64 time;

  return gst_dicenet_video_get_running_time (GST_DICENET_VIDEO (self), buffer, &time)
             ? CLAMP (time, -LAST_TIME, LAST_TIME)
             : next_time (self);
}

/* When the object was observed, in running time. */
static gint64
time_of_object (GstDicenetCount *self, const GstDicenetObject *object)
{
  const gdouble rate = ABS (GST_BASE_TRANSFORM (self)->segment.rate);
  gdouble age = 0;

  /* The half makes up for uneven timestamps: a repeated box must not look newer than it was. */
  if (object->age > 0)
    age = GST_CLOCK_TIME_IS_VALID (object->age_time) ? (gdouble) object->age_time / rate
                                                     : (object->age + 0.5) * (gdouble) frame_duration (self);
  return self->now - (gint64) MIN (age, (gdouble) LAST_TIME);
}

/* --- warnings --- */

static void
warn_of_missing_numbers (GstDicenetCount *self)
{
  GST_ELEMENT_WARNING (
      self, STREAM, FAILED,
      ("Objects have no numbers (track_id), so '%s' can't count them: insert dicenettrack before it, or, if "
       "it is there, lower its thresholds.",
       GST_OBJECT_NAME (self)),
      (NULL));
  self->saw_numbers = TRUE; /* once is enough */
}

static void
look_for_numbers (GstDicenetCount *self, const GArray *objects)
{
  gboolean confident = FALSE;

  for (guint i = 0; i < objects->len && !self->saw_numbers; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    self->saw_numbers = object->track_id != 0;
    confident |= object->confidence >= CONFIDENT;
  }
  if (self->saw_numbers || objects->len == 0)
    return;
  self->n_without_numbers += confident ? 10 : 1;
  if (self->n_without_numbers >= 10 * FRAMES_WITHOUT_NUMBERS)
    warn_of_missing_numbers (self);
}

static void
warn_of_class (GstDicenetCount *self, const GstDicenetShape *shape, const gchar *name, const GstDicenetResult *result)
{
  g_autofree gchar *labels = g_strjoinv (", ", result->labels);
  g_autofree gchar *shown = dicenet_text_excerpt (labels);

  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
                       ("The %s '%s' of '%s' counts objects of class '%s', which the model '%s' doesn't know. Its "
                        "classes are: %s",
                        gst_dicenet_count_report_get_what (shape), shape->name, GST_OBJECT_NAME (self), name,
                        result->model, shown),
                       (NULL));
}

/* Names of classes can be checked only when there are objects. */
static void
look_for_classes (GstDicenetCount *self, const GArray *objects)
{
  if (self->knows_classes || objects->len == 0)
    return;
  self->knows_classes = TRUE;
  GPtrArray *shapes = gst_dicenet_counter_get_shapes (self->counter);
  for (guint i = 0; i < shapes->len; i++) {
    const GstDicenetShape *shape = g_ptr_array_index (shapes, i);
    for (guint j = 0; shape->classes && shape->classes[j]; j++) {
      if (!gst_dicenet_class_is_known (objects, shape->classes[j]))
        warn_of_class (self, shape, shape->classes[j], g_array_index (objects, GstDicenetObject, 0).result);
    }
  }
}

/* --- frames --- */

static void
post_event (GstDicenetCount *self, GstBuffer *buffer, GstStructure *event)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  guint64 running_time = GST_CLOCK_TIME_NONE, stream_time = GST_CLOCK_TIME_NONE;

  if (segment->format == GST_FORMAT_TIME) {
    running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
    stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
  }
  gst_structure_set (event, "pts", G_TYPE_UINT64, pts, "running-time", G_TYPE_UINT64, running_time, "stream-time",
                     G_TYPE_UINT64, stream_time, NULL);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), event));
}

static GArray *
sightings_from (GstDicenetCount *self, const GArray *objects)
{
  GArray *seen = g_array_sized_new (FALSE, FALSE, sizeof (GstDicenetSighting), objects->len);

  for (guint i = 0; i < objects->len; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    const GstDicenetSighting sighting = {
      object->track_id, object->label, object->x, object->y, object->w, object->h, time_of_object (self, object)
    };
    g_array_append_val (seen, sighting);
  }
  return seen;
}

/* Counts, and attaches the result. Messages are posted later, when no lock is held. */
static GPtrArray *
count (GstDicenetCount *self, GstBuffer *buffer, const GArray *objects, const GstDicenetCountSettings *settings)
{
  const GstVideoInfo *info = gst_dicenet_video_get_info (GST_DICENET_VIDEO (self));
  GPtrArray *messages = g_ptr_array_new ();
  g_autoptr (GArray) seen = sightings_from (self, objects);

  g_mutex_lock (&self->lock);
  const gboolean all =
      gst_dicenet_counter_update (self->counter, settings, (guint) info->width, (guint) info->height, self->now,
                                  (const GstDicenetSighting *) seen->data, seen->len, self->events);
  gst_dicenet_count_report_attach (self->counter, self->events, buffer, (guint) info->width, (guint) info->height);
  for (guint i = 0; i < MIN (self->events->len, GST_DICENET_MAX_LISTED); i++)
    g_ptr_array_add (messages, gst_dicenet_count_report_new_event (
                                   self->counter, &g_array_index (self->events, GstDicenetCrossing, i)));
  g_array_set_size (self->events, 0);
  g_mutex_unlock (&self->lock);

  if (!all && !self->warned_of_number) {
    self->warned_of_number = TRUE;
    GST_ELEMENT_WARNING (
        self, STREAM, FAILED,
        ("There are more objects than '%s' can follow at a time: some do not count.", GST_OBJECT_NAME (self)), (NULL));
  }
  return messages;
}

static GstFlowReturn
gst_dicenet_count_process_frame (GstDicenetVideo *video, GstBuffer *buffer)
{
  GstDicenetCount *self = GST_DICENET_COUNT (video);
  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (buffer);

  GST_OBJECT_LOCK (self);
  const GstDicenetCountSettings settings = self->settings;
  const gboolean post_messages = self->post_messages;
  GST_OBJECT_UNLOCK (self);

  look_for_numbers (self, objects);
  look_for_classes (self, objects);
  self->now = time_of_frame (self, buffer);
  g_autoptr (GPtrArray) messages = count (self, buffer, objects, &settings);
  for (guint i = 0; i < messages->len; i++) {
    GstStructure *event = g_ptr_array_index (messages, i);
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %" GST_PTR_FORMAT, GST_TIME_ARGS (GST_BUFFER_PTS (buffer)),
                      event);
    if (post_messages)
      post_event (self, buffer, event);
    else
      gst_structure_free (event);
  }
  return GST_FLOW_OK;
}

/* What is left when positions are forgotten is told with the next frame. */
static void
forget (GstDicenetCount *self)
{
  g_mutex_lock (&self->lock);
  if (self->counter)
    gst_dicenet_counter_forget (self->counter, self->events);
  g_array_set_size (self->events, MIN (self->events->len, GST_DICENET_MAX_LISTED));
  g_mutex_unlock (&self->lock);
  self->now = 0;
}

static gboolean
gst_dicenet_count_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstDicenetCount *self = GST_DICENET_COUNT (trans);

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START:
  case GST_EVENT_FLUSH_STOP:
    forget (self);
    break;
  case GST_EVENT_EOS:
    if (!self->saw_numbers && self->n_without_numbers >= 10 * FEW_WITHOUT_NUMBERS)
      warn_of_missing_numbers (self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_count_parent_class)->sink_event (trans, event);
}

/* --- start and stop --- */

static gboolean
add_shapes (GstDicenetCount *self, GPtrArray *shapes, const gchar *property, const gchar *value)
{
  GError *error = NULL;

  if (!value)
    return TRUE;
  if (g_str_equal (property, "file")
          ? gst_dicenet_shapes_add_file (shapes, value, &error)
          : gst_dicenet_shapes_add_text (shapes, g_str_equal (property, "zones"), value, &error))
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
                     ("Property %s of '%s': %s", property, GST_OBJECT_NAME (self), error->message), (NULL));
  g_error_free (error);
  return FALSE;
}

/* Returns NULL if an error was posted. */
static GPtrArray *
read_shapes (GstDicenetCount *self)
{
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();

  GST_OBJECT_LOCK (self);
  self->is_started = TRUE;
  g_autofree gchar *lines = g_strdup (self->lines), *zones = g_strdup (self->zones), *file = g_strdup (self->file);
  GST_OBJECT_UNLOCK (self);
  if (!add_shapes (self, shapes, "lines", lines) || !add_shapes (self, shapes, "zones", zones) ||
      !add_shapes (self, shapes, "file", file))
    return NULL;
  if (shapes->len > 0)
    return g_steal_pointer (&shapes);
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
                     ("'%s' has nothing to count: set lines (for example lines=door:0.1,0.5,0.9,0.5), zones, or file.",
                      GST_OBJECT_NAME (self)),
                     (NULL));
  return NULL;
}

static void
set_stopped (GstDicenetCount *self)
{
  GST_OBJECT_LOCK (self);
  self->is_started = FALSE;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_dicenet_count_start (GstBaseTransform *trans)
{
  GstDicenetCount *self = GST_DICENET_COUNT (trans);
  GPtrArray *shapes = read_shapes (self);

  if (!shapes) {
    set_stopped (self);
    return FALSE;
  }
  GST_INFO_OBJECT (self, "%u lines and zones", shapes->len);
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->counter, gst_dicenet_counter_free);
  self->counter = gst_dicenet_counter_new (shapes);
  g_array_set_size (self->events, 0);
  g_mutex_unlock (&self->lock);
  self->now = 0;
  self->n_without_numbers = 0;
  self->saw_numbers = self->knows_classes = self->warned_of_time = self->warned_of_number = FALSE;
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_count_parent_class)->start (trans);
}

static gboolean
gst_dicenet_count_stop (GstBaseTransform *trans)
{
  set_stopped (GST_DICENET_COUNT (trans));
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_count_parent_class)->stop (trans);
}

/* --- element --- */

static void
gst_dicenet_count_reset (GstDicenetCount *self)
{
  g_mutex_lock (&self->lock);
  if (self->counter)
    gst_dicenet_counter_reset (self->counter);
  g_array_set_size (self->events, 0);
  g_mutex_unlock (&self->lock);
}

static void
take_counts (GstDicenetCount *self, GValue *value)
{
  g_mutex_lock (&self->lock);
  GstStructure *counts = self->counter ? gst_dicenet_count_report_new_counts (self->counter) : NULL;
  g_mutex_unlock (&self->lock);
  g_value_take_boxed (value, counts);
}

/* As the inference elements do. */
static gboolean
refuse_while_started (GstDicenetCount *self, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (self);
  const gboolean is_started = self->is_started;
  GST_OBJECT_UNLOCK (self);

  if (!is_started || !(pspec->flags & GST_PARAM_MUTABLE_READY))
    return FALSE;
  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
                       ("The property %s of '%s' is read at the start, and stays as it was: set the element to READY "
                        "first.",
                        pspec->name, GST_OBJECT_NAME (self)),
                       (NULL));
  return TRUE;
}

static void
set_text (gchar **text, const GValue *value)
{
  g_free (*text);
  *text = g_value_dup_string (value);
}

static void
gst_dicenet_count_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetCount *self = GST_DICENET_COUNT (object);

  if (refuse_while_started (self, pspec))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LINES:
    set_text (&self->lines, value);
    break;
  case PROP_ZONES:
    set_text (&self->zones, value);
    break;
  case PROP_FILE:
    set_text (&self->file, value);
    break;
  case PROP_ANCHOR:
    self->settings.center = g_value_get_enum (value) == ANCHOR_CENTER;
    break;
  case PROP_MARGIN:
    self->settings.margin = g_value_get_double (value);
    break;
  case PROP_CONFIRMATIONS:
    self->settings.confirmations = g_value_get_uint (value);
    break;
  case PROP_MAX_SPEED:
    self->settings.max_speed = g_value_get_double (value);
    break;
  case PROP_LOST_TIME:
    self->settings.lost_time = (gint64) g_value_get_uint64 (value);
    break;
  case PROP_POST_MESSAGES:
    self->post_messages = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_count_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetCount *self = GST_DICENET_COUNT (object);

  if (id == PROP_COUNTS) {
    take_counts (self, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LINES:
    g_value_set_string (value, self->lines);
    break;
  case PROP_ZONES:
    g_value_set_string (value, self->zones);
    break;
  case PROP_FILE:
    g_value_set_string (value, self->file);
    break;
  case PROP_ANCHOR:
    g_value_set_enum (value, self->settings.center ? ANCHOR_CENTER : ANCHOR_BOTTOM);
    break;
  case PROP_MARGIN:
    g_value_set_double (value, self->settings.margin);
    break;
  case PROP_CONFIRMATIONS:
    g_value_set_uint (value, self->settings.confirmations);
    break;
  case PROP_MAX_SPEED:
    g_value_set_double (value, self->settings.max_speed);
    break;
  case PROP_LOST_TIME:
    g_value_set_uint64 (value, (guint64) self->settings.lost_time);
    break;
  case PROP_POST_MESSAGES:
    g_value_set_boolean (value, self->post_messages);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_count_finalize (GObject *object)
{
  GstDicenetCount *self = GST_DICENET_COUNT (object);

  g_free (self->lines);
  g_free (self->zones);
  g_free (self->file);
  g_clear_pointer (&self->counter, gst_dicenet_counter_free);
  g_array_unref (self->events);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_dicenet_count_parent_class)->finalize (object);
}

static void
install_shapes (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (
      object_class, PROP_LINES,
      g_param_spec_string ("lines", "Lines",
                           "Lines on which to count, as NAME:X1,Y1,X2,Y2 or NAME:CLASS,CLASS:X1,Y1,X2,Y2 in fractions "
                           "of the frame (door:0.1,0.5,0.9,0.5); several are separated by semicolons",
                           NULL, flags));
  g_object_class_install_property (
      object_class, PROP_ZONES,
      g_param_spec_string (
          "zones", "Zones",
          "Zones in which to count, as NAME:X1,Y1,X2,Y2,X3,Y3... or NAME:CLASS,CLASS:X1,Y1... with all "
          "corners; several are separated by semicolons",
          NULL, flags));
  g_object_class_install_property (
      object_class, PROP_FILE,
      g_param_spec_string ("file", "File",
                           "JSON file with further lines and zones: {\"lines\": [{\"name\": \"door\", \"points\": "
                           "[[0.1, 0.5], [0.9, 0.5]], \"classes\": [\"person\"]}], \"zones\": [...]}",
                           NULL, flags));
}

static void
install_rules (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (object_class, PROP_ANCHOR,
                                   g_param_spec_enum ("anchor", "Anchor", "The point of a box that counts",
                                                      gst_dicenet_count_anchor_get_type (), DEFAULT_ANCHOR, flags));
  g_object_class_install_property (
      object_class, PROP_MARGIN,
      g_param_spec_double ("margin", "Margin",
                           "How far behind a line, or outside of a zone, an object must be, as a fraction of its box",
                           0, 1, DEFAULT_MARGIN, flags));
  g_object_class_install_property (
      object_class, PROP_CONFIRMATIONS,
      g_param_spec_uint ("confirmations", "Confirmations",
                         "How many inferences in a row must find an object on the other side", 1, 1000,
                         DEFAULT_CONFIRMATIONS, flags));
  g_object_class_install_property (
      object_class, PROP_MAX_SPEED,
      g_param_spec_double ("max-speed", "Maximum speed",
                           "A number that moves faster, in sizes of its box per second, was given to another object "
                           "(0: no limit)",
                           0, 1e6, DEFAULT_MAX_SPEED, flags));
  g_object_class_install_property (
      object_class, PROP_LOST_TIME,
      g_param_spec_uint64 ("lost-time", "Lost time",
                           "How long an object that is no longer seen is remembered, and is in its zones (ns)", 0,
                           3600 * GST_SECOND, DEFAULT_LOST_TIME, flags));
}

static void
install_reports (GstDicenetCountClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  g_object_class_install_property (
      object_class, PROP_POST_MESSAGES,
      g_param_spec_boolean ("post-messages", "Post messages",
                            "Post an element message dicenet-count on the bus for each crossing, entry and exit", FALSE,
                            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (object_class, PROP_COUNTS,
                                   g_param_spec_boxed ("counts", "Counts",
                                                       "The counts since the start, or since the last reset",
                                                       GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  /**
   * GstDicenetCount::reset:
   * @self: the element
   *
   * Sets all counts to 0. Objects that are in zones enter them anew.
   */
  signals[SIGNAL_RESET] =
      g_signal_new_class_handler ("reset", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION,
                                  G_CALLBACK (gst_dicenet_count_reset), NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
gst_dicenet_count_class_init (GstDicenetCountClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  static GstStaticCaps static_caps = GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL));

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_count_debug, "dicenetcount", 0, "counts of objects at lines and in zones");

  object_class->set_property = gst_dicenet_count_set_property;
  object_class->get_property = gst_dicenet_count_get_property;
  object_class->finalize = gst_dicenet_count_finalize;
  install_shapes (object_class);
  install_rules (object_class);
  install_reports (klass);
  gst_type_mark_as_plugin_api (gst_dicenet_count_anchor_get_type (), 0);

  GstCaps *caps = gst_static_caps_get (&static_caps);
  gst_element_class_add_pad_template (element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
  gst_element_class_set_static_metadata (element_class, "Counter of objects", "Filter/Analyzer/Video",
                                         "Counts tracked objects that cross lines, and those in zones",
                                         "The dicenet developers");

  trans_class->start = gst_dicenet_count_start;
  trans_class->stop = gst_dicenet_count_stop;
  trans_class->sink_event = gst_dicenet_count_sink_event;
  GST_DICENET_VIDEO_CLASS (klass)->process_frame = gst_dicenet_count_process_frame;
}

static void
gst_dicenet_count_init (GstDicenetCount *self)
{
  g_mutex_init (&self->lock);
  self->events = g_array_new (FALSE, FALSE, sizeof (GstDicenetCrossing));
  self->settings = (GstDicenetCountSettings){ .margin = DEFAULT_MARGIN,
                                              .confirmations = DEFAULT_CONFIRMATIONS,
                                              .max_speed = DEFAULT_MAX_SPEED,
                                              .lost_time = DEFAULT_LOST_TIME };
}
