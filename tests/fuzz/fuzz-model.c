/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Model files, and inference with those that load.
 *
 * Input: one byte. 'F': the rest is the file. '0' to '6': the rest modifies a small random model, which is too large
 * for mutation as a whole: a NUL-terminated text for "__metadata__" (empty: unchanged), then modifications of seven
 * bytes each: tensor (16 bits), kind, a number (32 bits). */

#include <dicenet/dicenet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

#define MAX_TENSORS 2000
#define MAX_CHANGES 16

typedef struct {
  const char *name, *shape; /* texts as in the header */
  gboolean is_half;
  guint64 begin, end;
} Tensor;

typedef struct {
  char *metadata;
  char *header; /* split into the texts of @tensors */
  Tensor tensors[MAX_TENSORS];
  guint n;
  const guint8 *data;
  gsize data_bytes;
} Base;

static const char *const names[] = { "classify",     "tags",           "segment",     "detect",
                                     "core-pyramid", "core-mobilenet", "core-resnet", "core-anchor-free" };
static Base bases[G_N_ELEMENTS (names)];

/* --- the models to modify, whose headers are in the format of random_model.py --- */

static char *
cut (char **at, const char *before, const char *after)
{
  char *start = strstr (*at, before);
  if (!start)
    return NULL;
  start += strlen (before);
  char *end = strstr (start, after);
  FUZZ_CHECK (end != NULL, "%s", after);
  *end = '\0';
  *at = end + 1;
  return start;
}

static void
read_tensors (Base *base, char *at)
{
  char *name, *dtype, *offsets;

  while ((name = cut (&at, "\"", "\":"))) {
    Tensor *tensor = &base->tensors[base->n++];
    FUZZ_CHECK (base->n < MAX_TENSORS, "%u", base->n);
    tensor->name = name;
    dtype = cut (&at, "\"dtype\":\"", "\"");
    tensor->is_half = g_str_equal (dtype, "F16");
    tensor->shape = cut (&at, "\"shape\":[", "]");
    offsets = cut (&at, "\"data_offsets\":[", "]");
    tensor->begin = g_ascii_strtoull (offsets, &offsets, 10);
    tensor->end = g_ascii_strtoull (offsets + 1, NULL, 10);
  }
}

/* Removes spaces; texts in these headers have none. */
static char *
compact (const char *text, gsize n)
{
  char *out = g_malloc (n + 1), *to = out;

  for (gsize i = 0; i < n; i++)
    if (text[i] != ' ')
      *to++ = text[i];
  *to = '\0';
  return out;
}

static void
read_base (Base *base, const char *name)
{
  g_autofree char *path = fuzz_model_path (name);
  g_autoptr (GError) error = NULL;
  char *text;
  gsize size;
  guint64 n;

  FUZZ_CHECK (g_file_get_contents (path, &text, &size, &error), "%s", error->message);
  memcpy (&n, text, sizeof n);
  n = GUINT64_FROM_LE (n);
  base->data = (guint8 *) text + sizeof n + n;
  base->data_bytes = size - sizeof n - n;
  base->header = compact (text + sizeof n, n);
  char *at = base->header;
  base->metadata = cut (&at, "\"__metadata__\":{", "}");
  read_tensors (base, at);
  FUZZ_CHECK (base->n > 100, "%s: %u tensors", name, base->n);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    read_base (&bases[i], names[i]);
  return 0;
}

/* --- modifications --- */

typedef struct {
  guint16 tensor;
  guint8 what;
  guint32 number;
} Change;

static void
put_tensor (GString *header, const Base *base, guint i, const Change *change)
{
  static const char *const types[] = { "F32", "F16", "U8", "I64", "F64", "", "f32" };
  const Tensor *tensor = &base->tensors[i];
  guint64 begin = tensor->begin, end = tensor->end;
  const char *type = tensor->is_half ? "F16" : "F32";
  g_autofree char *shape = g_strdup (tensor->shape);

  switch (change ? change->what % 8 : 7) {
  case 0:
    return;
  case 1:
    begin = change->number;
    break;
  case 2:
    end = change->number;
    break;
  case 3:
    type = types[change->number % G_N_ELEMENTS (types)];
    break;
  case 4:
    g_free (shape);
    shape = g_strdup_printf ("%u,%u", change->number & 0xffff, change->number >> 16);
    break;
  case 5:
    g_free (shape);
    shape = g_strdup_printf ("%s,%u", tensor->shape, change->number);
    break;
  default: /* 6 modifies the data, in put_data() */
    break;
  }
  g_string_append_printf (header,
                          ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%" G_GUINT64_FORMAT
                          ",%" G_GUINT64_FORMAT "]}",
                          tensor->name, type, shape, begin, end);
}

/* The number, as the bits of a float, in the whole tensor or (7) at one position. */
static void
put_data (guint8 *data, const Base *base, const Change *change)
{
  const Tensor *tensor = &base->tensors[change->tensor % base->n];
  const gsize n = tensor->end - tensor->begin;

  if (change->what % 8 < 6 || n < 4 || tensor->end > base->data_bytes)
    return;
  for (gsize i = 0; i + 4 <= (change->what % 8 == 6 ? n : 4); i += 4)
    memcpy (data + tensor->begin + i, &change->number, 4);
}

static const char *
write_changed (const Base *base, FuzzReader *reader)
{
  g_autofree char *metadata = fuzz_text (reader);
  Change changes[MAX_CHANGES];
  guint n = 0;

  for (; n < MAX_CHANGES && !fuzz_is_empty (reader); n++) {
    changes[n].tensor = fuzz_u16 (reader);
    changes[n].what = fuzz_u8 (reader);
    changes[n].number = fuzz_u32 (reader);
  }
  GString *file = g_string_new ("12345678{\"__metadata__\":");
  g_string_append_printf (file, *metadata ? "%s" : "{%s}", *metadata ? metadata : base->metadata);
  for (guint i = 0; i < base->n; i++) {
    const Change *change = NULL;
    for (guint c = 0; c < n; c++)
      if (changes[c].tensor % base->n == i)
        change = &changes[c];
    put_tensor (file, base, i, change);
  }
  g_string_append_c (file, '}');
  const guint64 length = GUINT64_TO_LE ((guint64) file->len - 8);
  memcpy (file->str, &length, sizeof length);
  const gsize at = file->len;
  g_string_append_len (file, (const char *) base->data, (gssize) base->data_bytes);
  for (guint c = 0; c < n; c++)
    put_data ((guint8 *) file->str + at, base, &changes[c]);
  const char *path = fuzz_file (0, file->str, file->len);
  g_string_free (file, TRUE);
  return path;
}

/* --- running --- */

#define MOST 50

static void
check_detections (DicenetResult *result, DicenetModel *model)
{
  guint n;
  const DicenetBox *boxes = dicenet_result_get_boxes (result, 0, &n);

  FUZZ_CHECK (n <= MOST, "%u", n);
  for (guint i = 0; i < n; i++) {
    const DicenetBox *box = &boxes[i];
    FUZZ_CHECK (box->label_id > 0 && box->label_id < dicenet_model_get_n_classes (model), "%u", box->label_id);
    FUZZ_CHECK (box->confidence >= 0 && box->confidence <= 1, "%g", (double) box->confidence);
  }
}

static void
check_classes (DicenetResult *result, DicenetModel *model)
{
  guint n;
  const DicenetClass *classes = dicenet_result_get_classes (result, 0, &n);

  FUZZ_CHECK (n <= 5, "%u", n);
  for (guint i = 0; i < n; i++) {
    const DicenetClass *c = &classes[i];
    FUZZ_CHECK (c->label_id < dicenet_model_get_n_classes (model), "%u", c->label_id);
    FUZZ_CHECK (c->confidence >= 0 && c->confidence <= 1, "%g", (double) c->confidence);
  }
}

static void
check_mask (DicenetResult *result, DicenetModel *model, guint width, guint height)
{
  gsize n;
  const guint8 *mask = g_bytes_get_data (dicenet_result_get_mask (result, 0), &n);

  FUZZ_CHECK (n == (gsize) width * height, "%" G_GSIZE_FORMAT, n);
  for (gsize i = 0; i < n; i++)
    FUZZ_CHECK (mask[i] < dicenet_model_get_n_classes (model), "%u", mask[i]);
}

static DicenetResult *
run_session (DicenetSession *session, guint width, guint height, GError **error)
{
  guint8 pixels[48 * 40 * 3];
  DicenetRequest *request = dicenet_request_new ();

  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = (guint8) (i * 7 ^ i >> 5);
  GBytes *bytes = g_bytes_new_static (pixels, sizeof pixels);
  dicenet_request_set_size (request, width, height);
  dicenet_request_set_max_detections (request, MOST);
  DicenetResult *result = dicenet_session_run_bytes (session, bytes, DICENET_PIXEL_FORMAT_RGB, 48, 40, request, error);
  g_bytes_unref (bytes);
  dicenet_request_free (request);
  return result;
}

static void
check_result (DicenetResult *result, DicenetModel *model, guint width, guint height)
{
  switch (dicenet_model_get_task (model)) {
  case DICENET_TASK_DETECT:
    check_detections (result, model);
    break;
  case DICENET_TASK_CLASSIFY:
    check_classes (result, model);
    break;
  case DICENET_TASK_SEGMENT:
    check_mask (result, model, width, height);
    break;
  }
}

static void
run (DicenetModel *model, guint width, guint height)
{
  DicenetOptions *options = dicenet_options_new ();
  GError *error = NULL;

  dicenet_options_set_backend (options, DICENET_BACKEND_CPU);
  dicenet_options_set_threads (options, 1);
  DicenetSession *session = dicenet_session_new (model, options, &error);
  dicenet_options_free (options);
  fuzz_check_error (session != NULL, error);
  if (!session)
    return;
  DicenetResult *result = run_session (session, width, height, &error);
  g_object_unref (session); /* results outlive the session */
  fuzz_check_error (result != NULL, error);
  if (!result)
    return;
  check_result (result, model, width, height);
  dicenet_result_unref (result);
}

static void
check_model (DicenetModel *model)
{
  const char *const *labels = dicenet_model_get_labels (model);
  guint width, height;

  FUZZ_CHECK (g_strv_length ((char **) labels) == dicenet_model_get_n_classes (model), "labels");
  for (guint i = 0; labels[i]; i++)
    FUZZ_CHECK (g_utf8_validate (labels[i], -1, NULL), "label %u", i);
  dicenet_model_get_size (model, &width, &height);
  FUZZ_CHECK (width >= DICENET_MIN_SIZE && width <= DICENET_MAX_SIZE, "%u", width);
  dicenet_model_fit_size (model, 1.5, &width, &height);
  FUZZ_CHECK (height >= DICENET_MIN_SIZE && height <= DICENET_MAX_SIZE, "%u", height);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data + 1, data + size };
  const guint base = size ? data[0] - '0' : 0;
  GError *error = NULL;

  if (size < 1 || (data[0] != 'F' && base >= G_N_ELEMENTS (bases)))
    return -1;
  const char *path = data[0] == 'F' ? fuzz_file (0, data + 1, size - 1) : write_changed (&bases[base], &reader);
  DicenetModel *model = dicenet_model_load (path, &error);
  fuzz_check_error (model != NULL, error);
  if (model) {
    check_model (model);
    run (model, 32 + (guint) size % 8, 32);
    g_object_unref (model);
  }
  return 0;
}

#ifdef FUZZ
/* A file starts with the length of its header: after other mutations it is often corrected. */
size_t
LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
  size = LLVMFuzzerMutate (data, size, max_size);
  if (size < 11 || data[0] != 'F' || seed % 4 == 0)
    return size;
  size_t end = size;
  while (end > 9 && data[end - 1] != '}')
    end--;
  const guint64 length = GUINT64_TO_LE ((guint64) (end > 9 ? end - 9 : size - 9));
  memcpy (data + 1, &length, sizeof length);
  return size;
}
#endif
