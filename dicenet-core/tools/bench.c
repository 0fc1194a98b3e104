/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <math.h>
#include <time.h>
#include "../api/session-private.h"
#include "json-out.h"
#include "streams.h"

#define WARM_UP_RUNS 3
#define MIN_RUNS     10

typedef struct {
  char *size, *backend, *precision, *streams;
  int batch, threads;
  double seconds;
  gboolean json, steps;
} Options;

/* Milliseconds: to load the model; from then to the end of the first run, which creates threads, plan and memory; CPU
 * time of a later run, and its time on a GPU. */
typedef struct {
  double load, first_run, cpu, device;
} Costs;

static double
ms_since (gint64 begin)
{
  return (double) (g_get_monotonic_time () - begin) / 1e3;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static double
percentile (const GArray *sorted, double p)
{
  const double at = p * (sorted->len - 1);
  const guint low = (guint) at, high = MIN (low + 1, sorted->len - 1);
  return g_array_index (sorted, double, low) +
         (at - low) * (g_array_index (sorted, double, high) - g_array_index (sorted, double, low));
}

gfloat *
dicenet_tool_make_input (gsize n, GError **error)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gfloat *data = g_try_new (gfloat, n);

  if (data == NULL)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
                 "no memory for frames of %.1f MB: ask for fewer (--batch, --streams), or smaller ones (--size)",
                 (double) n * sizeof *data / 1e6);
  for (gsize i = 0; data && i < n; i++)
    data[i] = (gfloat) g_rand_double_range (rand, -2, 2);
  return data;
}

double
dicenet_tool_cpu_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

/* Milliseconds of each run, sorted. In @costs, sets the mean CPU time and the median GPU time. NULL with @error set. */
static GArray *
measure (DicenetSession *session, const gfloat *input, guint batch, guint width, guint height, double seconds,
         Costs *costs, GError **error)
{
  const DicenetExecutor *executor = dicenet_session_get_executor (session);
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) device = g_array_new (FALSE, FALSE, sizeof (double));
  gint64 begin = 0;

  for (guint i = 0; i < WARM_UP_RUNS + MIN_RUNS || (double) (g_get_monotonic_time () - begin) < seconds * 1e6; i++) {
    const gint64 start = g_get_monotonic_time ();
    if (i == WARM_UP_RUNS) {
      begin = start;
      costs->cpu = dicenet_tool_cpu_ms ();
    }
    if (!dicenet_tool_run_tensor (session, input, batch, width, height, error))
      return NULL;
    const double ms = ms_since (start), on_device = executor->device_seconds * 1e3;
    if (i >= WARM_UP_RUNS) {
      g_array_append_val (times, ms);
      g_array_append_val (device, on_device);
    }
  }
  costs->cpu = (dicenet_tool_cpu_ms () - costs->cpu) / times->len;
  g_array_sort (times, compare_doubles);
  g_array_sort (device, compare_doubles);
  costs->device = percentile (device, 0.5);
  return g_steal_pointer (&times);
}

static void
print_json (const char *backend, const char *precision, guint threads, guint batch, guint width, guint height,
            const GArray *times, const Costs *costs)
{
  const double median = percentile (times, 0.5);
  DicenetJsonOut out = DICENET_JSON_OUT_INIT;
  const struct {
    const char *name;
    double value;
  } numbers[] = {
    { "threads", threads },
    { "batch", batch },
    { "width", width },
    { "height", height },
    { "runs", times->len },
    { "median_ms", median },
    { "p10_ms", percentile (times, 0.1) },
    { "p90_ms", percentile (times, 0.9) },
    { "cpu_ms", costs->cpu },
    { "device_ms", costs->device },
    { "frames_per_second", 1e3 * batch / median },
    { "load_ms", costs->load },
    { "first_run_ms", costs->first_run },
  };

  dicenet_json_out_open (&out, NULL, '{');
  dicenet_json_out_string (&out, "backend", backend);
  dicenet_json_out_string (&out, "precision", precision);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    dicenet_json_out_number (&out, numbers[i].name, numbers[i].value);
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_print (&out);
}

static gboolean
check_options (const Options *o, GError **error)
{
  if (o->steps && o->json) {
    g_set_error_literal (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "--steps prints a table: leave out --json");
    return FALSE;
  }
  if (o->steps && o->streams) {
    g_set_error_literal (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                         "--steps measures one session: leave out --streams");
    return FALSE;
  }
  if (o->batch >= 1 && o->batch <= 4096 && o->threads >= 0 && o->threads <= 1024 && o->seconds >= 0 &&
      o->seconds <= 3600)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "expected --batch from 1 to 4096, --threads from 0 to 1024, --seconds from 0 to 3600");
  return FALSE;
}

static gboolean
bench_streams (DicenetModel *model, DicenetOptions *options, const Options *o, guint width, guint height,
               GError **error)
{
  const DicenetStreams what = {
    .counts = o->streams,
    .threads = (guint) o->threads,
    .batch = (guint) o->batch,
    .width = width,
    .height = height,
    .seconds = o->seconds,
    .json = o->json,
  };
  return dicenet_tool_time_streams (model, options, &what, error);
}

static gboolean
bench (const char *path, const Options *o, GError **error)
{
  guint width, height;
  g_autoptr (DicenetOptions) options = dicenet_options_new ();
  Costs costs;

  if (!check_options (o, error))
    return FALSE;
  gint64 begin = g_get_monotonic_time ();
  g_autoptr (DicenetModel) model = dicenet_model_load (path, error);
  if (model == NULL || !dicenet_tool_parse_size (o->size, model, &width, &height, error) ||
      !dicenet_tool_parse_options (options, o->backend, o->precision, error))
    return FALSE;
  if (o->streams)
    return bench_streams (model, options, o, width, height, error);
  dicenet_options_set_threads (options, (guint) o->threads);
  costs.load = ms_since (begin);

  const guint batch = (guint) o->batch;
  const gsize n = 3 * (gsize) batch * width * height;
  g_autofree gfloat *input = dicenet_tool_make_input (n, error);
  if (input == NULL)
    return FALSE;
  begin = g_get_monotonic_time ();
  g_autoptr (DicenetSession) session = dicenet_tool_open (model, options, error);
  if (session == NULL || !dicenet_tool_run_tensor (session, input, batch, width, height, error))
    return FALSE;
  costs.first_run = ms_since (begin);

  g_autoptr (GArray) times = measure (session, input, batch, width, height, o->seconds, &costs, error);
  if (times == NULL)
    return FALSE;

  const char *name = dicenet_tool_nick (DICENET_TYPE_BACKEND, (int) dicenet_session_get_backend (session));
  const char *computed_in = dicenet_tool_nick (DICENET_TYPE_PRECISION, (int) dicenet_session_get_precision (session));
  const guint threads = dicenet_session_get_n_threads (session);
  const double median = percentile (times, 0.5);
  g_autofree char *on_device = costs.device > 0 ? g_strdup_printf (" (%.3f on the GPU)", costs.device) : g_strdup ("");
  if (o->json)
    print_json (name, computed_in, threads, batch, width, height, times, &costs);
  else
    g_print ("%s, %s, %u threads, batch %u, %u x %u: median %.2f ms%s, p10 %.2f, p90 %.2f, %.2f ms of processor time, "
             "%u runs, %.1f frames per second; loaded in %.1f ms, first run %.1f ms\n",
             name, computed_in, threads, batch, width, height, median, on_device, percentile (times, 0.1),
             percentile (times, 0.9), costs.cpu, times->len, 1e3 * batch / median, costs.load, costs.first_run);
  return !o->steps || dicenet_tool_time_steps (session, input, width, height, o->seconds, error);
}

gboolean
dicenet_tool_bench (int argc, char **argv, GError **error)
{
  Options o = { .batch = 1, .seconds = 3 };
  const GOptionEntry entries[] = {
    { "size", 's', 0, G_OPTION_ARG_STRING, &o.size, "inference size; the model's own by default", "WxH" },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &o.batch, "pictures per run (1)", "N" },
    { "threads", 't', 0, G_OPTION_ARG_INT, &o.threads,
      "threads of a session; 0, the default, for one per processor, or with --streams for its share of them, at least "
      "1",
      "N" },
    { "streams", 0, 0, G_OPTION_ARG_STRING, &o.streams,
      "sessions of the model that run at once, each on frames of its own: numbers up to 256, which are measured in "
      "turn",
      "N[,N...]" },
    DICENET_TOOL_CPU_MASK_ENTRY,
    { "backend", 0, 0, G_OPTION_ARG_STRING, &o.backend, "auto, cpu or cuda", "B" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &o.precision,
      "float32 (the default), bfloat16, int8, float16, tf32 or auto", "P" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.seconds,
      "how long to measure, at least 10 runs (3); with --streams, each number of them, at least 5 runs", "S" },
    { "steps", 0, 0, G_OPTION_ARG_NONE, &o.steps, "also print what each kind of step takes", NULL },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &o.json, "print JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const gboolean ok = dicenet_tool_parse (&argc, &argv, entries, "MODEL", 1, error) && bench (argv[1], &o, error);

  g_free (o.size);
  g_free (o.backend);
  g_free (o.precision);
  g_free (o.streams);
  return ok;
}
