/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetobject.h>
#include "gstdicenetengine.h"
#include "gstdicenetsettings.h"

G_BEGIN_DECLS

/** Maximum of GstDicenetRegionSettings.max_objects. Of more objects on a frame, the least confident are ignored. */
#define GST_DICENET_MAX_REGIONS 1000

typedef enum {
  GST_DICENET_INFERENCE_REGION_FULL_FRAME,
  GST_DICENET_INFERENCE_REGION_OBJECTS,
} GstDicenetInferenceRegion;

#define GST_TYPE_DICENET_INFERENCE_REGION (gst_dicenet_inference_region_get_type ())
GType gst_dicenet_inference_region_get_type (void);

/** What the model runs on; the fields are the values of the properties of the same names. */
typedef struct {
  GstDicenetInferenceRegion inference_region;
  gchar **object_class; /* labels; NULL for all */
  guint object_min_size;
  gdouble object_margin;
  guint max_objects;
  guint reclassify_interval;
} GstDicenetRegionSettings;

/** Ids of their properties, for some of which elements have other names. */
enum {
  GST_DICENET_REGION_SETTING_INFERENCE_REGION = GST_DICENET_SETTINGS_END,
  GST_DICENET_REGION_SETTING_OBJECT_CLASS,
  GST_DICENET_REGION_SETTING_OBJECT_MIN_SIZE,
  GST_DICENET_REGION_SETTING_OBJECT_MARGIN,
  GST_DICENET_REGION_SETTING_MAX_OBJECTS,
  GST_DICENET_REGION_SETTING_RECLASSIFY_INTERVAL,
  GST_DICENET_REGION_SETTINGS_END,
};

/** Sets the defaults. */
void gst_dicenet_region_settings_init (GstDicenetRegionSettings *self);
void gst_dicenet_region_settings_copy (GstDicenetRegionSettings *to, const GstDicenetRegionSettings *from);
void gst_dicenet_region_settings_clear (GstDicenetRegionSettings *self);

/** Installs the properties but reclassify-interval, which elements install. */
void gst_dicenet_region_settings_install (GObjectClass *klass);
/**
 * gst_dicenet_region_settings_set:
 * @self: settings
 * @id: a property
 * @value: its value
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR
 *
 * Returns: %FALSE if nothing was set: @id is none of these, or, with @error set, @value is invalid
 */
gboolean gst_dicenet_region_settings_set (GstDicenetRegionSettings *self, guint id, const GValue *value,
                                          GError **error);
/** Gets a property; %FALSE if @id is none of these. */
gboolean gst_dicenet_region_settings_get (const GstDicenetRegionSettings *self, guint id, GValue *value);

/**
 * GstDicenetRegion:
 * @object: an object on a frame
 * @area: the part of the frame around it, in whole pixels, at least one
 * @result: (nullable): what the model found there; %NULL if it did not look
 * @detections: (nullable): boxes of @result, #GstDicenetDetection in pixels of the frame
 * @is_due: whether the model is to look (again)
 * @age: frames since it looked
 * @source_pts: pts of the frame that it looked at, if @age is not 0
 * @meta: (nullable): set when the result is attached as a meta of its own
 */
typedef struct {
  GstDicenetObject object;
  GstVideoRectangle area;
  GstDicenetResult *result;
  GArray *detections;
  gboolean is_due;
  guint age;
  GstClockTime source_pts;
  GstDicenetMeta *meta;
} GstDicenetRegion;

/**
 * gst_dicenet_regions_find:
 * @buffer: a frame
 * @info: its format
 * @settings: which objects to look at
 *
 * Returns: (transfer full) (element-type GstDicenetRegion): the regions of these objects, all due, the most confident
 * first
 */
GArray *gst_dicenet_regions_find (GstBuffer *buffer, const GstVideoInfo *info,
                                  const GstDicenetRegionSettings *settings);

/** Sets the result of @region from what the core returned for it. */
typedef void (*GstDicenetRegionRead) (gpointer user, DicenetResult *found, GstDicenetRegion *region);

/**
 * gst_dicenet_regions_infer:
 * @regions: (element-type GstDicenetRegion): regions of @buffer
 * @max: number of regions to infer
 * @engine: an engine, entered
 * @buffer: a frame
 * @info: its format
 * @request: the request; its size and rectangle are set here
 * @read: called for each region that was inferred
 * @user: its first argument
 * @n_inferred: (out): number of regions that were inferred
 * @error: return location for a #GError
 *
 * Runs the model on regions that are due, at most @max: first on those without a result, then on those with the oldest
 * one. The frame is mapped once.
 *
 * Returns: %FALSE with @error set if this failed
 */
gboolean gst_dicenet_regions_infer (GArray *regions, guint max, const GstDicenetEngine *engine, GstBuffer *buffer,
                                    const GstVideoInfo *info, DicenetRequest *request, GstDicenetRegionRead read,
                                    gpointer user, guint *n_inferred, GError **error);

/**
 * gst_dicenet_regions_attach:
 * @regions: (element-type GstDicenetRegion): regions of @buffer
 * @buffer: a writable buffer
 * @info: its format
 *
 * Attaches the results: classes to the objects, masks and boxes as metas of their own with the object as parent.
 */
void gst_dicenet_regions_attach (GArray *regions, GstBuffer *buffer, const GstVideoInfo *info);

/**
 * gst_dicenet_regions_get_metas:
 * @regions: (element-type GstDicenetRegion): regions of @buffer, whose results are attached
 * @buffer: a frame
 *
 * Returns: (transfer container) (element-type GstDicenetMeta.DicenetMeta): what to draw: masks and boxes that were
 * found in the regions, and the objects that got classes
 */
GPtrArray *gst_dicenet_regions_get_metas (const GArray *regions, GstBuffer *buffer);

/**
 * GstDicenetLooks:
 *
 * Results of objects on earlier frames. An object is found again by its track id; without one, by its label and place
 * on the last frame that was inferred. At most %GST_DICENET_MAX_REGIONS tracks are kept, and none that was not seen for
 * 300 frames.
 */
typedef struct _GstDicenetLooks GstDicenetLooks;

GstDicenetLooks *gst_dicenet_looks_new (void);
void gst_dicenet_looks_free (GstDicenetLooks *self);
/** Forgets all results. The next frame is the first one. */
void gst_dicenet_looks_forget (GstDicenetLooks *self);

/**
 * gst_dicenet_looks_next_frame:
 * @self: results of earlier frames
 * @interval: frames between two inferences
 *
 * Returns: whether a frame after the last one is to be inferred
 */
gboolean gst_dicenet_looks_next_frame (GstDicenetLooks *self, guint interval);

/**
 * gst_dicenet_looks_recall:
 * @self: results of earlier frames
 * @regions: (element-type GstDicenetRegion): regions of this frame; those that are found again get their results
 * @interval: frames after which a result is due again; 0 for never
 * @pts: timestamp of this frame
 * @max_age: results that are older than this, in nanoseconds, are not used; 0 for any age
 *
 * Returns: %FALSE if no object ever had a track id, on 30 frames that had objects
 */
gboolean gst_dicenet_looks_recall (GstDicenetLooks *self, GArray *regions, guint interval, GstClockTime pts,
                                   GstClockTime max_age);

/** Remembers the results of a frame with timestamp @pts that was inferred; of objects that were on earlier frames only,
 * if @keep_tracks. */
void gst_dicenet_looks_remember (GstDicenetLooks *self, const GArray *regions, GstClockTime pts, gboolean keep_tracks);

G_END_DECLS
