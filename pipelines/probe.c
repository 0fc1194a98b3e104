/* Looks at a file before a pipeline is built for it: which of its streams can be decoded, and what they are like.
 *
 *   dicenet-probe [--video N] FILE|ADDRESS
 *
 * Prints KEY=VALUE lines, which hold nothing but numbers and spaces:
 *   video=0             the pad of decodebin (src_0) that has the video; the Nth one, or the first
 *   size=640 360        of its frames, as they are shown: turned ones have been set upright
 *   par=1 1             the shape of a pixel, likewise
 *   sound=1 2           the pads that have sound
 *   duration=4000000000 of the file in nanoseconds, 0 where that is unknown
 * What is left out goes to standard error. It fails where there is no such video, or nothing here decodes it.
 *
 * Needs: GStreamer's base plugins.
 * Shows: GstDiscoverer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/pbutils/pbutils.h>
#include <stdlib.h>

#define TIMEOUT (30 * GST_SECOND) /* for files that come slowly through a network, too */

/* Debian's packages of decoders. Anything else that moves: FFmpeg. */
static const struct {
  const char *caps, *package;
} packages[] = {
  { "video/x-vp8", "gstreamer1.0-plugins-good" },
  { "video/x-vp9", "gstreamer1.0-plugins-good" },
  { "video/x-theora", "gstreamer1.0-plugins-base" },
  { "video/x-av1", "gstreamer1.0-plugins-bad" },
  { "image/jpeg", "gstreamer1.0-plugins-good" },
  { "image/png", "gstreamer1.0-plugins-good" },
  { "image/webp", "gstreamer1.0-plugins-bad" },
  { "image/svg+xml", "gstreamer1.0-plugins-bad" },
  { "video/x-h264", "gstreamer1.0-libav" },
  { "video/x-h265", "gstreamer1.0-libav" },
  { "video/mpeg", "gstreamer1.0-libav" },
  { "video/x-h263", "gstreamer1.0-libav" },
  { "video/x-wmv", "gstreamer1.0-libav" },
  { "video/x-prores", "gstreamer1.0-libav" },
  { "video/x-dv", "gstreamer1.0-libav" },
  { "video/x-msmpeg", "gstreamer1.0-libav" },
  { "video/x-divx", "gstreamer1.0-libav" },
};

static char *
get_uri (const char *name, GError **error)
{
  return gst_uri_is_valid (name) ? g_strdup (name) : gst_filename_to_uri (name, error);
}

/* decodebin numbers its pads like this: videos first, then sound, each by stream id. */
static gint
compare_ids (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (gst_discoverer_stream_info_get_stream_id ((GstDiscovererStreamInfo *) a),
                    gst_discoverer_stream_info_get_stream_id ((GstDiscovererStreamInfo *) b));
}

/* Decoders of GIF before GStreamer 1.24 repeat the first frame for ever. */
static gboolean
is_endless (const char *type)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);
  return minor < 24 && g_str_has_suffix (type, "gif");
}

static gboolean
is_decoded (GstDiscovererStreamInfo *stream)
{
  GstCaps *caps = gst_discoverer_stream_info_get_caps (stream);
  GList *all = gst_element_factory_list_get_elements (GST_ELEMENT_FACTORY_TYPE_DECODER, GST_RANK_MARGINAL);
  GList *decoders = caps ? gst_element_factory_list_filter (all, caps, GST_PAD_SINK, FALSE) : NULL;
  const char *type = caps ? gst_structure_get_name (gst_caps_get_structure (caps, 0)) : "";
  gboolean found = (decoders || g_str_has_suffix (type, "/x-raw")) && !is_endless (type);

  gst_plugin_feature_list_free (decoders);
  gst_plugin_feature_list_free (all);
  g_clear_pointer (&caps, gst_caps_unref);
  return found;
}

static GList *
get_decoded (GList *streams)
{
  GList *decoded = NULL;

  for (GList *item = streams; item; item = item->next)
    if (is_decoded (item->data))
      decoded = g_list_insert_sorted (decoded, item->data, compare_ids);
  return decoded;
}

static void
print_codec (GstDiscovererStreamInfo *stream)
{
  GstCaps *caps = gst_discoverer_stream_info_get_caps (stream);

  if (!caps)
    return;
  const char *type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (is_endless (type)) {
    g_printerr (
        ": it is a GIF, which GStreamer plays from 1.24 on; FFmpeg makes a video of it: ffmpeg -i FILE.gif FILE.mp4");
    gst_caps_unref (caps);
    return;
  }
  char *codec = gst_pb_utils_get_codec_description (caps);
  gboolean known = codec && strstr (codec, type) == NULL; /* what has no name is described by its type */
  g_printerr (": %s (%s)", known ? codec : "an unknown codec", type);
  for (guint i = 0; i < G_N_ELEMENTS (packages); i++)
    if (g_str_equal (packages[i].caps, type))
      g_printerr ("; the Debian package %s has a decoder", packages[i].package);
  g_free (codec);
  gst_caps_unref (caps);
}

/* Why there is no video, in one line. */
static void
print_no_video (const char *name, GstDiscovererInfo *info, GList *videos)
{
  GList *sound = gst_discoverer_info_get_audio_streams (info);

  if (videos) {
    g_printerr ("error: nothing here decodes the video in %s", name);
    print_codec (videos->data);
  } else {
    g_printerr ("error: there is no video in %s", name);
    if (sound)
      g_printerr (", only sound");
  }
  g_printerr ("\n");
  gst_discoverer_stream_info_list_free (sound);
}

/* Sides change places where the picture has to be turned by 90 or 270 degrees. */
static gboolean
is_turned (GstDiscovererInfo *info, GstDiscovererStreamInfo *video)
{
  const GstTagList *lists[] = { gst_discoverer_stream_info_get_tags (video), gst_discoverer_info_get_tags (info) };
  gboolean turned = FALSE, known = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (lists) && !known; i++) {
    char *orientation = NULL;
    known = lists[i] && gst_tag_list_get_string (lists[i], GST_TAG_IMAGE_ORIENTATION, &orientation);
    turned = known && (strstr (orientation, "90") || strstr (orientation, "270"));
    g_free (orientation);
  }
  return turned;
}

static void
print_streams (GstDiscovererInfo *info, GList *videos, guint number, guint n_sound)
{
  GstDiscovererVideoInfo *video = g_list_nth_data (videos, number);
  guint n_videos = g_list_length (videos);
  guint width = gst_discoverer_video_info_get_width (video);
  guint height = gst_discoverer_video_info_get_height (video);
  guint par_n = gst_discoverer_video_info_get_par_num (video);
  guint par_d = gst_discoverer_video_info_get_par_denom (video);
  gboolean turned = is_turned (info, GST_DISCOVERER_STREAM_INFO (video));
  GstClockTime duration = gst_discoverer_info_get_duration (info);

  g_print ("video=%u\nsize=%u %u\n", number, turned ? height : width, turned ? width : height);
  g_print ("par=%u %u\nsound=", turned ? par_d : par_n, turned ? par_n : par_d);
  for (guint i = 0; i < n_sound; i++)
    g_print (i ? " %u" : "%u", n_videos + i);
  g_print ("\nduration=%" G_GUINT64_FORMAT "\n", GST_CLOCK_TIME_IS_VALID (duration) ? duration : 0);
}

/* Fonts and covers, which are no streams. */
static guint
count_attachments (GstDiscovererInfo *info)
{
  const GstTagList *tags = gst_discoverer_info_get_tags (info);

  if (!tags)
    return 0;
  return gst_tag_list_get_tag_size (tags, GST_TAG_ATTACHMENT) + gst_tag_list_get_tag_size (tags, GST_TAG_IMAGE) +
         gst_tag_list_get_tag_size (tags, GST_TAG_PREVIEW_IMAGE);
}

static void
print_left_out (const char *name, GstDiscovererInfo *info, guint n_decoded, guint number)
{
  GList *videos = gst_discoverer_info_get_video_streams (info);
  GList *subtitles = gst_discoverer_info_get_subtitle_streams (info);

  if (n_decoded > 1)
    g_printerr ("%s has %u videos: number %u is taken, --video takes another\n", name, n_decoded, number + 1);
  if (g_list_length (videos) > n_decoded)
    g_printerr ("%s has %u videos that nothing here decodes\n", name, g_list_length (videos) - n_decoded);
  if (subtitles)
    g_printerr ("%s has subtitles, which are left out\n", name);
  if (count_attachments (info))
    g_printerr ("%s has attachments (fonts, a cover), which are left out\n", name);
  gst_discoverer_stream_info_list_free (subtitles);
  gst_discoverer_stream_info_list_free (videos);
}

static gboolean
print_info (const char *name, GstDiscovererInfo *info, guint number)
{
  GList *videos = gst_discoverer_info_get_video_streams (info);
  GList *sound = gst_discoverer_info_get_audio_streams (info);
  GList *decoded = get_decoded (videos);
  GList *decoded_sound = get_decoded (sound);
  guint n_decoded = g_list_length (decoded);
  gboolean ok = number < n_decoded;

  if (ok) {
    print_left_out (name, info, n_decoded, number);
    print_streams (info, decoded, number, g_list_length (decoded_sound));
    if (g_list_length (sound) > g_list_length (decoded_sound))
      g_printerr ("%s has sound that nothing here decodes: it is left out\n", name);
  } else if (n_decoded == 0) {
    print_no_video (name, info, videos);
  } else {
    g_printerr ("error: there is no video %u in %s, only %u\n", number + 1, name, n_decoded);
  }
  g_list_free (decoded_sound);
  g_list_free (decoded);
  gst_discoverer_stream_info_list_free (sound);
  gst_discoverer_stream_info_list_free (videos);
  return ok;
}

/* What stands in the way of looking at it; a missing decoder does not. */
static const char *
get_obstacle (GstDiscovererInfo *info, const GError *error)
{
  switch (info ? gst_discoverer_info_get_result (info) : GST_DISCOVERER_ERROR) {
  case GST_DISCOVERER_OK:
  case GST_DISCOVERER_MISSING_PLUGINS:
    return NULL;
  case GST_DISCOVERER_TIMEOUT:
    return "nothing that can be shown came from it in 30 seconds";
  default:
    return error ? error->message : "it can not be read";
  }
}

static gboolean
look (const char *name, guint number, GError **error)
{
  char *uri = get_uri (name, error);
  GstDiscoverer *discoverer = uri ? gst_discoverer_new (TIMEOUT, error) : NULL;
  if (!discoverer) {
    g_free (uri);
    return FALSE;
  }
  GstDiscovererInfo *info = gst_discoverer_discover_uri (discoverer, uri, error);
  const char *obstacle = get_obstacle (info, *error);
  gboolean ok = FALSE;

  if (!obstacle) {
    g_clear_error (error);
    ok = print_info (name, info, number);
  } else if (!*error) {
    g_set_error_literal (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, obstacle);
  }
  g_clear_object (&info);
  g_object_unref (discoverer);
  g_free (uri);
  return ok;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  int number = 1;
  GOptionEntry entries[] = { { "video", 0, 0, G_OPTION_ARG_INT, &number, "Which of several, from 1", "N" },
                             G_OPTION_ENTRY_NULL };
  GOptionContext *context = g_option_context_new ("FILE|ADDRESS");

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  gboolean parsed = g_option_context_parse (context, &argc, &argv, &error);
  g_option_context_free (context);
  if (!parsed || argc != 2 || number < 1) {
    g_printerr ("error: %s\n", error ? error->message : "usage: dicenet-probe [--video N] FILE|ADDRESS, N from 1");
    g_clear_error (&error);
    return 2;
  }
  gboolean ok = look (argv[1], (guint) number - 1, &error);
  if (error)
    g_printerr ("error: %s: %s\n", argv[1], error->message);
  g_clear_error (&error);
  return ok ? 0 : 1;
}
