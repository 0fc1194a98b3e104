/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "safetensors.h"

#include <dicenet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../base/block.h"
#include "json.h"
#include "../base/memory-error.h"

/* The largest network has 651 tensors, 80 KiB of header and 30 MiB of data. Labels of 65535 classes also fit. */
#define MAX_HEADER_BYTES (4u << 20)
#define MAX_TENSORS      4096
#define MAX_METADATA     256
#define MAX_NAME_BYTES   255
#define MAX_FILE_BYTES   (G_GUINT64_CONSTANT (1) << 30)
#define DATA_ALIGNMENT   64

static const struct {
  const char *name;
  gsize size;
} dtypes[] = {
  [DICENET_DTYPE_F32] = { "F32", 4 },
  [DICENET_DTYPE_F16] = { "F16", 2 },
  [DICENET_DTYPE_U8] = { "U8", 1 },
  [DICENET_DTYPE_I64] = { "I64", 8 },
};

const char *
dicenet_dtype_name (DicenetDtype dtype)
{
  return dtypes[dtype].name;
}

gsize
dicenet_dtype_size (DicenetDtype dtype)
{
  return dtypes[dtype].size;
}

static void
tensor_free (gpointer data)
{
  DicenetTensor *tensor = data;
  g_free (tensor->name);
  g_free (tensor);
}

void
dicenet_safetensors_free (DicenetSafetensors *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->tensors, g_tree_unref);
  g_clear_pointer (&self->metadata, g_hash_table_unref);
  dicenet_block_free (self->data, self->data_bytes);
  g_free (self->path);
  g_free (self);
}

const DicenetTensor *
dicenet_safetensors_find (const DicenetSafetensors *self, const char *name)
{
  return g_tree_lookup (self->tensors, name);
}

char *
dicenet_tensor_shape_string (const guint64 *dims, guint n_dims)
{
  GString *text = g_string_new ("[");
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", dims[i]);
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

static float
half_to_float (guint16 half)
{
  const guint32 sign = (guint32) (half & 0x8000u) << 16;
  guint32 exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  float value;

  if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact in float */
    value = (float) mantissa * 0x1p-24f;
    return sign ? -value : value;
  }
  exponent = exponent == 31 ? 255 : exponent + 112;
  guint32 bits = sign | exponent << 23 | mantissa << 13;
  memcpy (&value, &bits, sizeof value);
  return value;
}

void
dicenet_tensor_to_float (const DicenetTensor *tensor, float *out)
{
  if (tensor->dtype == DICENET_DTYPE_F32) {
    memcpy (out, tensor->data, tensor->n_elements * sizeof (float));
    return;
  }
  g_return_if_fail (tensor->dtype == DICENET_DTYPE_F16);
  for (gsize i = 0; i < tensor->n_elements; i++) {
    guint16 half;
    memcpy (&half, tensor->data + 2 * i, sizeof half);
    out[i] = half_to_float (GUINT16_FROM_LE (half));
  }
}

static gboolean
has_control (const char *name)
{
  for (; *name; name = g_utf8_next_char (name)) {
    if (g_unichar_iscntrl (g_utf8_get_char (name)))
      return TRUE;
  }
  return FALSE;
}

#define FAIL(error, path, ...) fail_ (error, path, g_strdup_printf (__VA_ARGS__))

static gboolean
fail_ (GError **error, const char *path, char *what)
{
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL, "%s: %s", path, what);
  g_free (what);
  return FALSE;
}

/* FALSE with @error set; its message is prefixed with the path. */
static gboolean
fail_without_memory (const char *path, gsize bytes, const char *what, GError **error)
{
  dicenet_no_memory (error, bytes, what, DICENET_MORE_MEMORY);
  g_prefix_error (error, "%s: ", path);
  return FALSE;
}

/* Skips a key. Names with control characters are invalid, since messages could not show them; NULL with @error set. */
static char *
read_name (DicenetSafetensors *self, const char **at, GError **error)
{
  g_autofree char *name = dicenet_json_read_string (at, NULL);
  g_autofree char *shown = name ? dicenet_text_excerpt (name) : g_strdup ("one with U+0000");

  if (name != NULL && *name != '\0' && strlen (name) <= MAX_NAME_BYTES && !has_control (name))
    return g_steal_pointer (&name);
  FAIL (error, self->path, "expected a name of 1 to %d bytes without control characters in the header, found \"%s\"",
        MAX_NAME_BYTES, shown);
  return NULL;
}

static gboolean
read_metadata (DicenetSafetensors *self, const char **at, GError **error)
{
  if (dicenet_json_type (*at) != '{')
    return FAIL (error, self->path, "__metadata__: expected an object of strings");
  for (dicenet_json_enter (at); dicenet_json_next (at);) {
    g_autofree char *key = read_name (self, at, error);
    if (key == NULL)
      return FALSE;
    g_autoptr (GError) reason = NULL;
    char *value = dicenet_json_type (*at) == '"' ? dicenet_json_read_string (at, &reason) : NULL;
    if (g_error_matches (reason, DICENET_ERROR, DICENET_ERROR_NO_MEMORY)) {
      g_propagate_prefixed_error (error, g_steal_pointer (&reason), "%s: __metadata__: ", self->path);
      return FALSE;
    }
    if (value == NULL)
      return FAIL (error, self->path, "__metadata__: expected a string for \"%s\", without U+0000", key);
    g_hash_table_insert (self->metadata, g_steal_pointer (&key), value);
    if (g_hash_table_size (self->metadata) > MAX_METADATA)
      return FAIL (error, self->path, "__metadata__: expected at most %d keys", MAX_METADATA);
  }
  return TRUE;
}

/* A non-negative JSON integer. */
static gboolean
read_size (const char **at, guint64 *out)
{
  g_autofree char *number = dicenet_json_read_number (at);

  return number && g_ascii_string_to_unsigned (number, 10, 0, G_MAXINT64, out, NULL);
}

/* Positions of a tensor's values in the header; NULL if absent. */
typedef struct {
  const char *dtype, *shape, *offsets;
} Entry;

static gboolean
read_dtype (DicenetSafetensors *self, DicenetTensor *tensor, const char *at, GError **error)
{
  g_autofree char *name = at && dicenet_json_type (at) == '"' ? dicenet_json_read_string (&at, NULL) : NULL;
  g_autofree char *shown = name ? dicenet_text_excerpt (name) : NULL;

  for (guint i = 0; name && i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (name, dtypes[i].name)) {
      tensor->dtype = (DicenetDtype) i;
      return TRUE;
    }
  }
  return FAIL (error, self->path, "tensor \"%s\": expected type F32 or F16, found %s", tensor->name,
               shown ? shown : "none");
}

static gboolean
read_shape (DicenetSafetensors *self, DicenetTensor *tensor, const char *at, GError **error)
{
  if (at == NULL || dicenet_json_type (at) != '[')
    return FAIL (error, self->path, "tensor \"%s\": expected an array as \"shape\"", tensor->name);

  tensor->n_elements = 1;
  for (dicenet_json_enter (&at); dicenet_json_next (&at); tensor->n_dims++) {
    if (tensor->n_dims == DICENET_MAX_DIMS)
      return FAIL (error, self->path, "tensor \"%s\": expected at most %d dimensions, found more", tensor->name,
                   DICENET_MAX_DIMS);
    guint64 *dim = &tensor->dims[tensor->n_dims];
    if (!read_size (&at, dim) || !g_size_checked_mul (&tensor->n_elements, tensor->n_elements, *dim))
      return FAIL (error, self->path, "tensor \"%s\": dimension %u of its shape is not a size", tensor->name,
                   tensor->n_dims);
  }
  return TRUE;
}

static gboolean
read_pair (const char *at, guint64 *begin, guint64 *end)
{
  if (at == NULL || dicenet_json_type (at) != '[')
    return FALSE;
  dicenet_json_enter (&at);
  return dicenet_json_next (&at) && read_size (&at, begin) && dicenet_json_next (&at) && read_size (&at, end) &&
         !dicenet_json_next (&at) && *begin <= *end;
}

static gboolean
read_offsets (DicenetSafetensors *self, DicenetTensor *tensor, const char *at, GError **error)
{
  guint64 begin = 0, end = 0;

  if (!read_pair (at, &begin, &end))
    return FAIL (error, self->path, "tensor \"%s\": expected [begin, end] as \"data_offsets\"", tensor->name);
  if (end > self->data_bytes)
    return FAIL (error, self->path,
                 "tensor \"%s\" ends at byte %" G_GUINT64_FORMAT " of the data, but the file holds %" G_GSIZE_FORMAT
                 ": the file was cut short; fetch or convert it again",
                 tensor->name, end, self->data_bytes);

  gsize expected;
  if (!g_size_checked_mul (&expected, tensor->n_elements, dtypes[tensor->dtype].size) || expected != end - begin) {
    g_autofree char *shape = dicenet_tensor_shape_string (tensor->dims, tensor->n_dims);
    return FAIL (error, self->path, "tensor \"%s\": shape %s of %s does not fit its %" G_GUINT64_FORMAT " bytes",
                 tensor->name, shape, dtypes[tensor->dtype].name, end - begin);
  }
  tensor->data = self->data + begin;
  return TRUE;
}

/* Parses and skips the object at @at. */
static Entry
find_entry (const char **at)
{
  Entry entry = { 0 };

  for (dicenet_json_enter (at); dicenet_json_next (at);) {
    g_autofree char *key = dicenet_json_read_string (at, NULL);
    if (g_strcmp0 (key, "dtype") == 0)
      entry.dtype = *at;
    else if (g_strcmp0 (key, "shape") == 0)
      entry.shape = *at;
    else if (g_strcmp0 (key, "data_offsets") == 0)
      entry.offsets = *at;
    dicenet_json_skip (at);
  }
  return entry;
}

static gboolean
read_tensor (DicenetSafetensors *self, const char *name, const char **at, GError **error)
{
  if (dicenet_json_type (*at) != '{')
    return FAIL (error, self->path, "tensor \"%s\": expected an object in the header", name);
  if (g_tree_nnodes (self->tensors) == MAX_TENSORS)
    return FAIL (error, self->path, "expected at most %d tensors", MAX_TENSORS);

  const Entry entry = find_entry (at);
  DicenetTensor *tensor = g_new0 (DicenetTensor, 1);
  tensor->name = g_strdup (name);
  g_tree_insert (self->tensors, tensor->name, tensor);
  return read_dtype (self, tensor, entry.dtype, error) && read_shape (self, tensor, entry.shape, error) &&
         read_offsets (self, tensor, entry.offsets, error);
}

static int
compare_data (gconstpointer a, gconstpointer b)
{
  const DicenetTensor *x = *(DicenetTensor *const *) a, *y = *(DicenetTensor *const *) b;
  if (x->data != y->data)
    return x->data < y->data ? -1 : 1;
  return x->n_elements < y->n_elements ? -1 : x->n_elements > y->n_elements;
}

/* The format requires that tensors cover the data without gaps or overlaps: both could hide data. */
static gboolean
check_coverage (DicenetSafetensors *self, GError **error)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new ();
  for (GTreeNode *n = g_tree_node_first (self->tensors); n; n = g_tree_node_next (n))
    g_ptr_array_add (tensors, g_tree_node_value (n));
  g_ptr_array_sort (tensors, compare_data);

  const guint8 *at = self->data, *end = at + self->data_bytes;
  const char *before = "the header";
  for (guint i = 0; i < tensors->len; i++) {
    const DicenetTensor *tensor = tensors->pdata[i];
    if (tensor->data < at)
      return FAIL (error, self->path, "tensor \"%s\" overlaps %s", tensor->name, before);
    if (tensor->data > at)
      return FAIL (error, self->path, "%" G_GSIZE_FORMAT " bytes before tensor \"%s\" belong to no tensor",
                   (gsize) (tensor->data - at), tensor->name);
    at += tensor->n_elements * dtypes[tensor->dtype].size;
    before = tensor->name;
  }
  if (at != end)
    return FAIL (error, self->path, "%" G_GSIZE_FORMAT " bytes after tensor \"%s\" belong to no tensor",
                 (gsize) (end - at), before);
  return TRUE;
}

static gboolean
read_header (DicenetSafetensors *self, const char *json, gsize n, GError **error)
{
  g_autoptr (GError) reason = NULL;
  const char *at = json;

  if (!dicenet_json_check (json, n, &reason))
    return FAIL (error, self->path, "the header is not valid JSON (%s); models are converted with models/convert.py",
                 reason->message);
  if (dicenet_json_type (at) != '{')
    return FAIL (error, self->path, "the header is not a JSON object");
  for (dicenet_json_enter (&at); dicenet_json_next (&at);) {
    g_autofree char *name = read_name (self, &at, error);
    if (name == NULL ||
        !(g_str_equal (name, "__metadata__") ? read_metadata (self, &at, error) : read_tensor (self, name, &at, error)))
      return FALSE;
  }
  return check_coverage (self, error);
}

/* Reads the header's length, which is at the beginning of the file. */
static gboolean
read_length (DicenetSafetensors *self, DicenetFile *file, guint64 *header, GError **error)
{
  const guint64 size = (guint64) file->info.st_size;

  if (size < sizeof *header + 2)
    return FAIL (
        error, self->path,
        "expected a safetensors model, found %" G_GUINT64_FORMAT " bytes; convert models with models/convert.py", size);
  if (size > MAX_FILE_BYTES)
    return FAIL (error, self->path,
                 "%" G_GUINT64_FORMAT " bytes are no model of this library: it has %" G_GUINT64_FORMAT " at most", size,
                 MAX_FILE_BYTES);
  if (!dicenet_file_read (file, header, sizeof *header, error))
    return FALSE;
  *header = GUINT64_FROM_LE (*header);
  if (*header > MAX_HEADER_BYTES)
    return FAIL (error, self->path,
                 "this is no safetensors model (a header of %" G_GUINT64_FORMAT
                 " bytes, expected at most %u); PyTorch checkpoints are converted with models/convert.py",
                 *header, MAX_HEADER_BYTES);
  if (*header > size - sizeof *header)
    return FAIL (error, self->path,
                 "the header has %" G_GUINT64_FORMAT " bytes, but the file only %" G_GUINT64_FORMAT
                 ": it was cut short; fetch or convert it again",
                 *header, size);
  return TRUE;
}

static gboolean
read_file (DicenetSafetensors *self, DicenetFile *file, GError **error)
{
  guint64 length;

  if (!dicenet_file_rewind (file, error) || !read_length (self, file, &length, error))
    return FALSE;
  self->data_bytes = (gsize) ((guint64) file->info.st_size - sizeof length - length);
  self->data = dicenet_block_new (self->data_bytes);
  g_autofree char *header = g_try_malloc0 (length + 1);
  if (self->data == NULL || header == NULL)
    return fail_without_memory (self->path, self->data_bytes + length, "the file", error);
  return dicenet_file_read (file, header, length, error) && read_header (self, header, length, error) &&
         dicenet_file_read (file, self->data, self->data_bytes, error) && dicenet_file_is_unchanged (file, error);
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

DicenetSafetensors *
dicenet_safetensors_open (const char *path, GError **error)
{
  g_auto (DicenetFile) file = { .fd = -1 };
  return dicenet_file_open (&file, path, error) ? dicenet_safetensors_read (&file, error) : NULL;
}

DicenetSafetensors *
dicenet_safetensors_read (DicenetFile *file, GError **error)
{
  g_autoptr (DicenetSafetensors) self = g_new0 (DicenetSafetensors, 1);
  self->path = dicenet_path_excerpt (file->path);
  self->tensors = g_tree_new_full (compare_names, NULL, NULL, tensor_free);
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return read_file (self, file, error) ? g_steal_pointer (&self) : NULL;
}

static void
add_tensor_entry (GString *header, const DicenetTensor *tensor, gsize begin, gsize end)
{
  g_autofree char *name = dicenet_json_quote (tensor->name);
  g_autofree char *shape = dicenet_tensor_shape_string (tensor->dims, tensor->n_dims);

  g_string_append_printf (
      header, "%s%s:{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}",
      header->len > 1 ? "," : "", name, dicenet_dtype_name (tensor->dtype), shape, begin, end);
}

static void
add_metadata (GString *header, GHashTable *metadata)
{
  GHashTableIter iter;
  gpointer key, value;
  const char *comma = "";

  g_string_append (header, "\"__metadata__\":{");
  g_hash_table_iter_init (&iter, metadata);
  for (; g_hash_table_iter_next (&iter, &key, &value); comma = ",") {
    g_autofree char *name = dicenet_json_quote (key), *text = dicenet_json_quote (value);
    g_string_append_printf (header, "%s%s:%s", comma, name, text);
  }
  g_string_append_c (header, '}');
}

static GString *
make_header (const DicenetTensor *tensors, guint n_tensors, GHashTable *metadata)
{
  GString *header = g_string_new ("{");
  gsize at = 0;

  if (metadata != NULL)
    add_metadata (header, metadata);
  for (guint i = 0; i < n_tensors; i++) {
    const gsize end = at + tensors[i].n_elements * dtypes[tensors[i].dtype].size;
    add_tensor_entry (header, &tensors[i], at, end);
    at = end;
  }
  g_string_append_c (header, '}');
  while ((sizeof (guint64) + header->len) % DATA_ALIGNMENT != 0)
    g_string_append_c (header, ' ');
  return header;
}

static gboolean
write_parts (FILE *out, const GString *header, const DicenetTensor *tensors, guint n_tensors)
{
  const guint64 length = GUINT64_TO_LE ((guint64) header->len);

  fwrite (&length, sizeof length, 1, out);
  fwrite (header->str, 1, header->len, out);
  for (guint i = 0; i < n_tensors; i++)
    fwrite (tensors[i].data, dtypes[tensors[i].dtype].size, tensors[i].n_elements, out);
  return fflush (out) == 0 && !ferror (out);
}

gboolean
dicenet_is_descriptor (const char *path)
{
  return g_str_has_prefix (path, "/dev/std") || g_str_has_prefix (path, "/dev/fd/") ||
         (g_str_has_prefix (path, "/proc/") && strstr (path, "/fd/") != NULL);
}

/* A pipe or device (/dev/null) is written to directly, and an open descriptor (/dev/stdout) is appended to. For
 * other paths, a temporary file is created in the same folder; its name is stored in @beside. */
static FILE *
open_output (const char *path, char **beside)
{
  if (dicenet_is_descriptor (path))
    return fopen (path, "ab");
  if (g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return fopen (path, "wb");
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_build_filename (folder, ".dicenet-XXXXXX", NULL);
  const int descriptor = g_mkstemp_full (name, O_RDWR | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return NULL;
  *beside = g_steal_pointer (&name);
  return fdopen (descriptor, "wb");
}

gboolean
dicenet_safetensors_write (const char *path, const DicenetTensor *tensors, guint n_tensors, GHashTable *metadata,
                           GError **error)
{
  g_autofree char *beside = NULL, *target = realpath (path, NULL); /* symbolic links are kept */
  const char *place = target ? target : path;
  FILE *out = open_output (dicenet_is_descriptor (path) ? path : place, &beside);
  gboolean ok = out != NULL;

  if (ok) {
    GString *header = make_header (tensors, n_tensors, metadata);
    ok = write_parts (out, header, tensors, n_tensors) && (!beside || fsync (fileno (out)) == 0);
    g_string_free (header, TRUE);
  }
  int reason = errno;
  if (out != NULL && fclose (out) != 0 && ok) {
    ok = FALSE;
    reason = errno;
  }
  if (ok && beside != NULL && g_rename (beside, place) != 0) {
    ok = FALSE;
    reason = errno;
  }
  if (!ok) {
    g_autofree char *shown = dicenet_path_excerpt (path);
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: cannot be written: %s", shown, g_strerror (reason));
    if (beside != NULL)
      g_unlink (beside);
  }
  return ok;
}
