/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetengine.h"
#include "gstdicenetinference.h"
#include "gstdicenetlateness.h"
#include "gstdicenetregions.h"
#include "gstdicenetsettings.h"
#include "gstdicenetworker.h"
#include "overlay/gstdicenetoverlayhelper.h"
#include "video/gstdicenetrate.h"

G_BEGIN_DECLS

typedef enum {
  MODE_EVERY_FRAME,
  MODE_NEWEST,
} GstDicenetInferenceMode;

/* The frame of an inference. */
typedef struct {
  guint64 index;
  GstClockTime pts, running_time, stream_time;
  guint width, height;
} GstDicenetFrame;

/* An inference that has begun. */
typedef struct {
  DicenetSubmission *submission;
  GstDicenetFrame frame;
  gint64 start, submitted; /* monotonic times */
} GstDicenetJob;

/* An inference that has ended. */
typedef struct {
  GstDicenetFrame frame;
  GstDicenetResult *result; /* NULL if it failed */
  GArray *detections;
} GstDicenetOutcome;

typedef struct {
  /* Properties, protected by the object lock. */
  GstDicenetSettings settings;
  GstDicenetRegionSettings region_settings;
  GstDicenetInferenceMode mode;
  GstClockTime max_age; /* 0: any */
  guint interval;
  gboolean post_messages;
  gboolean analytics;

  /* Valid from start() to stop(). Changed under the object lock; the streaming thread reads without it. */
  GstDicenetEngine *engine; /* NULL if none is open */

  GstDicenetOverlayHelper *overlay;

  /* CUDA context from neighbouring elements, if one was requested; set by GStreamer's CUDA library. */
  GstObject *cuda_context;

  /* inference-mode=newest, from start() to stop(): runs the network. It uses the engine while it is busy, and only
   * reads it; the streaming thread then leaves the engine alone. */
  GstDicenetWorker *worker;

  /* Streaming thread only. */
  guint width, height;       /* inference size for the current caps */
  guint64 index;             /* of the current frame */
  GstDicenetOutcome *newest; /* the last inference, or NULL */
  gboolean has_begun;        /* an inference since the last flush or new caps */
  guint64 last_begun;        /* index of the last frame for which one began */
  gboolean inferred;         /* whether an inference of the current frame has begun */
  gboolean on_objects;       /* inference-region=objects, from start() to stop() */
  GstDicenetLooks *looks;    /* what it found before */
  gboolean told_no_tracks;
  gboolean live;
  gint64 first_frame; /* when it came, a g_get_monotonic_time() */
  GstDicenetLateness lateness;

  /* Protected by the object lock. */
  GError *class_error;    /* of the region setting, if it was set to nonsense before the start */
  gboolean knows_classes; /* object-class was compared with what was detected */
  guint64 n_frames;
  guint64 n_begun;     /* inferences */
  guint64 n_inferred;  /* of these, those that have ended */
  GstDicenetRate rate; /* of these per second */
  guint64 n_regions;   /* objects that were inferred */
  guint64 n_left_out;  /* objects that were due, but not inferred (max-objects) */
  guint64 n_aged;      /* results of known age on frames */
  GstClockTime total_age;
  GstClockTime total_time;
  GstClockTime last_time;
  GstClockTime mean_time; /* moving average */
  GstClockTime latency;   /* latency reported in the LATENCY query */
  GstClockTime allowed;   /* latency of the whole pipeline, from its LATENCY event */
} GstDicenetInferencePrivate;

GstDicenetInferencePrivate *gst_dicenet_inference_get_private (GstDicenetInference *self);
#define PRIV(self) (gst_dicenet_inference_get_private (self))

/** Time since @start, a g_get_monotonic_time(). */
static inline GstClockTime
gst_dicenet_time_since (gint64 start)
{
  return (GstClockTime) (g_get_monotonic_time () - start) * GST_USECOND;
}

/* gstdicenetframes.c */

/** Starts the worker of inference-mode=newest; %FALSE with @error set if this failed. */
gboolean gst_dicenet_inference_start_worker (GstDicenetInference *self, GError **error);

/** No frame from now on carries an earlier result, or that of the inference under way, and no message comes of it. */
void gst_dicenet_inference_forget_result (GstDicenetInference *self);

/** Prepares the session for the size in @self. @context: (nullable): CUDA context of the next frames. */
gboolean gst_dicenet_inference_prepare (GstDicenetInference *self, GstObject *context, GError **error);

/** Does with a blank frame what frames wait for. */
gboolean gst_dicenet_inference_run_blank (GstDicenetInference *self, GstBuffer *blank, const GstVideoInfo *info,
                                          GError **error);

GstFlowReturn gst_dicenet_inference_process_frame (GstDicenetVideo *video, GstBuffer *buffer);

G_END_DECLS
