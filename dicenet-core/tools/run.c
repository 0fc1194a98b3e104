/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include "../file/json.h"
#include "../base/memory-error.h"
#include "../api/model-private.h"
#include "../file/safetensors.h"

/* Input read from a file. */
typedef struct {
  const DicenetTensor *pixels; /* U8, H x W x 3, or NULL */
  gfloat *input;               /* batch x 3 x H x W, or NULL */
  gsize n_input;               /* number of floats in @input */
  guint batch, width, height;
} Input;

/* Tensors to write, which own their data. */
typedef struct {
  DicenetTensor tensors[8];
  guint n;
  GError **error;
} Output;

static gboolean
bad_input (const DicenetSafetensors *file, GError **error, const char *expected, const DicenetTensor *found)
{
  g_autofree char *shape = found ? dicenet_tensor_shape_string (found->dims, found->n_dims) : NULL;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "%s: expected %s, found %s%s%s", file->path, expected,
               found ? dicenet_dtype_name (found->dtype) : "neither", found ? " " : "", found ? shape : "");
  return FALSE;
}

static gboolean
read_input (const DicenetSafetensors *file, Input *in, GError **error)
{
  const DicenetTensor *pixels = dicenet_safetensors_find (file, "pixels"),
                      *input = dicenet_safetensors_find (file, "input");
  const guint64 *d = pixels ? pixels->dims : input ? input->dims : NULL;

  if (pixels == NULL && input == NULL)
    return bad_input (file, error, "a tensor \"pixels\" (U8, H x W x 3) or \"input\" (F32, N x 3 x H x W)", NULL);
  if (pixels && (pixels->dtype != DICENET_DTYPE_U8 || pixels->n_dims != 3 || d[2] != 3))
    return bad_input (file, error, "\"pixels\" to be U8 H x W x 3", pixels);
  if (!pixels && (input->dtype != DICENET_DTYPE_F32 || input->n_dims != 4 || d[1] != 3 || d[0] < 1))
    return bad_input (file, error, "\"input\" to be F32 N x 3 x H x W", input);
  const guint64 height = pixels ? d[0] : d[2], width = pixels ? d[1] : d[3], batch = pixels ? 1 : d[0];
  if (MIN (width, height) < DICENET_MIN_SIZE || MAX (width, height) > DICENET_MAX_SIZE || batch > 4096)
    return bad_input (file, error, "a width and height from 32 to 4096 and a batch of at most 4096",
                      pixels ? pixels : input);

  *in = (Input){ .pixels = pixels, .batch = (guint) batch, .width = (guint) width, .height = (guint) height };
  if (!pixels) {
    in->input = g_try_new (gfloat, input->n_elements);
    if (in->input == NULL)
      return dicenet_no_memory (error, input->n_elements * sizeof (gfloat), "input", "choose a smaller one");
    in->n_input = input->n_elements;
    dicenet_tensor_to_float (input, in->input);
  }
  return TRUE;
}

static DicenetResult *
run_session (DicenetSession *session, const Input *in, DicenetRequest *request, GError **error)
{
  dicenet_request_set_size (request, in->width, in->height);
  if (in->pixels == NULL)
    return dicenet_session_run_tensor (session, in->input, in->n_input, in->batch, request, error);
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_RGB,
    .width = in->width,
    .height = in->height,
    .planes = { in->pixels->data },
    .strides = { (gint) (3 * in->width) },
  };
  return dicenet_session_run_image (session, &image, request, error);
}

/* NULL with @error set if out of memory. */
static guint8 *
add_tensor (Output *out, const char *name, DicenetDtype dtype, guint n_dims, const guint64 dims[])
{
  DicenetTensor *t = &out->tensors[out->n++];
  *t = (DicenetTensor){ .name = g_strdup (name), .dtype = dtype, .n_dims = n_dims, .n_elements = 1 };
  for (guint i = 0; i < n_dims; i++) {
    t->dims[i] = dims[i];
    t->n_elements *= dims[i];
  }
  const gsize bytes = MAX (1, t->n_elements * dicenet_dtype_size (dtype));
  guint8 *data = g_try_malloc0 (bytes);
  if (data == NULL)
    dicenet_no_memory (out->error, bytes, name, "choose a smaller input");
  t->data = data;
  return data;
}

static void
clear_output (Output *out)
{
  for (guint i = 0; i < out->n; i++) {
    g_free (out->tensors[i].name);
    g_free ((gpointer) out->tensors[i].data);
  }
}

/* Shape of an output in the file: rows, a vector or maps, with the picture as first dimension. Returns the number of
 * dimensions. */
static guint
output_dims (const DicenetGraph *graph, const DicenetGraphOutput *output, const DicenetShape *shape, const Input *in,
             guint64 dims[4])
{
  guint n = 0;

  dims[n++] = in->batch;
  if (dicenet_graph_node (graph, output->node)->op != DICENET_OP_FLATTEN)
    dims[n++] = shape->c;
  if (shape->h * shape->w > 1) {
    dims[n++] = output->is_scaled ? in->height : shape->h;
    dims[n++] = output->is_scaled ? in->width : shape->w;
  }
  return n;
}

static gboolean
add_output (Output *out, DicenetResult *result, const Input *in, const DicenetGraph *graph, const DicenetShape *shapes,
            guint k)
{
  const DicenetGraphOutput *output = &graph->outputs[k];
  guint64 dims[4];
  const guint n_dims = output_dims (graph, output, &shapes[output->node], in, dims);
  gfloat *data = (gfloat *) add_tensor (out, output->name, DICENET_DTYPE_F32, n_dims, dims);
  gboolean ok = data != NULL;

  for (guint i = 0; ok && i < in->batch; i++) {
    const gsize each = out->tensors[out->n - 1].n_elements / in->batch;
    if (output->is_scaled)
      ok = dicenet_result_scale_logits (result, i, data + i * each, out->error);
    else
      memcpy (data + i * each, dicenet_result_get_output (result, output->name, i, NULL), each * sizeof (gfloat));
  }
  return ok;
}

static gboolean
add_boxes (Output *out, DicenetResult *result)
{
  guint n_boxes;
  const DicenetBox *boxes = dicenet_result_get_boxes (result, 0, &n_boxes);
  const guint64 n = n_boxes;
  gfloat *edges = (gfloat *) add_tensor (out, "boxes", DICENET_DTYPE_F32, 2, (const guint64[]){ n, 4 });
  gint64 *labels = (gint64 *) add_tensor (out, "box_labels", DICENET_DTYPE_I64, 1, &n);
  gfloat *scores = (gfloat *) add_tensor (out, "box_scores", DICENET_DTYPE_F32, 1, &n);

  if (edges == NULL || labels == NULL || scores == NULL)
    return FALSE;
  for (guint i = 0; i < n_boxes; i++) {
    const DicenetBox *box = &boxes[i];
    memcpy (edges + 4 * i, (const gfloat[]){ box->x0, box->y0, box->x1, box->y1 }, 4 * sizeof (gfloat));
    labels[i] = box->label_id;
    scores[i] = box->confidence;
  }
  return TRUE;
}

static gboolean
add_priors (Output *out, DicenetResult *result)
{
  gsize n;
  const gfloat *priors = dicenet_result_get_priors (result, &n);
  guint8 *data = add_tensor (out, "priors", DICENET_DTYPE_F32, 2, (const guint64[]){ n / 4, 4 });

  if (data)
    memcpy (data, priors, n * sizeof (gfloat));
  return data != NULL;
}

static gboolean
add_outputs (Output *out, DicenetResult *result, const Input *in, gboolean with_boxes)
{
  const DicenetGraph *graph = dicenet_model_get_program (dicenet_result_get_model (result))->graph;
  g_autofree DicenetShape *shapes = dicenet_shapes (graph, in->width, in->height);
  gboolean ok = TRUE;
  gsize n_priors;

  for (guint k = 0; ok && k < graph->n_outputs; k++)
    ok = add_output (out, result, in, graph, shapes, k);
  if (!ok || dicenet_result_get_priors (result, &n_priors) == NULL)
    return ok;
  return add_priors (out, result) && (!with_boxes || add_boxes (out, result));
}

static gboolean
is_same_file (const char *a, const char *b)
{
  GStatBuf first, second;
  return g_stat (a, &first) == 0 && g_stat (b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/* The output must not be the input under any name, and existing files are only overwritten with --force. Pipes and
 * devices are excepted, because writing to them does not destroy data. */
static gboolean
check_output (char **argv, DicenetModel *model, gboolean force, GError **error)
{
  const char *output = argv[3], *inputs[] = { argv[2], dicenet_model_get_path (model) };
  g_autofree char *shown = dicenet_path_excerpt (output);

  if (!g_file_test (output, G_FILE_TEST_IS_REGULAR))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (inputs); i++)
    if (is_same_file (output, inputs[i])) {
      g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                   "%s: is read, and can't be written to at the same time: name another output", shown);
      return FALSE;
    }
  if (!force && !dicenet_is_descriptor (output)) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "%s: is already there: name another output, or overwrite it with --force", shown);
    return FALSE;
  }
  return TRUE;
}

/* Requests all outputs and, if a threshold was given, a detector's boxes. */
static DicenetRequest *
make_request (double threshold, double iou, double cross_class_iou, int max_per_class)
{
  DicenetRequest *request = dicenet_request_new ();

  dicenet_request_set_outputs (request, TRUE);
  dicenet_request_set_decode (request, threshold >= 0);
  dicenet_request_set_threshold (request, (gfloat) threshold);
  dicenet_request_set_iou_threshold (request, (gfloat) iou);
  dicenet_request_set_cross_class_iou_threshold (request, (gfloat) cross_class_iou);
  dicenet_request_set_max_per_class (request, (guint) max_per_class);
  dicenet_request_set_max_detections (request, 0);
  return request;
}

static gboolean
run (char **argv, const DicenetOptions *options, DicenetRequest *request, gboolean with_boxes, gboolean force,
     GError **error)
{
  g_autoptr (DicenetModel) model = dicenet_model_load (argv[1], error);
  if (model == NULL || !check_output (argv, model, force, error))
    return FALSE;
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (argv[2], error);
  Input in = { 0 };
  Output out = { .error = error };

  if (file == NULL || !read_input (file, &in, error))
    return FALSE;
  g_autoptr (DicenetSession) session = dicenet_tool_open (model, options, error);
  g_autoptr (DicenetResult) result = session ? run_session (session, &in, request, error) : NULL;
  const gboolean ok = result != NULL && add_outputs (&out, result, &in, with_boxes) &&
                      dicenet_safetensors_write (argv[3], out.tensors, out.n, NULL, error);
  clear_output (&out);
  g_free (in.input);
  return ok;
}

gboolean
dicenet_tool_run (int argc, char **argv, GError **error)
{
  g_autofree char *backend_name = NULL, *precision_name = NULL;
  int threads = 0, max_per_class = 200;
  double threshold = -1, iou = 0.45, cross_class_iou = 1;
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "backend", 0, 0, G_OPTION_ARG_STRING, &backend_name, "auto, cpu or cuda", "B" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision_name,
      "float32 (the default), bfloat16, int8, float16, tf32 or auto", "P" },
    DICENET_TOOL_CPU_MASK_ENTRY,
    { "threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads; 0, the default, for one per processor", "N" },
    { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &threshold,
      "detection: write the first picture's boxes of at least this confidence too", "T" },
    { "iou", 0, 0, G_OPTION_ARG_DOUBLE, &iou, "detection: overlap from which the weaker box goes (0.45)", "T" },
    { "cross-class-iou", 0, 0, G_OPTION_ARG_DOUBLE, &cross_class_iou,
      "detection: overlap from which the weaker box of another class goes (1: none)", "T" },
    { "max-per-class", 0, 0, G_OPTION_ARG_INT, &max_per_class, "detection: boxes per class at most, 0 for all (200)",
      "N" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &force, "overwrite OUT.safetensors if it is there", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (DicenetOptions) options = dicenet_options_new ();

  if (!dicenet_tool_parse (&argc, &argv, entries, "MODEL IN.safetensors OUT.safetensors", 3, error) ||
      !dicenet_tool_parse_options (options, backend_name, precision_name, error))
    return FALSE;
  if (threads < 0 || threads > 1024 || max_per_class < 0) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected --threads from 0 to 1024 and --max-per-class of 0 or more");
    return FALSE;
  }
  g_autoptr (DicenetRequest) request = make_request (threshold, iou, cross_class_iou, max_per_class);
  dicenet_options_set_threads (options, (guint) threads);
  return run (argv, options, request, threshold >= 0, force, error);
}
