/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures the speed-up by threads: one session with 1 thread, 2, and so on, and several concurrent sessions compared
 * with the same frames in sequence. Variants take turns, and the fastest frame of each counts, so that other load
 * affects all alike.
 *
 *     bench-threads MODEL [ROUNDS] */

#include <dicenet/dicenet.h>
#include <stdlib.h>

#define FRAMES 6 /* per turn */

typedef struct {
  DicenetSession *session;
  DicenetRequest *request;
  const gfloat *input;
  gsize n;
} Busy;

static void
run_frame (const Busy *b)
{
  g_autoptr (DicenetResult) result = dicenet_session_run_tensor (b->session, b->input, b->n, 1, b->request, NULL);
  if (result == NULL)
    g_error ("a frame failed");
}

static gpointer
run_frames (gpointer data)
{
  const Busy *b = data;
  for (guint i = 0; i < FRAMES; i++)
    run_frame (b);
  return NULL;
}

static gdouble
since (gint64 begin)
{
  return (gdouble) (g_get_monotonic_time () - begin) / 1e3;
}

/* Fastest frame of FRAMES, in ms. */
static gdouble
fastest_frame (const Busy *b)
{
  gdouble best = G_MAXDOUBLE;

  for (guint i = 0; i < FRAMES; i++) {
    const gint64 begin = g_get_monotonic_time ();
    run_frame (b);
    best = MIN (best, since (begin));
  }
  return best;
}

/* All sessions concurrently: ms per frame of all sessions. */
static gdouble
together (Busy *busy, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);
  const gint64 begin = g_get_monotonic_time ();

  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new ("busy", run_frames, &busy[i]);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  return since (begin) / (n * FRAMES);
}

static gdouble
one_by_one (Busy *busy, guint n)
{
  const gint64 begin = g_get_monotonic_time ();

  for (guint i = 0; i < n; i++)
    run_frames (&busy[i]);
  return since (begin) / (n * FRAMES);
}

static Busy
open_busy (DicenetModel *model, guint n_threads, DicenetRequest *request, const gfloat *input, gsize n)
{
  g_autoptr (DicenetOptions) options = dicenet_options_new ();
  g_autoptr (GError) error = NULL;

  dicenet_options_set_backend (options, DICENET_BACKEND_CPU);
  dicenet_options_set_threads (options, n_threads);
  DicenetSession *session = dicenet_session_new (model, options, &error);
  if (session == NULL)
    g_error ("%s", error->message);
  const Busy b = { session, request, input, n };
  run_frames ((gpointer) &b);
  return b;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DicenetModel) model = argc > 1 ? dicenet_model_load (argv[1], &error) : NULL;
  const guint rounds = argc > 2 ? (guint) atoi (argv[2]) : 20, n = g_get_num_processors ();
  guint width, height;

  if (model == NULL) {
    g_printerr ("bench-threads: %s\n", error ? error->message : "usage: bench-threads MODEL [ROUNDS]");
    return 1;
  }
  dicenet_model_get_size (model, &width, &height);
  const gsize n_input = 3 * (gsize) width * height;
  g_autoptr (DicenetRequest) request = dicenet_request_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree gfloat *input = g_new (gfloat, n_input);
  dicenet_request_set_decode (request, FALSE);
  for (gsize i = 0; i < n_input; i++)
    input[i] = (gfloat) g_rand_double_range (rand, -2, 2);

  g_autofree Busy *alone = g_new (Busy, n), *busy = g_new (Busy, n);
  g_autofree gdouble *best = g_new (gdouble, n);
  gdouble best_together = G_MAXDOUBLE, best_one_by_one = G_MAXDOUBLE;
  for (guint i = 0; i < n; i++) {
    alone[i] = open_busy (model, i + 1, request, input, n_input);
    busy[i] = open_busy (model, n, request, input, n_input);
    best[i] = G_MAXDOUBLE;
  }
  for (guint round = 0; round < rounds; round++) {
    for (guint i = 0; i < n; i++)
      best[i] = MIN (best[i], fastest_frame (&alone[i]));
    best_together = MIN (best_together, together (busy, n));
    best_one_by_one = MIN (best_one_by_one, one_by_one (busy, n));
  }
  for (guint i = 0; i < n; i++)
    g_print ("%u threads: %.2f ms, %.2f times one\n", i + 1, best[i], best[0] / best[i]);
  g_print ("%u sessions of %u threads, ms per frame: %.2f at the same time, %.2f one after the other\n", n, n,
           best_together, best_one_by_one);
  for (guint i = 0; i < n; i++) {
    g_object_unref (alone[i].session);
    g_object_unref (busy[i].session);
  }
  return 0;
}
