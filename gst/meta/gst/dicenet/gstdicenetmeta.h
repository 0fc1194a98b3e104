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
 * What stands in a mask where nothing is known and the model has no background class, in the black borders of a
 * letterboxed frame say. The value that data sets use for "ignore".
 */
#define GST_DICENET_MASK_NONE 255

/**
 * GstDicenetTask:
 * @GST_DICENET_TASK_CLASSIFY: classes of the whole frame
 * @GST_DICENET_TASK_DETECT: detections, a box each
 * @GST_DICENET_TASK_SEGMENT: mask, a class per pixel
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
 * @id: tells the detections on one buffer apart, and is the id of the #GstVideoRegionOfInterestMeta made from it; set
 * when it is attached
 * @confidence: 0 to 1
 * @x: left edge in pixels of the frame that the meta is on
 * @y: top edge in pixels
 * @w: width in pixels
 * @h: height in pixels
 * @track_id: the same for the same object in all frames, as a tracker says; 0: none has
 *
 * A detected object, clipped to the frame. To be zero where nothing else is put into it, by an initialiser say. Its
 * size stays as it is: what comes later takes the place of reserved fields. One that was copied by assignment borrows
 * its results (gst_dicenet_detection_get_result()) from where it was copied.
 */
typedef struct {
  guint label_id;
  gint id;
  gdouble confidence;
  gdouble x, y, w, h;
  guint64 track_id;

  /*< private >*/
  gpointer _results;
  gpointer _gst_reserved[8];
} GstDicenetDetection;

#define GST_TYPE_DICENET_DETECTION (gst_dicenet_detection_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_detection_get_type (void);

/**
 * GstDicenetResult:
 * @task: which of the three results this is
 * @model: name of the model that made it
 * @labels: (array zero-terminated=1): names of the classes, indexed by label_id
 * @n_labels: how many
 * @background: label_id of the class that stands for "nothing", or -1
 * @mask: segmentation: GRAY8, one label_id per byte, @mask_width x @mask_height, rows without padding; else %NULL
 * @mask_width: columns of the mask (the inference width)
 * @mask_height: rows of the mask (the inference height)
 *
 * What one inference found, apart from what depends on the frame's size. Reference-counted and never changed once it is
 * attached, so that copies of a buffer share it. Only gst_dicenet_result_new() makes one: later versions may add fields
 * at its end.
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
} GstDicenetResult;

#define GST_TYPE_DICENET_RESULT (gst_dicenet_result_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_result_get_type (void);

/**
 * gst_dicenet_result_new:
 * @task: which result
 * @model: (nullable): the model's name
 * @labels: (nullable) (array zero-terminated=1): names of the classes; results with the same names share one copy of
 * them
 * @background: label_id of the background, or -1
 *
 * Makes a result to be filled and attached. See gst_dicenet_result_add_class() and
 * gst_dicenet_result_set_mask().
 *
 * Returns: (transfer full): the result
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_result_new (GstDicenetTask task, const gchar *model,
                                                                  const gchar *const *labels, gint background);

/**
 * gst_dicenet_result_ref:
 * @self: a result
 *
 * Thread-safe.
 *
 * Returns: (transfer full): @self
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_result_ref (GstDicenetResult *self);

/**
 * gst_dicenet_result_unref:
 * @self: (transfer full): a result
 *
 * Thread-safe.
 */
GST_DICENET_META_EXPORT void gst_dicenet_result_unref (GstDicenetResult *self);

/**
 * gst_dicenet_result_add_class:
 * @self: a result that is not attached yet
 * @label_id: index of a class
 * @confidence: 0 to 1
 *
 * Appends a class to a classification; the most confident one comes first.
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
 * gst_dicenet_result_get_label:
 * @self: a result
 * @label_id: index of a class
 *
 * Returns: name of the class; "class N" where the model has no name for it. Valid as long as @self
 */
GST_DICENET_META_EXPORT const gchar *gst_dicenet_result_get_label (const GstDicenetResult *self, guint label_id);

/**
 * gst_dicenet_result_get_n_classes:
 * @self: a result
 *
 * Returns: number of classes; 0 for what is no classification
 */
GST_DICENET_META_EXPORT guint gst_dicenet_result_get_n_classes (const GstDicenetResult *self);

/**
 * gst_dicenet_result_get_class:
 * @self: a result
 * @index: less than gst_dicenet_result_get_n_classes()
 *
 * Returns: (transfer none) (nullable): one of the classes, valid as long as @self
 */
GST_DICENET_META_EXPORT const GstDicenetClass *gst_dicenet_result_get_class (const GstDicenetResult *self, guint index);

/**
 * GstDicenetMeta:
 * @meta: parent
 * @result: what was found
 * @frame_width: width of the frame that the coordinates are in
 * @frame_height: its height
 * @view_x: segmentation: which part of the mask the frame shows, as fractions of the mask's width and height: left edge
 * @view_y: top edge
 * @view_w: width, 1 for the whole. A frame with borders shows more than the mask: a left edge below 0 and a width above
 * 1
 * @view_h: height, 1 for the whole
 * @age: 0 if this very frame was inferred; else how many frames ago the result was made (inference-interval above 1)
 *
 * The result of dicenetclassify, dicenetdetect or dicenetsegment on the buffer that carries it. A buffer can carry
 * several, one per element. The meta follows the buffer through copies, crops and scaling: boxes and the view of the
 * mask are transformed with it. docs/metadata.md tells through which elements.
 *
 * A meta is owned by its buffer and is read-only for all but its maker. Any number of threads may read it. Only the
 * library makes one: later versions may add fields at its end.
 */
typedef struct {
  GstMeta meta;
  GstDicenetResult *result;
  guint frame_width, frame_height;
  gdouble view_x, view_y, view_w, view_h;
  guint age;
} GstDicenetMeta;

#define GST_DICENET_META_API_TYPE (gst_dicenet_meta_api_get_type ())
#define GST_DICENET_META_INFO     (gst_dicenet_meta_get_info ())
GST_DICENET_META_EXPORT GType gst_dicenet_meta_api_get_type (void);
GST_DICENET_META_EXPORT const GstMetaInfo *gst_dicenet_meta_get_info (void);

/**
 * gst_buffer_add_dicenet_meta:
 * @buffer: a writable buffer
 * @result: what was found; the meta takes a reference of its own
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @detections: (nullable) (transfer full) (element-type GstDicenetMeta.DicenetDetection): objects, for detection: they
 * are clipped to the frame, and what lies outside is left out
 * @age: see #GstDicenetMeta
 *
 * Attaches a result. Detections also become #GstVideoRegionOfInterestMeta, one each, whose `detection` param has
 * `label` (string), `label_id` (int), `confidence` (double) and, as fractions of the frame, `x_min`, `x_max`, `y_min`,
 * `y_max` (double), so that applications that know nothing of this meta see them.
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_add_dicenet_meta (GstBuffer *buffer, GstDicenetResult *result,
                                                                     guint frame_width, guint frame_height,
                                                                     GArray *detections, guint age);

/**
 * gst_buffer_add_dicenet_meta_from_array: (rename-to gst_buffer_add_dicenet_meta)
 * @buffer: a writable buffer
 * @result: what was found; the meta takes a reference of its own
 * @frame_width: width of the frame in pixels
 * @frame_height: height of the frame in pixels
 * @detections: (nullable) (array length=n_detections): objects, for detection; copied
 * @n_detections: how many
 * @age: see #GstDicenetMeta
 *
 * gst_buffer_add_dicenet_meta() for languages without #GArray.
 *
 * Returns: (transfer none): the meta on @buffer
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_add_dicenet_meta_from_array (GstBuffer *buffer,
                                                                                GstDicenetResult *result,
                                                                                guint frame_width, guint frame_height,
                                                                                const GstDicenetDetection *detections,
                                                                                guint n_detections, guint age);

/**
 * gst_buffer_get_dicenet_meta:
 * @buffer: a buffer
 * @task: which result
 *
 * Returns: (transfer none) (nullable): the first meta of this task, or %NULL. gst_buffer_get_dicenet_metas() and
 * gst_buffer_iterate_dicenet_meta() give all
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_get_dicenet_meta (GstBuffer *buffer, GstDicenetTask task);

/**
 * gst_buffer_get_dicenet_metas:
 * @buffer: a buffer
 *
 * Returns: (transfer container) (element-type GstDicenetMeta.DicenetMeta): all results on @buffer, in the order in
 * which they were attached; several may be of one task. They belong to @buffer
 */
GST_DICENET_META_EXPORT GPtrArray *gst_buffer_get_dicenet_metas (GstBuffer *buffer);

/**
 * gst_buffer_iterate_dicenet_meta: (skip)
 * @buffer: a buffer
 * @state: (inout): where it is; points to %NULL before the first call
 *
 * gst_buffer_get_dicenet_metas() without an array. @buffer must not lose metas meanwhile.
 *
 * Returns: (transfer none) (nullable): the next result on @buffer, or %NULL after the last
 */
GST_DICENET_META_EXPORT GstDicenetMeta *gst_buffer_iterate_dicenet_meta (GstBuffer *buffer, gpointer *state);

/**
 * gst_buffer_apply_crop_to_dicenet_meta:
 * @buffer: a buffer
 *
 * An element that crops by #GstVideoCropMeta leaves the pixels and the results as they are, in the coordinates of the
 * whole frame. This gives the results as they are for the part that is shown.
 *
 * Returns: (transfer full): @buffer itself if it has no #GstVideoCropMeta; else a buffer without memory that carries
 * the cropped results
 */
GST_DICENET_META_EXPORT GstBuffer *gst_buffer_apply_crop_to_dicenet_meta (GstBuffer *buffer);

/**
 * gst_dicenet_meta_get_n_detections:
 * @self: a meta
 *
 * Returns: number of detections; 0 for what is no detection
 */
GST_DICENET_META_EXPORT guint gst_dicenet_meta_get_n_detections (const GstDicenetMeta *self);

/**
 * gst_dicenet_meta_get_detection:
 * @self: a meta
 * @index: less than gst_dicenet_meta_get_n_detections()
 *
 * Returns: (transfer none) (nullable): one of the detections, most confident first, valid as long as the buffer
 */
GST_DICENET_META_EXPORT const GstDicenetDetection *gst_dicenet_meta_get_detection (const GstDicenetMeta *self,
                                                                                   guint index);

/**
 * gst_dicenet_meta_set_track_id:
 * @self: a meta on a buffer that is writable and that nobody else reads yet
 * @index: less than gst_dicenet_meta_get_n_detections()
 * @track_id: the same for the same object in all frames; 0 for none
 *
 * Sets the track_id of a detection: for trackers. Copies of the buffer keep what they have. Detections that
 * gst_dicenet_meta_get_detection() returned before are no longer valid.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_set_track_id (GstDicenetMeta *self, guint index, guint64 track_id);

/**
 * gst_dicenet_meta_add_detection_result:
 * @self: a meta on a buffer that is writable and that nobody else reads yet
 * @index: less than gst_dicenet_meta_get_n_detections()
 * @result: what a second model says of this object, a classification say; a reference is taken
 *
 * Adds to what gst_dicenet_detection_get_result() gives, as gst_dicenet_meta_set_track_id() does.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_add_detection_result (GstDicenetMeta *self, guint index,
                                                                    GstDicenetResult *result);

/**
 * gst_dicenet_detection_get_n_results:
 * @self: a detection
 *
 * Returns: how many models looked at this object by itself; 0 where there is no second stage
 */
GST_DICENET_META_EXPORT guint gst_dicenet_detection_get_n_results (const GstDicenetDetection *self);

/**
 * gst_dicenet_detection_get_result:
 * @self: a detection
 * @index: less than gst_dicenet_detection_get_n_results()
 *
 * Returns: (transfer none) (nullable): what one of them found, with labels of its own
 */
GST_DICENET_META_EXPORT GstDicenetResult *gst_dicenet_detection_get_result (const GstDicenetDetection *self,
                                                                            guint index);

/**
 * gst_dicenet_meta_read_mask: (skip)
 * @self: a segmentation meta
 * @mask: stride * height bytes; gets the label_id of each pixel
 * @width: columns wanted, the frame's width say
 * @height: rows wanted
 * @stride: bytes from one row of @mask to the next
 *
 * Reads the part of the mask that the frame shows at any size (nearest neighbour: classes can't be averaged). Pixels
 * that the mask does not reach are background, or %GST_DICENET_MASK_NONE if the model has none.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_read_mask (const GstDicenetMeta *self, guint8 *mask, guint width,
                                                         guint height, gsize stride);

/**
 * gst_dicenet_meta_get_mask:
 * @self: a segmentation meta
 * @width: columns wanted, 0 for the frame's width
 * @height: rows wanted, 0 for the frame's height
 *
 * gst_dicenet_meta_read_mask() for languages that prefer to be handed the memory.
 *
 * Returns: (transfer full) (nullable): width * height bytes, rows without padding; %NULL if there is no mask
 */
GST_DICENET_META_EXPORT GBytes *gst_dicenet_meta_get_mask (const GstDicenetMeta *self, guint width, guint height);

/**
 * gst_dicenet_meta_get_shares: (skip)
 * @self: a segmentation meta
 * @shares: gets, per label_id, the share of the frame's pixels, 0 to 1
 *
 * How much of the frame each class covers. The shares add up to 1, or less if there are borders that the mask does not
 * reach.
 */
GST_DICENET_META_EXPORT void gst_dicenet_meta_get_shares (const GstDicenetMeta *self, gdouble shares[256]);

/**
 * gst_dicenet_meta_dup_shares: (rename-to gst_dicenet_meta_get_shares)
 * @self: a segmentation meta
 * @n_shares: (out): number of shares, 256
 *
 * gst_dicenet_meta_get_shares() for languages that prefer to be handed the memory.
 *
 * Returns: (transfer full) (array length=n_shares): per label_id, the share of the frame's pixels, 0 to 1
 */
GST_DICENET_META_EXPORT gdouble *gst_dicenet_meta_dup_shares (const GstDicenetMeta *self, guint *n_shares);

G_END_DECLS
