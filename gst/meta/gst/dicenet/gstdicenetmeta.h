/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#ifndef GST_DICENET_META_EXPORT
#define GST_DICENET_META_EXPORT __attribute__ ((visibility ("default"))) extern
#endif

/**
 * GST_DICENET_MASK_NONE:
 *
 * Value of mask pixels without a class, for instance in the black borders of a letterboxed frame, if the model has no
 * background class. Data sets use the same value for "ignore".
 */
#define GST_DICENET_MASK_NONE 255

/**
 * GstDicenetTask:
 * @GST_DICENET_TASK_CLASSIFY: classification: classes of the whole frame
 * @GST_DICENET_TASK_DETECT: detection: one box per object
 * @GST_DICENET_TASK_SEGMENT: segmentation: a mask with one class per pixel
 *
 * What a result is of.
 */
typedef enum {
  GST_DICENET_TASK_CLASSIFY,
  GST_DICENET_TASK_DETECT,
  GST_DICENET_TASK_SEGMENT,
} GstDicenetTask;

/**
 * GstDicenetClass:
 * @label_id: index of the class in the model
 * @confidence: 0 to 1
 *
 * A class of a classification.
 */
typedef struct {
  guint label_id;
  gdouble confidence;

  /*< private >*/
  gpointer _gst_reserved[2];
} GstDicenetClass;

#define GST_TYPE_DICENET_CLASS (gst_dicenet_class_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_class_get_type (void);

/**
 * GstDicenetDetection:
 * @label_id: index of the class in the model
 * @id: unique among the detections of a buffer, and the id of the #GstVideoRegionOfInterestMeta made from it; set when
 * the detection is attached
 * @confidence: 0 to 1
 * @x: left edge, in pixels of the frame that the meta is attached to
 * @y: top edge in pixels
 * @w: width in pixels
 * @h: height in pixels
 * @track_id: identifies the same object in all frames, set by a tracker; 0 if there is none
 *
 * A detected object, clipped to the frame. Initialise the structure with zeros: unused fields must be zero. Its size
 * will not change: new fields replace reserved ones. A copy made by assignment borrows its results
 * (gst_dicenet_detection_get_result()) from the original.
 */
typedef struct {
  guint label_id;
  gint id;
  gdouble confidence;
  gdouble x, y, w, h;
  guint64 track_id;

  /*< private >*/
  gpointer _results;
  gpointer _od;
  gpointer _gst_reserved[7];
} GstDicenetDetection;

#define GST_TYPE_DICENET_DETECTION (gst_dicenet_detection_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_detection_get_type (void);

/**
 * GstDicenetResult:
 * @task: task of the model, which determines the kind of result
 * @model: name of the model that produced the result
 * @labels: (array zero-terminated=1): class names, indexed by label_id
 * @n_labels: number of @labels
 * @background: label_id of the background class, or -1
 * @mask: segmentation: GRAY8, one label_id per byte, @mask_width x @mask_height, rows without padding; otherwise %NULL
 * @mask_width: columns of the mask (the inference width)
 * @mask_height: rows of the mask (the inference height)
 *
 * Result of one inference, except for what depends on the frame's size. Reference-counted, and immutable once attached,
 * so that copies of a buffer share it. Create it with gst_dicenet_result_new() only: later versions may add fields at
 * the end.
 */
typedef struct {
  GstDicenetTask task;
  gchar *model;
  gchar **labels;
  guint n_labels;
  gint background;
  GBytes *mask;
  guint mask_width;
  guint mask_height;

  /*< private >*/
  gpointer _self; /* the result itself: tells a complete one from a copy of this structure */
} GstDicenetResult;

#define GST_TYPE_DICENET_RESULT (gst_dicenet_result_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_result_get_type (void);

/**
 * gst_dicenet_result_new:
 * @task: the task
 * @model: (nullable): name of the model
 * @labels: (nullable) (array zero-terminated=1): class names; results with the same names share one copy of them
 * @background: label_id of the background class, or -1
 *
 * Creates an empty result, to be filled with gst_dicenet_result_add_class() or gst_dicenet_result_set_mask() and then
 * attached to a buffer.
 *
 * Returns: (transfer full): the result
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_result_new (GstDicenetTask task, const gchar *model,
                                                                  const gchar *const *labels, gint background);

/**
 * gst_dicenet_result_ref: (skip)
 * @self: a result
 *
 * Increases the reference count. Thread-safe.
 *
 * Returns: (transfer full): @self
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_result_ref (GstDicenetResult *self);

/**
 * gst_dicenet_result_unref: (skip)
 * @self: (transfer full): a result
 *
 * Decreases the reference count and frees the result when it reaches zero. Thread-safe.
 */
GST_DICENET_META_EXPORT void gst_dicenet_result_unref (GstDicenetResult *self);

/**
 * gst_dicenet_result_add_class:
 * @self: a result that is not attached yet
 * @label_id: index of a class
 * @confidence: 0 to 1
 *
 * Appends a class to a classification. Append the most confident class first.
 */
GST_DICENET_META_EXPORT void gst_dicenet_result_add_class (GstDicenetResult *self, guint label_id, gdouble confidence);

/**
 * gst_dicenet_result_set_mask:
 * @self: a result that is not attached yet
 * @mask: width * height bytes; a reference is taken
 * @width: columns
 * @height: rows
 *
 * Sets @mask, @mask_width and @mask_height.
 */
GST_DICENET_META_EXPORT void gst_dicenet_result_set_mask (GstDicenetResult *self, GBytes *mask, guint width,
                                                          guint height);

/**
 * gst_dicenet_result_set_analytics:
 * @self: a result that is not attached yet
 * @analytics: %FALSE to leave the result out of #GstAnalyticsRelationMeta; %TRUE by default
 *
 * Sets whether the result is also attached as #GstAnalyticsRelationMeta.
 */
GST_DICENET_META_EXPORT void gst_dicenet_result_set_analytics (GstDicenetResult *self, gboolean analytics);

/**
 * gst_dicenet_result_get_label:
 * @self: a result
 * @label_id: index of a class
 *
 * Gets the name of a class.
 *
 * Returns: name of the class, or "class N" if the model has no name for it. Valid as long as @self
 */
GST_DICENET_META_EXPORT const gchar *gst_dicenet_result_get_label (const GstDicenetResult *self, guint label_id);

/**
 * gst_dicenet_result_get_n_classes:
 * @self: a result
 *
 * Gets the number of classes of a classification.
 *
 * Returns: number of classes; 0 if @self is not a classification
 */
GST_DICENET_META_EXPORT guint gst_dicenet_result_get_n_classes (const GstDicenetResult *self);

/**
 * gst_dicenet_result_get_class:
 * @self: a result
 * @index: less than gst_dicenet_result_get_n_classes()
 *
 * Gets one of the classes of a classification.
 *
 * Returns: (transfer none) (nullable): the class, valid as long as @self
 */
GST_DICENET_META_EXPORT const GstDicenetClass *gst_dicenet_result_get_class (const GstDicenetResult *self, guint index);

/**
 * GstDicenetMeta:
 * @meta: parent
 * @result: the result
 * @frame_width: width in pixels of the frame that coordinates refer to
 * @frame_height: height in pixels of that frame
 * @view_x: segmentation: left edge of the part of the mask that the frame shows, as a fraction of the mask's width
 * @view_y: top edge of that part, as a fraction of the mask's height
 * @view_w: width of that part; 1 is the whole mask. If the frame has borders around the mask, @view_x is below 0 and
 * @view_w above 1
 * @view_h: height of that part; 1 is the whole mask
 * @age: 0 if the model ran on this frame; otherwise the number of frames since the result was computed
 * (inference-interval above 1, inference-mode=newest)
 * @age_time: the same in nanoseconds, by timestamps; 0 if @age is 0, %GST_CLOCK_TIME_NONE if unknown
 * @source_pts: pts of the frame that the model ran on, as it was at the element; %GST_CLOCK_TIME_NONE if unknown
 * @parent_id: if the model looked at a part of the frame only, the region around an object (inference-region=objects):
 * id of that object; otherwise -1
 *
 * The result of dicenetclassify, dicenetdetect or dicenetsegment on a buffer. A buffer can carry several, one per
 * element. Copying, cropping and scaling a buffer preserve the meta: boxes and the view of the mask are transformed
 * accordingly. docs/metadata.md lists the elements that support this.
 *
 * Frames that share a result have the same @result: the model ran once for them.
 *
 * A meta is owned by its buffer. Only the element that attached it may modify it; any number of threads may read it.
 * Only the library creates metas: later versions may add fields at the end.
 */
typedef struct {
  GstMeta meta;
  GstDicenetResult *result;
  guint frame_width, frame_height;
  gdouble view_x, view_y, view_w, view_h;
  guint age;
  GstClockTime age_time;
  GstClockTime source_pts;
  gint parent_id;
} GstDicenetMeta;

#define GST_DICENET_META_API_TYPE (gst_dicenet_meta_api_get_type ())
#define GST_DICENET_META_INFO     (gst_dicenet_meta_get_info ())

/**
 * gst_dicenet_meta_api_get_type:
 *
 * Gets the type of the meta's API.
 *
 * Returns: the type, which gst_buffer_get_meta() takes
 */
GST_DICENET_META_EXPORT GType gst_dicenet_meta_api_get_type (void);

/**
 * gst_dicenet_meta_get_info:
 *
 * Gets how GStreamer handles the meta.
 *
 * Returns: (transfer none): the registration, which gst_buffer_add_meta() takes
 */
GST_DICENET_META_EXPORT const GstMetaInfo *gst_dicenet_meta_get_info (void);

/**
 * gst_buffer_add_dicenet_meta:
 * @buffer: a writable buffer
 * @result: the result; the meta takes a reference of its own
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @detections: (nullable) (transfer full) (element-type GstDicenetMeta.DicenetDetection): detected objects, for
 * detection. They are clipped to the frame; those outside of it are dropped
 * @age: see #GstDicenetMeta
 *
 * Attaches a result to a buffer. With an @age of 0, @source_pts of the meta is the buffer's pts; otherwise the caller
 * sets it, and @age_time, if they are known. Each detection is also attached as a #GstVideoRegionOfInterestMeta, for
 * applications that do not know this meta. Its `detection` param has `label` (string), `label_id` (int), `confidence`
 * (double) and, as fractions of the frame's size, `x_min`, `x_max`, `y_min`, `y_max` (double). If the library was built
 * for GStreamer 1.24 or later, the result is also added to the buffer's #GstAnalyticsRelationMeta, unless
 * gst_dicenet_result_set_analytics() says otherwise.
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_add_dicenet_meta (GstBuffer *buffer, GstDicenetResult *result,
                                                                     guint frame_width, guint frame_height,
                                                                     GArray *detections, guint age);

/**
 * gst_buffer_add_dicenet_meta_from_array: (rename-to gst_buffer_add_dicenet_meta)
 * @buffer: a writable buffer
 * @result: the result; the meta takes a reference of its own
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @detections: (nullable) (array length=n_detections): detected objects, for detection; copied
 * @n_detections: number of @detections
 * @age: see #GstDicenetMeta
 *
 * Variant of gst_buffer_add_dicenet_meta() for language bindings, which do not support #GArray.
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_add_dicenet_meta_from_array (GstBuffer *buffer,
                                                                                GstDicenetResult *result,
                                                                                guint frame_width, guint frame_height,
                                                                                const GstDicenetDetection *detections,
                                                                                guint n_detections, guint age);

/**
 * gst_buffer_add_dicenet_meta_in_region: (skip)
 * @buffer: a writable buffer
 * @result: the result of a model that saw @region only; the meta takes a reference of its own
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @region: a part of the frame, of at least one pixel
 * @parent_id: id of the object in @region, 0 or above
 * @detections: (nullable) (transfer full) (element-type GstDicenetMeta.DicenetDetection): detected objects, for
 * detection, in pixels of the frame
 * @age: see #GstDicenetMeta
 *
 * Variant of gst_buffer_add_dicenet_meta() for a part of the frame: sets @parent_id of the meta and of the
 * #GstVideoRegionOfInterestMeta of its detections. A mask covers @region; the frame around it has the background class,
 * or none (see gst_dicenet_meta_read_mask()).
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetMeta *
gst_buffer_add_dicenet_meta_in_region (GstBuffer *buffer, GstDicenetResult *result, guint frame_width,
                                       guint frame_height, const GstVideoRectangle *region, gint parent_id,
                                       GArray *detections, guint age);

/**
 * gst_buffer_get_dicenet_meta:
 * @buffer: a buffer
 * @task: the task
 *
 * Gets the result of one task that a buffer carries.
 *
 * Returns: (transfer none) (nullable): the first meta of this task, or %NULL. To get all metas, use
 * gst_buffer_get_dicenet_metas() or gst_buffer_iterate_dicenet_meta()
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_get_dicenet_meta (GstBuffer *buffer, GstDicenetTask task);

/**
 * gst_buffer_get_dicenet_metas:
 * @buffer: a buffer
 *
 * Gets all results that a buffer carries.
 *
 * Returns: (transfer container) (element-type GstDicenetMeta.DicenetMeta): all metas of @buffer, in the order in which
 * they were attached. There can be several of one task. They are owned by @buffer
 */
GST_DICENET_META_EXPORT GPtrArray *gst_buffer_get_dicenet_metas (GstBuffer *buffer);

/**
 * gst_buffer_iterate_dicenet_meta: (skip)
 * @buffer: a buffer
 * @state: (inout): state of the iteration; must point to %NULL before the first call
 *
 * Iterates over the metas that gst_buffer_get_dicenet_metas() returns, without allocating an array. No meta may be
 * removed from @buffer during the iteration.
 *
 * Returns: (transfer none) (nullable): the next meta of @buffer, or %NULL after the last one
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_iterate_dicenet_meta (GstBuffer *buffer, gpointer *state);

/**
 * gst_buffer_apply_crop_to_dicenet_meta:
 * @buffer: a buffer
 *
 * An element that crops with #GstVideoCropMeta changes neither pixels nor results: these stay in the coordinates of the
 * whole frame. This function applies the crop to the results.
 *
 * Returns: (transfer full): @buffer itself if it has no #GstVideoCropMeta; otherwise a buffer without memory that
 * carries the cropped results
 */
GST_DICENET_META_EXPORT GstBuffer *gst_buffer_apply_crop_to_dicenet_meta (GstBuffer *buffer);

/**
 * gst_dicenet_meta_get_n_detections:
 * @self: a meta
 *
 * Gets the number of objects.
 *
 * Returns: number of detections; 0 if @self is not a detection
 */
GST_DICENET_META_EXPORT guint gst_dicenet_meta_get_n_detections (const GstDicenetMeta *self);

/**
 * gst_dicenet_meta_get_detection:
 * @self: a meta
 * @index: less than gst_dicenet_meta_get_n_detections()
 *
 * Gets one of the objects.
 *
 * Returns: (transfer none) (nullable): the detection, valid as long as the buffer. Detections are in the order in which
 * they were added: the elements add them by decreasing confidence
 */
GST_DICENET_META_EXPORT const GstDicenetDetection *gst_dicenet_meta_get_detection (const GstDicenetMeta *self,
                                                                                   guint index);

/**
 * gst_dicenet_meta_set_track_id:
 * @self: a meta on a writable buffer, not in use by other threads
 * @index: less than gst_dicenet_meta_get_n_detections()
 * @track_id: the same number for the same object in all frames; 0 for none
 *
 * Sets the track_id of a detection only: gst_buffer_set_dicenet_track_id() also sets those of other metas that describe
 * the same object. Copies of the buffer are not affected. Pointers that gst_dicenet_meta_get_detection() returned
 * before become invalid.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_set_track_id (GstDicenetMeta *self, guint index, guint64 track_id);

/**
 * gst_dicenet_meta_add_detection_result:
 * @self: a meta on a writable buffer, not in use by other threads
 * @index: less than gst_dicenet_meta_get_n_detections()
 * @result: result of a second-stage model for this object, such as a classification; a reference is taken
 *
 * Appends a result to those that gst_dicenet_detection_get_result() returns. The remarks on
 * gst_dicenet_meta_set_track_id() apply; see gst_buffer_add_dicenet_object_result().
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_add_detection_result (GstDicenetMeta *self, guint index,
                                                                    GstDicenetResult *result);

/**
 * gst_dicenet_detection_get_n_results:
 * @self: a detection
 *
 * Gets the number of results of second looks at the object.
 *
 * Returns: number of second-stage results of this object; 0 if there is no second stage
 */
GST_DICENET_META_EXPORT guint gst_dicenet_detection_get_n_results (const GstDicenetDetection *self);

/**
 * gst_dicenet_detection_get_result:
 * @self: a detection
 * @index: less than gst_dicenet_detection_get_n_results()
 *
 * Gets one of the results of second looks at the object.
 *
 * Returns: (transfer none) (nullable): the second-stage result, which has its own labels
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_detection_get_result (const GstDicenetDetection *self,
                                                                            guint index);

/**
 * gst_dicenet_meta_read_mask: (skip)
 * @self: a segmentation meta
 * @mask: stride * height bytes, filled with the label_id of each pixel
 * @width: width to read at, for instance the frame's
 * @height: height to read at
 * @stride: bytes per row of @mask
 *
 * Reads the part of the mask that the frame shows, scaled to any size (nearest neighbour, because classes can't be
 * averaged). Pixels outside of the mask are set to the background class, or to %GST_DICENET_MASK_NONE if the model has
 * none.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_read_mask (const GstDicenetMeta *self, guint8 *mask, guint width,
                                                         guint height, gsize stride);

/**
 * gst_dicenet_meta_get_mask:
 * @self: a segmentation meta
 * @width: width to read at; 0 for the frame's
 * @height: height to read at; 0 for the frame's
 *
 * Variant of gst_dicenet_meta_read_mask() that allocates the memory, for language bindings.
 *
 * Returns: (transfer full) (nullable): width * height bytes, rows without padding; %NULL if there is no mask
 */
GST_DICENET_META_EXPORT GBytes *gst_dicenet_meta_get_mask (const GstDicenetMeta *self, guint width, guint height);

/**
 * gst_dicenet_meta_get_shares: (skip)
 * @self: a segmentation meta
 * @shares: filled with the share of the frame's pixels per label_id, 0 to 1
 *
 * Computes the share of the frame that each class covers. The sum is 1, or less if the frame has borders outside of the
 * mask. With a @parent_id, shares are those of the region around the object.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_get_shares (const GstDicenetMeta *self, gdouble shares[256]);

/**
 * gst_dicenet_meta_dup_shares: (rename-to gst_dicenet_meta_get_shares)
 * @self: a segmentation meta
 * @n_shares: (out): number of shares, 256
 *
 * Variant of gst_dicenet_meta_get_shares() that allocates the memory, for language bindings.
 *
 * Returns: (transfer full) (array length=n_shares): share of the frame's pixels per label_id, 0 to 1
 */
GST_DICENET_META_EXPORT gdouble *gst_dicenet_meta_dup_shares (const GstDicenetMeta *self, guint *n_shares);

G_END_DECLS
