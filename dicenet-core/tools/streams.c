/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "streams.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include "../base/threads.h"
#include "json-out.h"
#include "tools.h"
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define MAX_STREAMS 256
#define MAX_ROWS    16
/* Every number of streams gets its turn in every round, so that what else the machine does hits all alike. */
#define ROUNDS 5

/* A number of streams, and what each round measured. */
typedef struct {
  guint n_streams, n_threads;
  double rate[ROUNDS];                      /* frames per second of all streams */
  double slowest[ROUNDS], fastest[ROUNDS];  /* rate of such a stream, in equal shares of all */
  double cpu[ROUNDS];                       /* processor time per frame, in ms */
  double resident[ROUNDS], further[ROUNDS]; /* bytes without the frames: of the process, and of each further stream */
} Row;

typedef struct {
  DicenetModel *model;
  DicenetOptions *options;
  const DicenetStreams *what;
  gfloat *frames; /* one for each stream, so that they don't share the caches' copy */
  gsize frame_floats, frames_bytes;
} Bench;

/* What the threads of a turn share. @lock, pthread's as sanitizers support it, protects what follows it. */
typedef struct {
  const Bench *bench;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  guint n_ready;
  gboolean is_over, is_on;
  gint64 begin, end; /* monotonic time; set before @is_on */
} Turn;

typedef struct {
  Turn *turn;
  DicenetSession *session;
  const gfloat *frame;
  GThread *thread;
  guint n_runs; /* in this turn */
  double rate;  /* of them per second */
  GError *error;
} Stream;

/* --- a stream --- */

/* FALSE if there is nothing to measure. */
static gboolean
get_ready (Turn *turn)
{
  pthread_mutex_lock (&turn->lock);
  turn->n_ready++;
  pthread_cond_broadcast (&turn->changed);
  while (!turn->is_on && !turn->is_over)
    pthread_cond_wait (&turn->changed, &turn->lock);
  const gboolean is_on = turn->is_on;
  pthread_mutex_unlock (&turn->lock);
  return is_on;
}

static gboolean
run_frame (Stream *self)
{
  const DicenetStreams *what = self->turn->bench->what;
  return dicenet_tool_run_tensor (self->session, self->frame, what->batch, what->width, what->height, &self->error);
}

static gpointer
run_stream (gpointer data)
{
  Stream *self = data;
  const Turn *turn = self->turn;
  gboolean ok = run_frame (self); /* makes plan and memory */
  gint64 now;

  if (!get_ready (self->turn) || !ok)
    return NULL;
  do {
    ok = run_frame (self);
    now = g_get_monotonic_time ();
    self->n_runs++;
  } while (ok && now < turn->end);
  self->rate = self->n_runs / ((double) MAX (now - turn->begin, 1) / 1e6);
  return NULL;
}

/* Returns when it has run its first frame. */
static gboolean
start_stream (Stream *self, Turn *turn, guint i, GError **error)
{
  const Bench *bench = turn->bench;
  g_autoptr (GError) reason = NULL;

  self->turn = turn;
  self->frame = bench->frames + i * bench->frame_floats;
  self->session = dicenet_session_new (bench->model, bench->options, error);
  if (self->session == NULL)
    return FALSE;
  self->thread = g_thread_try_new ("stream", run_stream, self, &reason);
  if (self->thread == NULL) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
                 "the thread of stream %u can't be started: %s: ask for fewer streams", i + 1, reason->message);
    return FALSE;
  }
  pthread_mutex_lock (&turn->lock);
  while (turn->n_ready <= i)
    pthread_cond_wait (&turn->changed, &turn->lock);
  pthread_mutex_unlock (&turn->lock);
  return TRUE;
}

/* --- a turn: streams that run at the same time --- */

/* NAN if unknown. */
static double
resident_bytes (void)
{
  g_autofree char *text = NULL;
  unsigned long pages;

  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) || sscanf (text, "%*u %lu", &pages) != 1)
    return NAN;
  return (double) pages * (double) sysconf (_SC_PAGESIZE);
}

/* What earlier turns freed would pass for memory that this one does not need. */
static void
give_back_memory (void)
{
#if defined(__GLIBC__)
  malloc_trim (0);
#endif
}

static gboolean
start_streams (Stream *streams, Turn *turn, Row *row, guint round, GError **error)
{
  const guint n = row->n_streams;
  double first = NAN;

  dicenet_options_set_threads (turn->bench->options, row->n_threads);
  give_back_memory ();
  for (guint i = 0; i < n; i++) {
    if (!start_stream (&streams[i], turn, i, error))
      return FALSE;
    if (i == 0)
      first = resident_bytes ();
  }
  const double all = resident_bytes ();
  row->resident[round] = all - (double) turn->bench->frames_bytes;
  row->further[round] = n > 1 ? (all - first) / (n - 1) : NAN;
  row->n_threads = dicenet_session_get_n_threads (streams[0].session);
  return TRUE;
}

/* Lets those that were started run, or end if not @is_on, and waits for them. */
static void
let_run (Stream *streams, Turn *turn, guint n, gboolean is_on)
{
  pthread_mutex_lock (&turn->lock);
  turn->begin = g_get_monotonic_time ();
  turn->end = turn->begin + (gint64) (turn->bench->what->seconds / ROUNDS * 1e6);
  turn->is_on = is_on;
  turn->is_over = !is_on;
  pthread_cond_broadcast (&turn->changed);
  pthread_mutex_unlock (&turn->lock);
  for (guint i = 0; i < n; i++)
    if (streams[i].thread)
      g_thread_join (streams[i].thread);
}

static void
add_up (const Stream *streams, Row *row, guint round, double cpu_ms, guint batch)
{
  double n_runs = 0, sum = 0, least = INFINITY, most = 0;
  const guint n = row->n_streams;

  for (guint i = 0; i < n; i++) {
    n_runs += streams[i].n_runs;
    sum += streams[i].rate;
    least = MIN (least, streams[i].rate);
    most = MAX (most, streams[i].rate);
  }
  row->rate[round] = sum * batch;
  row->slowest[round] = least * n / sum;
  row->fastest[round] = most * n / sum;
  row->cpu[round] = cpu_ms / (n_runs * batch);
}

/* Frees them; FALSE with @error set if one failed. */
static gboolean
close_streams (Stream *streams, guint n, GError **error)
{
  gboolean ok = TRUE;

  for (guint i = 0; i < n; i++) {
    g_clear_object (&streams[i].session);
    if (streams[i].error == NULL)
      continue;
    if (ok && error && *error == NULL)
      g_propagate_prefixed_error (error, g_steal_pointer (&streams[i].error), "stream %u: ", i + 1);
    g_clear_error (&streams[i].error);
    ok = FALSE;
  }
  return ok;
}

static gboolean
take_turn (const Bench *bench, Row *row, guint round, GError **error)
{
  g_autofree Stream *streams = g_new0 (Stream, row->n_streams);
  Turn turn = { .bench = bench, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

  const gboolean is_on = start_streams (streams, &turn, row, round, error);
  const double cpu = dicenet_tool_cpu_ms ();
  let_run (streams, &turn, row->n_streams, is_on);
  if (is_on)
    add_up (streams, row, round, dicenet_tool_cpu_ms () - cpu, bench->what->batch);
  pthread_cond_destroy (&turn.changed);
  pthread_mutex_destroy (&turn.lock);
  return close_streams (streams, row->n_streams, error) && is_on;
}

/* --- printing --- */

static double
median (const double *rounds)
{
  double sorted[ROUNDS];

  for (guint i = 0; i < ROUNDS; i++) {
    guint at = i;
    for (; at > 0 && sorted[at - 1] > rounds[i]; at--)
      sorted[at] = sorted[at - 1];
    sorted[at] = rounds[i];
  }
  return sorted[ROUNDS / 2];
}

static double
best_rate (const GArray *rows)
{
  double best = 0;

  for (guint i = 0; i < rows->len; i++)
    best = MAX (best, median (g_array_index (rows, Row, i).rate));
  return best;
}

static void
print_megabytes (int width, double bytes)
{
  if (isnan (bytes))
    g_print (" %*s", width, "-");
  else
    g_print (" %*.1f", width, bytes / 1e6);
}

static void
print_table (const char *backend, const char *precision, const DicenetStreams *what, const GArray *rows)
{
  const double best = best_rate (rows);

  g_print ("%s, %s, batch %u, %u x %u, %u processors\n", backend, precision, what->batch, what->width, what->height,
           dicenet_processors ());
  g_print ("%7s %7s %8s %8s %8s %8s %9s %12s %10s\n", "streams", "threads", "frames/s", "of best", "slowest", "fastest",
           "CPU ms", "resident MB", "further MB");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);
    g_print ("%7u %7u %8.1f %6.1f %% %6.1f %% %6.1f %% %9.3f", row->n_streams, row->n_threads, median (row->rate),
             100 * median (row->rate) / best, 100 * median (row->slowest), 100 * median (row->fastest),
             median (row->cpu));
    print_megabytes (12, row->resident[0]);
    print_megabytes (10, row->further[0]);
    g_print ("\n");
  }
  g_print ("of best: frames/s by the best row's; slowest, fastest: a stream's frames/s by the average stream's;\n"
           "CPU ms: processor time per frame; resident: memory without the frames; further: of each further stream\n");
}

static void
print_row (DicenetJsonOut *out, const Row *row, double best)
{
  const struct {
    const char *name;
    double value;
  } numbers[] = {
    { "streams", row->n_streams },
    { "threads", row->n_threads },
    { "frames_per_second", median (row->rate) },
    { "of_best", median (row->rate) / best },
    { "slowest", median (row->slowest) },
    { "fastest", median (row->fastest) },
    { "cpu_ms", median (row->cpu) },
    { "resident_bytes", row->resident[0] },
    { "further_bytes", row->further[0] },
  };

  dicenet_json_out_open (out, NULL, '{');
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    dicenet_json_out_number (out, numbers[i].name, numbers[i].value);
  dicenet_json_out_close (out, '}');
}

static void
print_json (const char *backend, const char *precision, const DicenetStreams *what, const GArray *rows)
{
  DicenetJsonOut out = DICENET_JSON_OUT_INIT;

  dicenet_json_out_open (&out, NULL, '{');
  dicenet_json_out_string (&out, "backend", backend);
  dicenet_json_out_string (&out, "precision", precision);
  dicenet_json_out_number (&out, "batch", what->batch);
  dicenet_json_out_number (&out, "width", what->width);
  dicenet_json_out_number (&out, "height", what->height);
  dicenet_json_out_number (&out, "processors", dicenet_processors ());
  dicenet_json_out_open (&out, "rows", '[');
  for (guint i = 0; i < rows->len; i++)
    print_row (&out, &g_array_index (rows, Row, i), best_rate (rows));
  dicenet_json_out_close (&out, ']');
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_print (&out);
}

/* Opens a session to ask it what it runs on, and to print its warning once. */
static gboolean
print_rows (const Bench *bench, const GArray *rows, GError **error)
{
  g_autoptr (DicenetSession) session = dicenet_tool_open (bench->model, bench->options, error);

  if (session == NULL)
    return FALSE;
  const char *backend = dicenet_tool_nick (DICENET_TYPE_BACKEND, (int) dicenet_session_get_backend (session));
  const char *precision = dicenet_tool_nick (DICENET_TYPE_PRECISION, (int) dicenet_session_get_precision (session));
  (bench->what->json ? print_json : print_table) (backend, precision, bench->what, rows);
  return TRUE;
}

/* --- all turns --- */

/* NULL with @error set. */
static GArray *
parse_counts (const DicenetStreams *what, GError **error)
{
  g_auto (GStrv) words = g_strsplit (what->counts, ",", MAX_ROWS + 1);
  g_autoptr (GArray) rows = g_array_new (FALSE, TRUE, sizeof (Row));
  const guint n = g_strv_length (words);
  guint64 count = 0;

  for (guint i = 0; i < n && n <= MAX_ROWS; i++) {
    if (!g_ascii_string_to_unsigned (words[i], 10, 1, MAX_STREAMS, &count, NULL))
      break;
    const guint share = MAX (1, dicenet_processors () / (guint) count);
    const Row row = { .n_streams = (guint) count, .n_threads = what->threads ? what->threads : share };
    g_array_append_val (rows, row);
  }
  if (n > 0 && rows->len == n)
    return g_steal_pointer (&rows);
  g_autofree char *shown = dicenet_text_excerpt (what->counts);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "--streams: expected up to %d numbers from 1 to %d, 1,2,4 say, found \"%s\"", MAX_ROWS, MAX_STREAMS,
               shown);
  return NULL;
}

static gboolean
make_frames (Bench *bench, const GArray *rows, GError **error)
{
  const DicenetStreams *what = bench->what;
  guint n = 0;

  for (guint i = 0; i < rows->len; i++)
    n = MAX (n, g_array_index (rows, Row, i).n_streams);
  bench->frame_floats = 3 * (gsize) what->batch * what->width * what->height;
  bench->frames_bytes = n * bench->frame_floats * sizeof (gfloat);
  bench->frames = dicenet_tool_make_input (n * bench->frame_floats, error);
  return bench->frames != NULL;
}

static gboolean
take_turns (const Bench *bench, GArray *rows, GError **error)
{
  for (guint round = 0; round < ROUNDS; round++)
    for (guint i = 0; i < rows->len; i++)
      if (!take_turn (bench, &g_array_index (rows, Row, i), round, error))
        return FALSE;
  return TRUE;
}

gboolean
dicenet_tool_time_streams (DicenetModel *model, DicenetOptions *options, const DicenetStreams *what, GError **error)
{
  Bench bench = { .model = model, .options = options, .what = what };
  g_autoptr (GArray) rows = parse_counts (what, error);
  const gboolean ok =
      rows && make_frames (&bench, rows, error) && take_turns (&bench, rows, error) && print_rows (&bench, rows, error);

  g_free (bench.frames);
  return ok;
}
