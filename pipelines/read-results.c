/* An application that embeds dicenet: prints, for each frame of a video, what the model found in it.
 *
 *   read-results ELEMENT MODEL VIDEO
 *   read-results dicenetsegment models/dicenet_s_1.0_pascal_384x384.safetensors clip.mp4
 *
 * Needs: dicenet installed, a model, GStreamer's base, good and libav plugins.
 * Shows: pulling frames from an appsink and reading the three kinds of results from their metadata.
 * Build: cc read-results.c -o read-results $(pkg-config --cflags --libs gstreamer-app-1.0 gstreamer-dicenet-meta-1.0)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/app/app.h>
#include <gst/gst.h>
#include <gst/dicenet/gstdicenetmeta.h>

static void
print_classes (const GstDicenetResult *result)
{
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (result); i++) {
    const GstDicenetClass *found = gst_dicenet_result_get_class (result, i);
    g_print ("  %s %.2f", gst_dicenet_result_get_label (result, found->label_id), found->confidence);
  }
}

static void
print_detections (const GstDicenetMeta *meta)
{
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *found = gst_dicenet_meta_get_detection (meta, i);
    g_print ("  %s %.2f at %.0f,%.0f %.0fx%.0f", gst_dicenet_result_get_label (meta->result, found->label_id),
             found->confidence, found->x, found->y, found->w, found->h);
  }
}

static void
print_shares (const GstDicenetMeta *meta)
{
  gdouble shares[256];

  gst_dicenet_meta_get_shares (meta, shares);
  for (guint id = 0; id < meta->result->n_labels; id++)
    if (shares[id] > 0)
      g_print ("  %s %.1f %%", gst_dicenet_result_get_label (meta->result, id), 100 * shares[id]);
}

/* A frame can carry several results: one for each dicenet element that it went through. */
static void
print_results (GstBuffer *frame)
{
  gpointer state = NULL;
  GstDicenetMeta *meta;

  g_print ("%" GST_TIME_FORMAT, GST_TIME_ARGS (GST_BUFFER_PTS (frame)));
  while ((meta = gst_buffer_iterate_dicenet_meta (frame, &state))) {
    switch (meta->result->task) {
    case GST_DICENET_TASK_CLASSIFY:
      print_classes (meta->result);
      break;
    case GST_DICENET_TASK_DETECT:
      print_detections (meta);
      break;
    case GST_DICENET_TASK_SEGMENT:
      print_shares (meta);
      break;
    }
  }
  g_print ("\n");
}

/* A file with sound only, or with video that nothing here decodes, brings no frame and no end. */
static void
check_video (GstElement *decoder, gpointer video)
{
  GstPad *pad = gst_element_get_static_pad (video, "sink");

  if (!gst_pad_is_linked (pad))
    GST_ELEMENT_ERROR (decoder, STREAM, WRONG_TYPE, ("there is no video in it that can be decoded"), (NULL));
  gst_object_unref (pad);
}

static GstElement *
new_pipeline (const char *element, const char *model, const char *video, GError **error)
{
  char *text = g_strdup_printf ("filesrc name=file ! decodebin name=decoder ! queue name=video ! videoconvert ! "
                                "%s name=network ! queue ! appsink name=frames sync=false max-buffers=1",
                                element);
  GstElement *pipeline = gst_parse_launch (text, error);

  g_free (text);
  if (!pipeline)
    return NULL;

  GstElement *decoder = gst_bin_get_by_name (GST_BIN (pipeline), "decoder");
  GstElement *decoded = gst_bin_get_by_name (GST_BIN (pipeline), "video");
  g_signal_connect_object (decoder, "no-more-pads", G_CALLBACK (check_video), decoded, 0);
  gst_object_unref (decoded);
  gst_object_unref (decoder);
  gst_child_proxy_set (GST_CHILD_PROXY (pipeline), "file::location", video, "network::model", model, NULL);
  return pipeline;
}

/* Prints what went wrong, if anything did, warnings, and which decoders are missing. */
static gboolean
print_error (GstElement *pipeline, const char *video)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessageType types = GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT;
  GstMessage *message;
  gboolean failed = FALSE;

  while (!failed && (message = gst_bus_pop_filtered (bus, types))) {
    const GstStructure *structure = gst_message_get_structure (message);
    GError *error = NULL;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("error: %s: %s\n", video, error->message);
      failed = TRUE;
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      gst_message_parse_warning (message, &error, NULL);
      g_printerr ("warning: %s\n", error->message);
    } else if (gst_structure_has_name (structure, "missing-plugin")) {
      g_printerr ("missing: %s: install it (on Debian, gstreamer1.0-libav and gstreamer1.0-plugins-bad have most)\n",
                  gst_structure_get_string (structure, "name"));
    }
    g_clear_error (&error);
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  return failed;
}

/* From the environment: how many seconds without a frame are too many. */
static gboolean
read_patience (guint64 *patience)
{
  const char *text = g_getenv ("DICENET_PATIENCE");

  if (g_ascii_string_to_unsigned (text ? text : "60", 10, 1, G_MAXUINT32, patience, NULL))
    return TRUE;
  g_printerr ("error: DICENET_PATIENCE must be a whole number of seconds from 1, not '%s'\n", text);
  return FALSE;
}

/* Some files neither go on nor end: a GIF before GStreamer 1.24. */
static gboolean
is_stuck (gint64 last_frame, guint64 patience, const char *video)
{
  if (g_get_monotonic_time () - last_frame < (gint64) patience * G_USEC_PER_SEC)
    return FALSE;
  g_printerr ("error: %s: no frame for %" G_GUINT64_FORMAT " seconds\n", video, patience);
  return TRUE;
}

/* Until the end, or an error: a pipeline that fails sends no frames, but need not say that there will be none either.
 * To GStreamer, a damaged file without a frame has just ended. */
static gboolean
print_frames (GstElement *pipeline, const char *video, guint64 patience)
{
  GstElement *frames = gst_bin_get_by_name (GST_BIN (pipeline), "frames");
  gboolean failed = FALSE, any = FALSE;
  gint64 last_frame = g_get_monotonic_time ();

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!failed && !gst_app_sink_is_eos (GST_APP_SINK (frames))) {
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (frames), GST_SECOND / 10);
    if (sample) {
      print_results (gst_sample_get_buffer (sample));
      gst_sample_unref (sample);
      last_frame = g_get_monotonic_time ();
      any = TRUE;
    } else {
      failed = print_error (pipeline, video) || is_stuck (last_frame, patience, video);
    }
  }
  failed = failed || print_error (pipeline, video);
  if (!failed && !any)
    g_printerr ("error: %s: not one frame came from it: it may be damaged\n", video);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (frames);
  return any && !failed;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  guint64 patience;

  gst_init (&argc, &argv);
  if (argc != 4) {
    g_printerr ("usage: read-results dicenetclassify|dicenetdetect|dicenetsegment MODEL VIDEO\n");
    return 2;
  }
  if (!read_patience (&patience))
    return 1;
  GstElement *pipeline = new_pipeline (argv[1], argv[2], argv[3], &error);
  if (!pipeline) {
    g_printerr ("error: %s\n", error->message);
    g_error_free (error);
    return 1;
  }
  gboolean ok = print_frames (pipeline, argv[3], patience);
  gst_object_unref (pipeline);
  return ok ? 0 : 1;
}
