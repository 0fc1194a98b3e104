/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <stdio.h>
#include <string.h>
#include "../api/model-private.h"
#include "../api/session-private.h"
#include "../base/block.h"
#include "../base/memory-error.h"
#include "../cpu/precision.h"
#include "json-out.h"

/* Histograms of the inputs of the convolutions that int8 computes, over pictures that come one after the other on
 * standard input as binary PPM with 8 bits. */

#define MAX_SIDE 32767

typedef struct {
  guint width, height;
  guint8 *pixels;
  gsize allocated;
} Picture;

/* --- pictures --- */

/* Skips white space and comments; returns the character after them. */
static int
skip_space (void)
{
  int c;

  do {
    c = getchar ();
    while (c == '#')
      for (c = getchar (); c != '\n' && c != EOF;)
        c = getchar ();
  } while (c != EOF && g_ascii_isspace (c));
  return c;
}

/* Reads a number and the white space character after it. FALSE if there is none from 1 to @most. */
static gboolean
read_number (guint most, guint *out)
{
  int c = skip_space ();

  for (*out = 0; c != EOF && g_ascii_isdigit (c) && *out <= most; c = getchar ())
    *out = *out * 10 + (guint) (c - '0');
  return *out >= 1 && *out <= most && c != EOF && g_ascii_isspace (c);
}

static gboolean
read_header (Picture *picture)
{
  guint most;

  return getchar () == '6' && read_number (MAX_SIDE, &picture->width) && read_number (MAX_SIDE, &picture->height) &&
         read_number (255, &most) && most == 255;
}

static gboolean
refuse (guint index, const char *found, GError **error)
{
  g_set_error (
      error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
      "picture %u on standard input, counted from 0: expected binary PPM (P6) with 8 bits and 1 to %d pixels a "
      "side, found %s",
      index, MAX_SIDE, found);
  return FALSE;
}

static gboolean
read_pixels (Picture *picture, guint index, GError **error)
{
  const gsize bytes = 3 * (gsize) picture->width * picture->height;

  if (bytes > picture->allocated) {
    g_free (picture->pixels);
    picture->pixels = g_try_malloc (bytes);
    picture->allocated = picture->pixels ? bytes : 0;
    if (picture->pixels == NULL)
      return dicenet_no_memory (error, bytes, "a picture", "scale it down");
  }
  return fread (picture->pixels, 1, bytes, stdin) == bytes || refuse (index, "its end before the last pixel", error);
}

/* TRUE without @error at the end of the input, too, where @picture has no width. */
static gboolean
read_picture (Picture *picture, guint index, GError **error)
{
  const int first = getchar ();

  picture->width = 0;
  if (first == EOF && !ferror (stdin))
    return TRUE;
  if (first != 'P' || !read_header (picture))
    return refuse (index, "something else", error);
  return read_pixels (picture, index, error);
}

/* --- histograms --- */

static gboolean
run_picture (DicenetSession *session, const Picture *picture, GError **error)
{
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_RGB,
    .range = DICENET_COLOR_RANGE_FULL,
    .width = picture->width,
    .height = picture->height,
    .planes = { picture->pixels },
    .strides = { (gint) (3 * picture->width) },
  };
  g_autoptr (DicenetRequest) request = dicenet_request_new ();
  guint width, height;

  dicenet_model_fit_size (dicenet_session_get_model (session), (gdouble) picture->width / picture->height, &width,
                          &height);
  dicenet_request_set_size (request, width, height);
  dicenet_request_set_decode (request, FALSE);
  g_autoptr (DicenetResult) result = dicenet_session_run_image (session, &image, request, error);
  return result != NULL;
}

/* Returns the number of pictures; 0 with @error set. */
static guint
run_all (DicenetSession *session, GError **error)
{
  Picture picture = { 0 };
  gboolean ok;
  guint n = 0;

  while ((ok = read_picture (&picture, n, error)) && picture.width > 0 && (ok = run_picture (session, &picture, error)))
    n++;
  g_free (picture.pixels);
  if (ok && n == 0)
    ok = refuse (0, "nothing", error);
  return ok ? n : 0;
}

static void
add_histogram (DicenetJsonOut *out, const char *name, guint channels, const DicenetHistogram *histogram)
{
  guint64 total = 0;
  g_autoptr (GArray) bins = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autoptr (GArray) counts = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint64 i = 0; i < G_N_ELEMENTS (histogram->counts); i++)
    if (histogram->counts[i] > 0) {
      g_array_append_val (bins, i);
      g_array_append_val (counts, histogram->counts[i]);
      total += histogram->counts[i];
    }
  dicenet_json_out_open (out, NULL, '{');
  dicenet_json_out_string (out, "name", name);
  dicenet_json_out_number (out, "bits", DICENET_HISTOGRAM_BITS);
  dicenet_json_out_number (out, "low", (double) histogram->low);
  dicenet_json_out_number (out, "high", (double) histogram->high);
  dicenet_json_out_numbers (out, "bins", (const guint64 *) (gpointer) bins->data, bins->len);
  dicenet_json_out_numbers (out, "counts", (const guint64 *) (gpointer) counts->data, counts->len);
  dicenet_json_out_open (out, "means", '[');
  for (guint c = 0; c < channels; c++)
    dicenet_json_out_number (out, NULL, histogram->sums[c] / ((double) total / channels));
  dicenet_json_out_close (out, ']');
  dicenet_json_out_close (out, '}');
}

static void
print (const char *path, const DicenetGraph *graph, guint n_pictures, const DicenetHistogram *histograms)
{
  DicenetJsonOut out = DICENET_JSON_OUT_INIT;

  dicenet_json_out_open (&out, NULL, '{');
  dicenet_json_out_string (&out, "model", path);
  dicenet_json_out_number (&out, "pictures", n_pictures);
  dicenet_json_out_open (&out, "convolutions", '[');
  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (dicenet_cpu_is_int8 (graph, node))
      add_histogram (&out, node->name, dicenet_node_channels (graph, node->inputs[0]),
                     &histograms[dicenet_cpu_n_int8 (graph, i)]);
  }
  dicenet_json_out_close (&out, ']');
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_print (&out);
}

static void
alloc_sums (const DicenetGraph *graph, DicenetHistogram *histograms)
{
  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (dicenet_cpu_is_int8 (graph, node))
      histograms[dicenet_cpu_n_int8 (graph, i)].sums = g_new0 (gdouble, dicenet_node_channels (graph, node->inputs[0]));
  }
}

static void
free_sums (const DicenetGraph *graph, DicenetHistogram *histograms)
{
  for (guint i = 0; i < dicenet_cpu_n_int8 (graph, graph->nodes->len); i++)
    g_free (histograms[i].sums);
}

static gboolean
count (DicenetModel *model, DicenetSession *session, GError **error)
{
  const DicenetGraph *graph = dicenet_model_get_program (model)->graph;
  const gsize bytes = dicenet_cpu_n_int8 (graph, graph->nodes->len) * sizeof (DicenetHistogram);
  DicenetHistogram *histograms = dicenet_block_new (bytes);

  if (histograms == NULL)
    return dicenet_no_memory (error, bytes, "histograms", DICENET_MORE_MEMORY);
  memset (histograms, 0, bytes);
  alloc_sums (graph, histograms);
  dicenet_session_get_executor (session)->histograms = histograms;
  const guint n_pictures = run_all (session, error);
  dicenet_session_get_executor (session)->histograms = NULL;
  if (n_pictures > 0)
    print (dicenet_model_get_path (model), graph, n_pictures, histograms);
  free_sums (graph, histograms);
  dicenet_block_free (histograms, bytes);
  return n_pictures > 0;
}

gboolean
dicenet_tool_inputs (int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = { DICENET_TOOL_CPU_MASK_ENTRY, G_OPTION_ENTRY_NULL };

  if (!dicenet_tool_parse (&argc, &argv, entries, "MODEL", 1, error))
    return FALSE;
  g_autoptr (DicenetModel) model = dicenet_model_load (argv[1], error);
  g_autoptr (DicenetOptions) options = dicenet_options_new ();
  dicenet_options_set_backend (options, DICENET_BACKEND_CPU);
  g_autoptr (DicenetSession) session = model ? dicenet_tool_open (model, options, error) : NULL;
  return session != NULL && count (model, session, error);
}
