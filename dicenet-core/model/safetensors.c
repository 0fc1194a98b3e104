/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "safetensors.h"

#include <dicenet/error.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* A header lists some hundred tensors in a few dozen KiB; a longer one is no model. */
#define MAX_HEADER_BYTES (16u << 20)
/* {"tensor": {"shape": [..]}} nests three deep. json-glib recurses, so depth has to be bounded before it parses. */
#define MAX_HEADER_DEPTH 4
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
  g_clear_pointer (&self->tensors, g_hash_table_unref);
  g_clear_pointer (&self->metadata, g_hash_table_unref);
  g_clear_pointer (&self->file, g_mapped_file_unref);
  g_free (self->path);
  g_free (self);
}

const DicenetTensor *
dicenet_safetensors_find (const DicenetSafetensors *self, const char *name)
{
  return g_hash_table_lookup (self->tensors, name);
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

#define FAIL(error, path, ...) fail_ (error, path, g_strdup_printf (__VA_ARGS__))

static gboolean
fail_ (GError **error, const char *path, char *what)
{
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL, "%s: %s", path, what);
  g_free (what);
  return FALSE;
}

static gboolean
depth_is_bounded (const char *json, gsize n)
{
  guint depth = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < n; i++) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = FALSE;
    } else if (c == '"')
      in_string = TRUE;
    else if ((c == '{' || c == '[') && ++depth > MAX_HEADER_DEPTH)
      return FALSE;
    else if ((c == '}' || c == ']') && depth > 0)
      depth--;
  }
  return TRUE;
}

static gboolean
read_metadata (DicenetSafetensors *self, JsonNode *node, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FAIL (error, self->path, "__metadata__: expected an object of strings");

  JsonObjectIter iter;
  const char *key;
  JsonNode *value;
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value)) {
    if (!JSON_NODE_HOLDS_VALUE (value) || json_node_get_value_type (value) != G_TYPE_STRING)
      return FAIL (error, self->path, "__metadata__: expected a string for \"%s\"", key);
    g_hash_table_insert (self->metadata, g_strdup (key), g_strdup (json_node_get_string (value)));
  }
  return TRUE;
}

/* A JSON whole number of 0 or more. */
static gboolean
read_size (JsonNode *node, guint64 *out)
{
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64 || json_node_get_int (node) < 0)
    return FALSE;
  *out = (guint64) json_node_get_int (node);
  return TRUE;
}

static gboolean
read_dtype (DicenetSafetensors *self, DicenetTensor *tensor, JsonObject *object, GError **error)
{
  JsonNode *node = json_object_get_member (object, "dtype");
  const char *name = node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;

  for (guint i = 0; name && i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (name, dtypes[i].name)) {
      tensor->dtype = (DicenetDtype) i;
      return TRUE;
    }
  }
  return FAIL (error, self->path, "tensor \"%s\": expected type F32 or F16, found %s", tensor->name,
               name ? name : "none");
}

static gboolean
read_shape (DicenetSafetensors *self, DicenetTensor *tensor, JsonObject *object, GError **error)
{
  JsonNode *node = json_object_get_member (object, "shape");
  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return FAIL (error, self->path, "tensor \"%s\": expected an array as \"shape\"", tensor->name);

  JsonArray *array = json_node_get_array (node);
  tensor->n_dims = json_array_get_length (array);
  if (tensor->n_dims > DICENET_MAX_DIMS)
    return FAIL (error, self->path, "tensor \"%s\": expected at most %d dimensions, found %u", tensor->name,
                 DICENET_MAX_DIMS, tensor->n_dims);
  tensor->n_elements = 1;
  for (guint i = 0; i < tensor->n_dims; i++) {
    if (!read_size (json_array_get_element (array, i), &tensor->dims[i]) ||
        !g_size_checked_mul (&tensor->n_elements, tensor->n_elements, tensor->dims[i]))
      return FAIL (error, self->path, "tensor \"%s\": dimension %u of its shape is not a size", tensor->name, i);
  }
  return TRUE;
}

static gboolean
read_offsets (DicenetSafetensors *self, DicenetTensor *tensor, JsonObject *object, const guint8 *data, gsize data_bytes,
              GError **error)
{
  JsonNode *node = json_object_get_member (object, "data_offsets");
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint64 begin = 0, end = 0;

  if (array == NULL || json_array_get_length (array) != 2 || !read_size (json_array_get_element (array, 0), &begin) ||
      !read_size (json_array_get_element (array, 1), &end) || begin > end)
    return FAIL (error, self->path, "tensor \"%s\": expected [begin, end] as \"data_offsets\"", tensor->name);
  if (end > data_bytes)
    return FAIL (error, self->path,
                 "tensor \"%s\" ends at byte %" G_GUINT64_FORMAT " of the data, but the file holds %" G_GSIZE_FORMAT
                 ": the file was cut short; fetch or convert it again",
                 tensor->name, end, data_bytes);

  gsize expected;
  if (!g_size_checked_mul (&expected, tensor->n_elements, dtypes[tensor->dtype].size) || expected != end - begin) {
    g_autofree char *shape = dicenet_tensor_shape_string (tensor->dims, tensor->n_dims);
    return FAIL (error, self->path, "tensor \"%s\": shape %s of %s does not fit its %" G_GUINT64_FORMAT " bytes",
                 tensor->name, shape, dtypes[tensor->dtype].name, end - begin);
  }
  tensor->data = data + begin;
  return TRUE;
}

static gboolean
read_tensor (DicenetSafetensors *self, const char *name, JsonNode *node, const guint8 *data, gsize data_bytes,
             GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FAIL (error, self->path, "tensor \"%s\": expected an object in the header", name);

  JsonObject *object = json_node_get_object (node);
  DicenetTensor *tensor = g_new0 (DicenetTensor, 1);
  tensor->name = g_strdup (name);
  g_hash_table_insert (self->tensors, tensor->name, tensor);
  return read_dtype (self, tensor, object, error) && read_shape (self, tensor, object, error) &&
         read_offsets (self, tensor, object, data, data_bytes, error);
}

static int
compare_data (gconstpointer a, gconstpointer b)
{
  const DicenetTensor *x = *(DicenetTensor *const *) a, *y = *(DicenetTensor *const *) b;
  if (x->data != y->data)
    return x->data < y->data ? -1 : 1;
  return x->n_elements < y->n_elements ? -1 : x->n_elements > y->n_elements;
}

/* The format wants the data covered without holes and without overlap: anything else hides something. */
static gboolean
check_coverage (DicenetSafetensors *self, const guint8 *data, gsize data_bytes, GError **error)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init (&iter, self->tensors);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (tensors, value);
  g_ptr_array_sort (tensors, compare_data);

  const guint8 *at = data;
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
  if (at != data + data_bytes)
    return FAIL (error, self->path, "%" G_GSIZE_FORMAT " bytes after tensor \"%s\" belong to no tensor",
                 (gsize) (data + data_bytes - at), before);
  return TRUE;
}

static gboolean
read_header (DicenetSafetensors *self, const char *json, gsize n, const guint8 *data, gsize data_bytes, GError **error)
{
  if (!g_utf8_validate (json, (gssize) n, NULL) || !depth_is_bounded (json, n))
    return FAIL (error, self->path,
                 "the header is not that of a safetensors file; convert models with models/convert.py");

  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) parse_error = NULL;
  if (!json_parser_load_from_data (parser, json, (gssize) n, &parse_error))
    return FAIL (error, self->path, "the header is not valid JSON (%s)", parse_error->message);
  JsonNode *root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FAIL (error, self->path, "the header is not a JSON object");

  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &name, &node)) {
    gboolean ok = g_str_equal (name, "__metadata__") ? read_metadata (self, node, error)
                                                     : read_tensor (self, name, node, data, data_bytes, error);
    if (!ok)
      return FALSE;
  }
  return check_coverage (self, data, data_bytes, error);
}

/* Opening a FIFO or a device would block or never end. */
static gboolean
check_regular_file (const char *path, GError **error)
{
  GStatBuf info;
  if (g_stat (path, &info) != 0) {
    const int code = errno;
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: cannot be opened: %s", path, g_strerror (code));
    return FALSE;
  }
  if (!S_ISREG (info.st_mode)) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: expected a file, found %s", path,
                 S_ISDIR (info.st_mode) ? "a folder" : "something that is not a regular file");
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_mapped (DicenetSafetensors *self, GError **error)
{
  g_autoptr (GError) map_error = NULL;
  if (!check_regular_file (self->path, error))
    return FALSE;
  self->file = g_mapped_file_new (self->path, FALSE, &map_error);
  if (self->file == NULL) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: cannot be read: %s", self->path, map_error->message);
    return FALSE;
  }

  const gsize size = g_mapped_file_get_length (self->file);
  const guint8 *bytes = (const guint8 *) g_mapped_file_get_contents (self->file);
  guint64 header;
  if (size < sizeof header + 2)
    return FAIL (error, self->path,
                 "expected a safetensors model, found %" G_GSIZE_FORMAT " bytes; convert models with models/convert.py",
                 size);
  memcpy (&header, bytes, sizeof header);
  header = GUINT64_FROM_LE (header);
  if (header > MAX_HEADER_BYTES)
    return FAIL (error, self->path,
                 "this is no safetensors model (a header of %" G_GUINT64_FORMAT
                 " bytes); PyTorch checkpoints are converted with models/convert.py",
                 header);
  if (header > size - sizeof header)
    return FAIL (error, self->path,
                 "the header has %" G_GUINT64_FORMAT " bytes, but the file only %" G_GSIZE_FORMAT
                 ": it was cut short; fetch or convert it again",
                 header, size);

  const guint8 *data = bytes + sizeof header + header;
  return read_header (self, (const char *) bytes + sizeof header, (gsize) header, data,
                      size - sizeof header - (gsize) header, error);
}

DicenetSafetensors *
dicenet_safetensors_open (const char *path, GError **error)
{
  g_autoptr (DicenetSafetensors) self = g_new0 (DicenetSafetensors, 1);
  self->path = g_strdup (path);
  self->tensors = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, tensor_free);
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return open_mapped (self, error) ? g_steal_pointer (&self) : NULL;
}

static void
add_tensor_entry (JsonBuilder *builder, const DicenetTensor *tensor, gsize begin, gsize end)
{
  json_builder_set_member_name (builder, tensor->name);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "dtype");
  json_builder_add_string_value (builder, dicenet_dtype_name (tensor->dtype));
  json_builder_set_member_name (builder, "shape");
  json_builder_begin_array (builder);
  for (guint i = 0; i < tensor->n_dims; i++)
    json_builder_add_int_value (builder, (gint64) tensor->dims[i]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "data_offsets");
  json_builder_begin_array (builder);
  json_builder_add_int_value (builder, (gint64) begin);
  json_builder_add_int_value (builder, (gint64) end);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static GString *
make_header (const DicenetTensor *tensors, guint n_tensors, GHashTable *metadata)
{
  g_autoptr (JsonBuilder) builder = json_builder_new_immutable ();
  json_builder_begin_object (builder);
  if (metadata != NULL) {
    GHashTableIter iter;
    gpointer key, value;
    json_builder_set_member_name (builder, "__metadata__");
    json_builder_begin_object (builder);
    g_hash_table_iter_init (&iter, metadata);
    while (g_hash_table_iter_next (&iter, &key, &value)) {
      json_builder_set_member_name (builder, key);
      json_builder_add_string_value (builder, value);
    }
    json_builder_end_object (builder);
  }
  gsize at = 0;
  for (guint i = 0; i < n_tensors; i++) {
    const gsize end = at + tensors[i].n_elements * dtypes[tensors[i].dtype].size;
    add_tensor_entry (builder, &tensors[i], at, end);
    at = end;
  }
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = json_to_string (root, FALSE);
  GString *header = g_string_new (json);
  while ((sizeof (guint64) + header->len) % DATA_ALIGNMENT != 0)
    g_string_append_c (header, ' ');
  return header;
}

gboolean
dicenet_safetensors_write (const char *path, const DicenetTensor *tensors, guint n_tensors, GHashTable *metadata,
                           GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) io_error = NULL;
  GString *header = make_header (tensors, n_tensors, metadata);
  const guint64 length = GUINT64_TO_LE ((guint64) header->len);

  g_autoptr (GFileOutputStream) stream =
      g_file_replace (file, NULL, FALSE, G_FILE_CREATE_REPLACE_DESTINATION, NULL, &io_error);
  GOutputStream *out = (GOutputStream *) stream;
  gboolean ok = out && g_output_stream_write_all (out, &length, sizeof length, NULL, NULL, &io_error) &&
                g_output_stream_write_all (out, header->str, header->len, NULL, NULL, &io_error);
  for (guint i = 0; ok && i < n_tensors; i++)
    ok = g_output_stream_write_all (out, tensors[i].data, tensors[i].n_elements * dtypes[tensors[i].dtype].size, NULL,
                                    NULL, &io_error);
  ok = ok && g_output_stream_close (out, NULL, &io_error);
  g_string_free (header, TRUE);
  if (!ok)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: cannot be written: %s", path, io_error->message);
  return ok;
}
