/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* 300 frames through all elements, for programs that look for leaks. With the argument "leak" some results are kept for
 * ever: whoever looks must find that.
 *
 *   leaks CLASSIFY.safetensors DETECT.safetensors SEGMENT.safetensors [leak]
 */

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/gst.h>

#define FRAMES 300

static GstPadProbeReturn
lose_a_result (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (GST_PAD_PROBE_INFO_BUFFER (info), GST_DICENET_TASK_SEGMENT);

  gst_dicenet_result_ref (meta->result);
  return GST_PAD_PROBE_OK;
}

static GstElement *
new_pipeline (char **models)
{
  GError *error = NULL;
  /* Inferences are slow under valgrind and one leaks as many do: every frame gets metas, few of them new results. The
   * overlay's size is one that text fits into. */
  char *text = g_strdup_printf ("videotestsrc num-buffers=%d ! video/x-raw,format=BGRx,width=48,height=32 ! "
                                "dicenetclassify model=\"%s\" inference-size=32x32 inference-interval=30 threads=1 ! "
                                "dicenetdetect model=\"%s\" inference-size=32x32 inference-interval=30 threads=1 ! "
                                "dicenetsegment model=\"%s\" inference-size=32x32 inference-interval=30 threads=1 ! "
                                "dicenetoverlay name=overlay ! tee name=tee ! queue ! dicenetmask ! fakesink "
                                "tee. ! queue ! dicenetjson ! fakesink",
                                FRAMES, models[0], models[1], models[2]);
  GstElement *pipeline = gst_parse_launch (text, &error);

  if (!pipeline)
    g_error ("%s", error->message);
  g_free (text);
  return pipeline;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  if (argc < 4) {
    g_printerr ("usage: leaks CLASSIFY DETECT SEGMENT [leak]\n");
    return 2;
  }
  GstElement *pipeline = new_pipeline (argv + 1);
  if (argc > 4) {
    GstElement *overlay = gst_bin_get_by_name (GST_BIN (pipeline), "overlay");
    GstPad *pad = gst_element_get_static_pad (overlay, "sink");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, lose_a_result, NULL, NULL);
    gst_object_unref (pad);
    gst_object_unref (overlay);
  }
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  int status = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS ? 0 : 1;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_message_unref (message);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  gst_deinit ();
  return status;
}
