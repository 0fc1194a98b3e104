/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs many short pipelines in several threads, which share models and worker threads, with states, seeks, properties
 * and errors at random times, to find crashes, hangs, and errors that sanitizers detect.
 *
 *   stress [--seconds N] [--threads N] [--seed N] [--long] [--control] [--sample N]
 *
 * --long: the first thread's pipeline runs throughout, without errors.
 * --control: with identity instead of our elements, to measure GStreamer itself.
 * --sample N: every N seconds the other threads stop their pipelines and wait while memory is measured, for soak.py.
 * Prints the numbers of pipelines, actions, errors and frames. The program aborts if a thread makes no progress for a
 * minute. */

#include <gst/gst.h>
#include <gst/video/video.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <stdlib.h>

#define HANG_SECONDS 60

static gint option_seconds = 10, option_threads = 3, option_seed = 1, option_sample;
static gboolean option_long, option_control;
static gint64 end_time;
static gint n_pipelines, n_actions, n_errors, n_frames;

/* Between pipelines, while memory is measured. */
static GMutex rest_lock;
static GCond rest_over;
static gboolean rest_wanted;
static gint n_resting;

typedef struct {
  GRand *random;
  GstElement *pipeline;
  char *model; /* this pipeline's own model file, which may be removed; or NULL */
  gboolean gentle;
  gboolean ended; /* there was an error, or the last frame */
  gint frames;    /* of this pipeline */
  gint steps;
} Worker;

static guint
below (Worker *w, guint n)
{
  return (guint) g_rand_int_range (w->random, 0, (gint32) n);
}

static gboolean
chance (Worker *w, guint of)
{
  return below (w, of) == 0;
}

#define PICK(w, table) (table)[below (w, G_N_ELEMENTS (table))]

/* --- pipelines --- */

static char *
model_path (const char *name)
{
  return g_strdup_printf ("%s/%s.safetensors", g_getenv ("DICENET_TEST_MODELS"), name);
}

/* A separate file, so that it is not a model that others have open. Memory-mapped, so that it does not count in the
 * heap. */
static void
copy_model (Worker *w, const char *name)
{
  g_autofree char *from = model_path (name);
  GMappedFile *model = g_mapped_file_new (from, FALSE, NULL);

  if (!model)
    g_error ("%s can't be read", from);
  gsize size = g_mapped_file_get_length (model);
  gint file = g_file_open_tmp ("dicenet-stress-XXXXXX.safetensors", &w->model, NULL);
  g_assert_cmpint (file, >=, 0);
  g_close (file, NULL);
  if (chance (w, 4))
    size = g_rand_int_range (w->random, 0, (gint32) size);
  g_file_set_contents (w->model, g_mapped_file_get_contents (model), (gssize) size, NULL);
  g_mapped_file_unref (model);
}

static void
append_inference (Worker *w, GString *line, guint i)
{
  static const char *const tasks[] = { "classify", "detect", "segment" };
  static const char *const sizes[] = { "auto", "model", "native", "32x32", "64x48", "384x384" };
  const char *task = PICK (w, tasks);
  g_autofree char *shared = model_path (task);

  if (option_control) {
    g_string_append_printf (line, " ! identity name=e%u", i);
    return;
  }
  if (!w->gentle && !w->model && chance (w, 6))
    copy_model (w, task);
  const char *size = PICK (w, sizes), *mode = chance (w, 2) ? "newest" : "every-frame";
  const gboolean on_objects = i > 0 && !g_str_equal (size, "native") && !g_str_equal (mode, "newest") && chance (w, 2);
  g_string_append_printf (
      line,
      " ! dicenet%s name=e%u model=%s threads=%u inference-size=%s inference-interval=%u overlay=%s "
      "inference-mode=%s inference-region=%s object-margin=0.%u max-objects=%u",
      task, i, w->model && chance (w, 2) ? w->model : shared, 1 + below (w, 3), size, 1 + below (w, 4),
      chance (w, 2) ? "true" : "false", mode, on_objects ? "objects" : "full-frame", below (w, 10), 1 + below (w, 20));
  if (chance (w, 3))
    g_string_append (line, " ! queue max-size-buffers=3");
}

static char *
choose_launch (Worker *w)
{
  static const char *const formats[] = { "RGB", "BGRx", "I420", "NV12", "YUY2", "GRAY8" };
  static const char *const ends[] = { "dicenetjson",
                                      "dicenetmask",
                                      "dicenetoverlay",
                                      "identity",
                                      "dicenettrack ! dicenetoverlay",
                                      "dicenettrack ! dicenetjson" };
  GString *line = g_string_new (NULL);

  g_string_printf (line,
                   "videotestsrc name=src num-buffers=%d is-live=%s ! capsfilter name=caps caps-change-mode=delayed "
                   "caps=video/x-raw,format=%s,width=%u,height=%u,framerate=%u/1",
                   option_long && w->gentle ? -1 : (gint) below (w, 60), w->gentle || chance (w, 5) ? "true" : "false",
                   PICK (w, formats), 16 + below (w, 100), 16 + below (w, 100), 15 + below (w, 50));
  for (guint i = 0, n = 1 + below (w, 2); i < n; i++)
    append_inference (w, line, i);
  if (!option_control && chance (w, 3))
    g_string_append (line, " ! dicenettrack ! dicenetcount post-messages=true confirmations=1 "
                           "lines=a:0.2,0.5,0.9,0.4 zones=b:0.1,0.1,0.7,0.1,0.5,0.9");
  g_string_append_printf (line,
                          " ! tee name=t  t. ! queue ! %s ! fakesink name=sink async=false sync=false  "
                          "t. ! queue leaky=downstream ! %s ! fakesink async=false sync=%s",
                          option_control ? "identity" : PICK (w, ends), option_control ? "identity" : PICK (w, ends),
                          chance (w, 3) ? "true" : "false");
  return g_string_free (line, FALSE);
}

/* --- errors --- */

static GstPadProbeReturn
count_frame (GstPad *pad, GstPadProbeInfo *info, gpointer worker)
{
  g_atomic_int_inc (&((Worker *) worker)->frames);
  g_atomic_int_inc (&n_frames);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
shorten (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  gst_buffer_set_size (buffer, (gssize) (gst_buffer_get_size (buffer) / 2));
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_REMOVE;
}

static GstPadProbeReturn
refuse (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = (GstFlowReturn) GPOINTER_TO_INT (data);
  return GST_PAD_PROBE_HANDLED;
}

static void
add_probe (Worker *w, const char *element, const char *pad_name, GstPadProbeCallback probe, gpointer data)
{
  GstElement *found = gst_bin_get_by_name (GST_BIN (w->pipeline), element);
  GstPad *pad = gst_element_get_static_pad (found, pad_name);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, data, NULL);
  gst_object_unref (pad);
  gst_object_unref (found);
}

static void
break_something (Worker *w)
{
  static const GstFlowReturn flows[] = { GST_FLOW_ERROR, GST_FLOW_FLUSHING, GST_FLOW_EOS, GST_FLOW_NOT_NEGOTIATED };

  if (w->gentle)
    return;
  switch (below (w, 3)) {
  case 0:
    add_probe (w, "e0", "sink", shorten, NULL);
    break;
  case 1:
    add_probe (w, "sink", "sink", refuse, GINT_TO_POINTER (PICK (w, flows)));
    break;
  default:
    if (w->model)
      g_remove (w->model);
    break;
  }
}

/* --- actions --- */

/* Flushing seeks only: others block until frames flow again, which may not happen. */
static void
seek (Worker *w)
{
  gst_element_seek_simple (w->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, below (w, 2000) * GST_MSECOND);
}

static void
set_state (Worker *w)
{
  static const GstState states[] = { GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING };

  gst_element_set_state (w->pipeline, w->gentle ? GST_STATE_PAUSED : PICK (w, states));
  if (w->gentle || !chance (w, 4))
    gst_element_set_state (w->pipeline, GST_STATE_PLAYING);
}

static void
set_property (Worker *w)
{
  if (option_control)
    return;
  GstElement *element = gst_bin_get_by_name (GST_BIN (w->pipeline), "e0");
  GstStructure *stats = NULL;

  switch (below (w, 7)) {
  case 0:
    g_object_set (element, "overlay", chance (w, 2), NULL);
    break;
  case 1:
    g_object_set (element, "inference-interval", 1 + below (w, 5), NULL);
    break;
  case 2:
    g_object_set (element, "post-messages", chance (w, 2), NULL);
    break;
  case 3:
    if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "object-class"))
      g_object_set (element, "object-class", chance (w, 2) ? "person,dog" : "nobody", NULL);
    if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "class-thresholds"))
      g_object_set (element, "class-thresholds", "cat=0.3", NULL);
    break;
  case 4:
    g_object_set (element, "max-age", (guint64) below (w, 3) * 20 * GST_MSECOND, NULL);
    break;
  case 5:
    g_object_set (element, "object-min-size", below (w, 60), "max-objects", 1 + below (w, 20), NULL);
    break;
  default:
    g_object_get (element, "stats", &stats, NULL);
    gst_structure_free (stats);
    break;
  }
  gst_object_unref (element);
}

static void
set_caps (Worker *w)
{
  GstElement *filter = gst_bin_get_by_name (GST_BIN (w->pipeline), "caps");
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "width", G_TYPE_INT, 16 + (gint) below (w, 100), "height",
                                       G_TYPE_INT, 16 + (gint) below (w, 100), NULL);

  g_object_set (filter, "caps", caps, NULL);
  gst_caps_unref (caps);
  gst_object_unref (filter);
}

static void
ask (Worker *w)
{
  GstQuery *query = gst_query_new_latency ();

  gst_element_query (w->pipeline, query);
  gst_query_unref (query);
}

static void
act (Worker *w)
{
  void (*const actions[]) (Worker *) = { seek, set_state, set_property, set_property, set_caps, ask, break_something };

  g_atomic_int_inc (&n_actions);
  if (w->gentle && option_long)
    actions[2 + below (w, 3)](w); /* a seek beyond the end would end it */
  else
    PICK (w, actions) (w);
}

/* The error must be valid text, and caused by what was broken. */
static void
check_error (Worker *w, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  if (!g_utf8_validate (error->message, -1, NULL))
    g_error ("an error that is no text");
  if (w->gentle)
    g_error ("an error where nothing was broken: %s (%s)", error->message, debug);
  g_atomic_int_inc (&n_errors);
}

static void
read_bus (Worker *w)
{
  GstBus *bus = gst_element_get_bus (w->pipeline);
  GstMessage *message;

  while ((message = gst_bus_pop (bus))) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      check_error (w, message);
    w->ended |= (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_ERROR | GST_MESSAGE_EOS)) != 0;
    gst_message_unref (message);
  }
  gst_object_unref (bus);
}

/* With sanitizers and on busy machines, the pipeline would otherwise end before the first frame. */
static void
wait_for_frame (Worker *w)
{
  for (guint i = 0; i < 250 && !w->ended && g_atomic_int_get (&w->frames) == 0; i++) {
    if (g_get_monotonic_time () >= end_time)
      break;
    g_usleep (20000);
    read_bus (w);
    g_atomic_int_inc (&w->steps);
  }
}

/* A capsfilter leaks its former caps if it is freed while it waits for frames with them. */
static void
forget_former_caps (Worker *w)
{
  GstElement *filter = gst_bin_get_by_name (GST_BIN (w->pipeline), "caps");

  gst_util_set_object_arg (G_OBJECT (filter), "caps-change-mode", "immediate");
  gst_object_unref (filter);
}

static void
run_pipeline (Worker *w)
{
  g_autofree char *launch = choose_launch (w);
  GError *error = NULL;

  w->pipeline = gst_parse_launch (launch, &error);
  if (error)
    g_error ("%s: %s", launch, error->message);
  add_probe (w, "sink", "sink", count_frame, w);
  w->frames = 0;
  w->ended = FALSE;
  gst_element_set_state (w->pipeline, GST_STATE_PLAYING);
  if (!chance (w, 4))
    wait_for_frame (w);
  for (guint n = w->gentle && option_long ? G_MAXUINT : 1 + below (w, 12); n > 0; n--) {
    if (g_get_monotonic_time () >= end_time)
      break;
    g_usleep (below (w, w->gentle ? 200000 : 30000));
    act (w);
    read_bus (w);
    g_atomic_int_inc (&w->steps);
  }
  gst_element_set_state (w->pipeline, GST_STATE_NULL);
  read_bus (w);
  forget_former_caps (w);
  gst_clear_object (&w->pipeline);
  if (w->model)
    g_remove (w->model);
  g_clear_pointer (&w->model, g_free);
  g_atomic_int_inc (&n_pipelines);
}

/* --- memory samples --- */

static void
rest (Worker *w)
{
  g_mutex_lock (&rest_lock);
  if (rest_wanted) {
    n_resting++;
    while (rest_wanted)
      g_cond_wait (&rest_over, &rest_lock);
    n_resting--;
  }
  g_mutex_unlock (&rest_lock);
}

/* Bytes in use, and bytes that the allocator got from the system; the long pipeline keeps running. */
static void
print_sample (void)
{
  const struct mallinfo2 info = mallinfo2 ();

  g_print ("in use %zu KiB, heap %zu KiB, %d pipelines\n", (info.uordblks + info.hblkhd) / 1024,
           (info.arena + info.hblkhd) / 1024, g_atomic_int_get (&n_pipelines));
}

/* Requests a rest when it is due, and ends it when all threads rest or the test ends. */
static void
sample_memory (void)
{
  static gint64 last;
  const gint64 now = g_get_monotonic_time ();

  if (option_sample < 1)
    return;
  g_mutex_lock (&rest_lock);
  const gboolean at_rest = n_resting == option_threads - option_long;
  if (rest_wanted && (at_rest || now >= end_time)) {
    if (at_rest)
      print_sample ();
    rest_wanted = FALSE;
    last = now;
    g_cond_broadcast (&rest_over);
  } else if (n_resting == 0 && now < end_time && now - last > option_sample * G_USEC_PER_SEC) {
    rest_wanted = TRUE;
  }
  g_mutex_unlock (&rest_lock);
}

static gpointer
work (gpointer data)
{
  Worker *w = data;

  while (g_get_monotonic_time () < end_time) {
    run_pipeline (w);
    g_atomic_int_inc (&w->steps);
    rest (w);
  }
  g_atomic_int_set (&w->steps, -1);
  return NULL;
}

/* Returns when all threads are done. */
static void
watch (Worker *workers)
{
  gint *seen = g_new0 (gint, option_threads);
  gint64 *since = g_new0 (gint64, option_threads);

  for (gint running = option_threads; running > 0;) {
    g_usleep (G_USEC_PER_SEC / 10);
    sample_memory ();
    running = 0;
    for (gint i = 0; i < option_threads; i++) {
      const gint steps = g_atomic_int_get (&workers[i].steps);
      const gint64 now = g_get_monotonic_time ();
      if (steps != seen[i] || since[i] == 0)
        since[i] = now;
      seen[i] = steps;
      running += steps >= 0;
      if (steps >= 0 && now - since[i] > HANG_SECONDS * G_USEC_PER_SEC)
        g_error ("thread %d hangs", i);
    }
  }
  g_free (seen);
  g_free (since);
}

static void
parse_options (int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "seconds", 0, 0, G_OPTION_ARG_INT, &option_seconds, "how long (10)", "N" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &option_threads, "pipelines at once (3)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &option_seed, "of the random numbers (1)", "N" },
    { "sample", 0, 0, G_OPTION_ARG_INT, &option_sample, "seconds between looks at memory (0: none)", "N" },
    { "long", 0, 0, G_OPTION_ARG_NONE, &option_long, "one pipeline runs for all of the time", NULL },
    { "control", 0, 0, G_OPTION_ARG_NONE, &option_control, "the same without our elements", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  GOptionContext *context = g_option_context_new (NULL);
  GError *error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &error) || option_threads < 1 || option_seconds < 1) {
    g_printerr ("error: %s\n", error ? error->message : "--threads and --seconds are from 1");
    exit (2);
  }
  g_option_context_free (context);
}

int
main (int argc, char **argv)
{
  parse_options (&argc, &argv);
  gst_init (&argc, &argv);
  end_time = g_get_monotonic_time () + option_seconds * G_USEC_PER_SEC;
  Worker *workers = g_new0 (Worker, option_threads);
  GThread **threads = g_new0 (GThread *, option_threads);

  for (gint i = 0; i < option_threads; i++) {
    workers[i].random = g_rand_new_with_seed ((guint32) (option_seed * 1000 + i));
    workers[i].gentle = option_long && i == 0;
    threads[i] = g_thread_new ("worker", work, &workers[i]);
  }
  watch (workers);
  for (gint i = 0; i < option_threads; i++) {
    g_thread_join (threads[i]);
    g_rand_free (workers[i].random);
  }
  g_free (threads);
  g_free (workers);
  g_print ("%d pipelines, %d actions, %d errors, %d frames\n", n_pipelines, n_actions, n_errors, n_frames);
  gst_deinit ();
  return n_frames > 0 ? 0 : 1;
}
