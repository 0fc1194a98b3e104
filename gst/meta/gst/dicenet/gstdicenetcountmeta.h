/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

/**
 * GstDicenetCountKind:
 * @GST_DICENET_COUNT_FORWARD: an object crossed a line from its left to its right, as seen on the way from its first
 * point to its second one
 * @GST_DICENET_COUNT_BACKWARD: an object crossed a line from its right to its left
 * @GST_DICENET_COUNT_ENTERED: an object entered a zone
 * @GST_DICENET_COUNT_LEFT: an object left a zone
 *
 * What happened.
 */
typedef enum {
  GST_DICENET_COUNT_FORWARD,
  GST_DICENET_COUNT_BACKWARD,
  GST_DICENET_COUNT_ENTERED,
  GST_DICENET_COUNT_LEFT,
} GstDicenetCountKind;

/**
 * GstDicenetCountTally:
 * @label: name of the class; %NULL for objects of all classes
 * @forward: lines: how many objects crossed forward so far
 * @backward: lines: how many objects crossed backward
 * @entered: zones: how many objects entered
 * @left: zones: how many objects left, or disappeared
 * @inside: zones: how many objects are inside, @entered - @left
 * @mean_dwell: zones: mean time in ns that those that left were inside; %GST_CLOCK_TIME_NONE if none left yet
 *
 * Counts of a line or zone.
 */
typedef struct {
  const gchar *label;
  guint64 forward, backward;
  guint64 entered, left, inside;
  GstClockTime mean_dwell;

  /*< private >*/
  gpointer _owner;
  gpointer _gst_reserved[4];
} GstDicenetCountTally;

#define GST_TYPE_DICENET_COUNT_TALLY (gst_dicenet_count_tally_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_count_tally_get_type (void);

/**
 * GstDicenetCountPoint: (skip)
 * @x: as a fraction of the frame's width; below 0 or above 1 if a crop cut it off
 * @y: as a fraction of the frame's height
 *
 * A point of a line or of a zone's outline.
 */
typedef struct {
  gdouble x, y;
} GstDicenetCountPoint;

/**
 * GstDicenetCountShape:
 * @name: its name
 * @is_zone: whether this is a zone; otherwise it is a line
 * @n_points: number of points: 2 for a line, the corners of a zone
 * @points: (skip): the points; see gst_dicenet_count_shape_get_point()
 * @n_classes: number of classes with counts
 * @classes: (skip): counts by class; see gst_dicenet_count_shape_get_class()
 * @total: counts of all classes
 *
 * A line or a zone.
 */
typedef struct {
  const gchar *name;
  gboolean is_zone;
  guint n_points;
  const GstDicenetCountPoint *points;
  guint n_classes;
  const GstDicenetCountTally *classes;
  GstDicenetCountTally total;

  /*< private >*/
  gpointer _owner;
  gpointer _gst_reserved[4];
} GstDicenetCountShape;

#define GST_TYPE_DICENET_COUNT_SHAPE (gst_dicenet_count_shape_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_count_shape_get_type (void);

/**
 * gst_dicenet_count_shape_get_point:
 * @self: a line or zone
 * @index: less than `n_points`
 * @x: (out): as a fraction of the frame's width; below 0 or above 1 if a crop cut it off
 * @y: (out): as a fraction of the frame's height
 *
 * Gets a point of a line, or a corner of a zone.
 */
GST_DICENET_META_EXPORT void gst_dicenet_count_shape_get_point (const GstDicenetCountShape *self, guint index,
                                                                gdouble *x, gdouble *y);

/**
 * gst_dicenet_count_shape_get_class:
 * @self: a line or zone
 * @index: less than `n_classes`
 *
 * Gets the counts of one class.
 *
 * Returns: (transfer none) (nullable): the counts of a class, valid as long as @self
 */
GST_DICENET_META_EXPORT const GstDicenetCountTally *gst_dicenet_count_shape_get_class (const GstDicenetCountShape *self,
                                                                                       guint index);

/**
 * GstDicenetCountEvent:
 * @kind: what happened
 * @shape: name of the line or zone
 * @track_id: number of the object
 * @label: its class
 * @x: where it is, or was last seen, as a fraction of the frame's width
 * @y: as a fraction of the frame's height
 * @dwell: for %GST_DICENET_COUNT_LEFT, the time in ns that it was in the zone; otherwise %GST_CLOCK_TIME_NONE
 *
 * Something that was found to have happened on this frame.
 */
typedef struct {
  GstDicenetCountKind kind;
  const gchar *shape;
  guint64 track_id;
  const gchar *label;
  gdouble x, y;
  GstClockTime dwell;

  /*< private >*/
  gpointer _owner;
  gpointer _gst_reserved[4];
} GstDicenetCountEvent;

#define GST_TYPE_DICENET_COUNT_EVENT (gst_dicenet_count_event_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_count_event_get_type (void);

/**
 * GstDicenetCountVisit:
 * @zone: name of the zone
 * @track_id: number of the object
 * @label: class with which it entered
 * @dwell: time in ns since it entered
 *
 * An object that is in a zone.
 */
typedef struct {
  const gchar *zone;
  guint64 track_id;
  const gchar *label;
  GstClockTime dwell;

  /*< private >*/
  gpointer _owner;
  gpointer _gst_reserved[4];
} GstDicenetCountVisit;

#define GST_TYPE_DICENET_COUNT_VISIT (gst_dicenet_count_visit_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_count_visit_get_type (void);

/**
 * GstDicenetCountMeta:
 * @meta: parent
 * @frame_width: width in pixels of the frame that positions refer to
 * @frame_height: height in pixels of that frame
 *
 * The lines and zones of a dicenetcount, what they counted up to this frame, and what happened on it. Copies of a
 * buffer share it; cropping, scaling and flipping move the shapes with the picture.
 *
 * A meta is owned by its buffer and never changes. Only the library creates metas: later versions may add fields at the
 * end.
 */
typedef struct {
  GstMeta meta;
  guint frame_width, frame_height;

  /*< private >*/
  gpointer _counts;
} GstDicenetCountMeta;

#define GST_DICENET_COUNT_META_API_TYPE (gst_dicenet_count_meta_api_get_type ())
#define GST_DICENET_COUNT_META_INFO     (gst_dicenet_count_meta_get_info ())

/**
 * gst_dicenet_count_meta_api_get_type:
 *
 * Gets the type of the meta's API.
 *
 * Returns: the type, which gst_buffer_get_meta() takes
 */
GST_DICENET_META_EXPORT GType gst_dicenet_count_meta_api_get_type (void);

/**
 * gst_dicenet_count_meta_get_info:
 *
 * Gets how GStreamer handles the meta.
 *
 * Returns: (transfer none): the registration, which gst_buffer_add_meta() takes
 */
GST_DICENET_META_EXPORT const GstMetaInfo *gst_dicenet_count_meta_get_info (void);

/**
 * gst_buffer_add_dicenet_count_meta: (skip)
 * @buffer: a writable buffer
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @shapes: (array length=n_shapes): lines and zones; everything is copied
 * @n_shapes: number of @shapes
 * @events: (array length=n_events): what happened
 * @n_events: number of @events
 * @visits: (array length=n_visits): which objects are in zones
 * @n_visits: number of @visits
 *
 * Attaches counts to a buffer.
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetCountMeta *gst_buffer_add_dicenet_count_meta (
    GstBuffer *buffer, guint frame_width, guint frame_height, const GstDicenetCountShape *shapes, guint n_shapes,
    const GstDicenetCountEvent *events, guint n_events, const GstDicenetCountVisit *visits, guint n_visits);

/**
 * gst_buffer_get_dicenet_count_metas:
 * @buffer: a buffer
 *
 * Gets all counts that a buffer carries.
 *
 * Returns: (transfer container) (element-type GstDicenetMeta.DicenetCountMeta): all such metas of @buffer, one per
 * dicenetcount that it passed. They are owned by @buffer
 */
GST_DICENET_META_EXPORT GPtrArray *gst_buffer_get_dicenet_count_metas (GstBuffer *buffer);

/**
 * gst_buffer_iterate_dicenet_count_meta: (skip)
 * @buffer: a buffer
 * @state: (inout): state of the iteration; must point to %NULL before the first call
 *
 * Iterates over the metas that gst_buffer_get_dicenet_count_metas() returns, without allocating an array.
 *
 * Returns: (transfer none) (nullable): the next meta of @buffer, or %NULL after the last one
 */
GST_DICENET_META_EXPORT GstDicenetCountMeta *gst_buffer_iterate_dicenet_count_meta (GstBuffer *buffer, gpointer *state);

/**
 * gst_dicenet_count_meta_get_n_shapes:
 * @self: a meta
 *
 * Gets the number of lines and zones.
 *
 * Returns: number of lines and zones
 */
GST_DICENET_META_EXPORT guint gst_dicenet_count_meta_get_n_shapes (const GstDicenetCountMeta *self);

/**
 * gst_dicenet_count_meta_get_shape:
 * @self: a meta
 * @index: less than gst_dicenet_count_meta_get_n_shapes()
 *
 * Gets one of the lines and zones.
 *
 * Returns: (transfer none) (nullable): a line or zone, valid as long as the buffer
 */
GST_DICENET_META_EXPORT const GstDicenetCountShape *gst_dicenet_count_meta_get_shape (const GstDicenetCountMeta *self,
                                                                                      guint index);

/**
 * gst_dicenet_count_meta_find_shape:
 * @self: a meta
 * @name: a name
 *
 * Finds a line or a zone by its name.
 *
 * Returns: (transfer none) (nullable): the line or zone of this name, valid as long as the buffer; %NULL if there is
 * none
 */
GST_DICENET_META_EXPORT const GstDicenetCountShape *gst_dicenet_count_meta_find_shape (const GstDicenetCountMeta *self,
                                                                                       const gchar *name);

/**
 * gst_dicenet_count_meta_get_n_events:
 * @self: a meta
 *
 * Gets the number of events in this frame.
 *
 * Returns: number of events
 */
GST_DICENET_META_EXPORT guint gst_dicenet_count_meta_get_n_events (const GstDicenetCountMeta *self);

/**
 * gst_dicenet_count_meta_get_event:
 * @self: a meta
 * @index: less than gst_dicenet_count_meta_get_n_events()
 *
 * Gets one of what happened in this frame.
 *
 * Returns: (transfer none) (nullable): what happened on this frame, valid as long as the buffer
 */
GST_DICENET_META_EXPORT const GstDicenetCountEvent *gst_dicenet_count_meta_get_event (const GstDicenetCountMeta *self,
                                                                                      guint index);

/**
 * gst_dicenet_count_meta_get_n_visits:
 * @self: a meta
 *
 * Gets the number of objects that are in zones.
 *
 * Returns: number of visits: objects in zones. An object may be in several
 */
GST_DICENET_META_EXPORT guint gst_dicenet_count_meta_get_n_visits (const GstDicenetCountMeta *self);

/**
 * gst_dicenet_count_meta_get_visit:
 * @self: a meta
 * @index: less than gst_dicenet_count_meta_get_n_visits()
 *
 * Gets one of the objects that are in zones.
 *
 * Returns: (transfer none) (nullable): an object that is in a zone, valid as long as the buffer
 */
GST_DICENET_META_EXPORT const GstDicenetCountVisit *gst_dicenet_count_meta_get_visit (const GstDicenetCountMeta *self,
                                                                                      guint index);

G_END_DECLS
