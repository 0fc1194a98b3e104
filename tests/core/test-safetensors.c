/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "file/safetensors.h"

/* Untrusted files: whatever the bytes, each tensor is within the file. */

/* Opens a file with this header and data in a folder of its own. */
static DicenetSafetensors *
open_bytes (const char *folder, const void *bytes, gsize n, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "file.safetensors", NULL);
  /* In place, because creating or truncating thousands of files is slow. */
  const int fd = g_open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (write (fd, bytes, n), (gssize) n);
  ck_assert_int_eq (ftruncate (fd, (off_t) n), 0);
  ck_assert_int_eq (close (fd), 0);
  return dicenet_safetensors_open (path, error);
}

static DicenetSafetensors *
open_json (const char *folder, const char *json, gsize data_bytes, GError **error)
{
  const guint64 length = GUINT64_TO_LE ((guint64) strlen (json));
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) json, (guint) strlen (json));
  g_byte_array_set_size (bytes, bytes->len + (guint) data_bytes);
  return open_bytes (folder, bytes->data, bytes->len, error);
}

START_TEST (refuses_what_is_wrong)
{
  static const struct {
    const char *json;
    gsize data_bytes;
    const char *says;
  } cases[] = {
    { "{\"a\":", 0, "not valid JSON" },
    { "[]", 0, "not a JSON object" },
    { "[[[[[[[[", 0, "not valid JSON (line 1, character 9: expected a value" },
    { "{\"a\":1}", 0, "tensor \"a\"" },
    { "{\"__metadata__\":3}", 0, "__metadata__" },
    { "{\"__metadata__\":{\"k\":1}}", 0, "expected a string for \"k\"" },
    { "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "found F64" },
    { "{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "expected type" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "found none" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":3,\"data_offsets\":[0,4]}}", 4, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "dimension 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8 dimensions" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,4]}}", 4, "dimension 1" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "does not fit" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
      "shape [2] of F32 does not fit its 4 bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "[begin, end]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "[begin, end]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "[begin, end]" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "cut short" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "4 bytes after tensor \"a\"" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "4 bytes before tensor \"a\"" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
      12, "overlaps a" },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    ck_assert_msg (open_json (folder, cases[i].json, cases[i].data_bytes, &error) == NULL, "%s", cases[i].json);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, cases[i].says, "file.safetensors");
  }
  test_folder_remove (folder);
}
END_TEST

START_TEST (refuses_what_is_no_file)
{
  char *folder = test_folder_new ();
  g_autofree char *fifo = g_build_filename (folder, "fifo", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  g_autoptr (GError) error = NULL;

  ck_assert_int_eq (mkfifo (fifo, 0600), 0);
  ck_assert (dicenet_safetensors_open (fifo, &error) == NULL); /* must not block waiting for a writer */
  assert_error (error, DICENET_ERROR_OPEN, "fifo", "expected a file");
  ck_assert (dicenet_safetensors_open (folder, &error) == NULL);
  assert_error (error, DICENET_ERROR_OPEN, "a folder");
  ck_assert (dicenet_safetensors_open (missing, &error) == NULL);
  assert_error (error, DICENET_ERROR_OPEN, "missing", "No such file");
  ck_assert (open_bytes (folder, "", 0, &error) == NULL);
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "found 0 bytes");
  ck_assert (open_bytes (folder, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P", 14, &error) == NULL);
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "PyTorch checkpoints are converted with models/convert.py");
  test_folder_remove (folder);
}
END_TEST

/* "Ab" and "BA" have the same value in g_str_hash(), and so have all names made of them. */
static void
append_colliding (GString *json, guint n)
{
  for (guint i = 0; i < n; i++) {
    g_string_append (json, i ? ",\"" : "\"");
    for (guint bit = 0; bit < 60; bit++)
      g_string_append (json, bit < 13 && (i >> bit & 1) ? "BA" : "Ab");
    g_string_append (json, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
  }
}

START_TEST (survives_hostile_headers)
{
  char *folder = test_folder_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *brackets = g_strnfill (100000, '['), *deep = g_strconcat ("{\"a\": /* \" */ ", brackets, NULL);
  g_autoptr (GString) most = g_string_new ("{"), more = g_string_new ("{");

  ck_assert_ptr_null (open_json (folder, deep, 0, &error));
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "line 1, character 7", "found /");
  ck_assert_uint_eq (g_str_hash ("Ab"), g_str_hash ("BA"));
  append_colliding (most, 4096);
  g_string_append_c (most, '}');
  append_colliding (more, 4097);
  g_string_append_c (more, '}');
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (DicenetSafetensors) file = open_json (folder, most->str, 0, &error);
  assert_no_error (error);
  ck_assert_ptr_nonnull (file);
  ck_assert_int_lt (g_get_monotonic_time () - start, 2 * G_USEC_PER_SEC);
  ck_assert_ptr_null (open_json (folder, more->str, 0, &error));
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "at most 4096 tensors");
  ck_assert_ptr_null (open_json (folder, "{\"a\\u0000\":1}", 0, &error));
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "U+0000");
  ck_assert_ptr_null (open_json (folder, "{\"a\\u001b\":1}", 0, &error));
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "found \"a\\u001b\"");
  test_folder_remove (folder);
}
END_TEST

START_TEST (refuses_what_is_huge)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "huge.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  ck_assert (g_file_set_contents (path, "", 0, NULL));
  ck_assert_int_eq (truncate (path, (off_t) 1 << 40), 0);
  ck_assert_ptr_null (dicenet_safetensors_open (path, &error));
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "1099511627776 bytes", "1073741824 at most");
  ck_assert_ptr_null (dicenet_safetensors_open ("/dev/zero", &error));
  assert_error (error, DICENET_ERROR_OPEN, "not a regular file");
  test_folder_remove (folder);
}
END_TEST

/* Two tensors and metadata, written by our writer. */
static void
write_example (const char *path)
{
  static const float floats[] = { 1, -2.5f, 3e-40f, 4, 5, 6 };
  static const guint16 halves[] = { 0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x7c00, 0x03ff };
  const DicenetTensor tensors[] = {
    { (char *) "floats", DICENET_DTYPE_F32, 2, { 2, 3 }, 6, (const guint8 *) floats },
    { (char *) "halves", DICENET_DTYPE_F16, 1, { 7 }, 7, (const guint8 *) halves },
    { (char *) "none", DICENET_DTYPE_F32, 2, { 0, 4 }, 0, (const guint8 *) floats },
  };
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;
  g_hash_table_insert (metadata, (gpointer) "quote", (gpointer) "a \"quoted\" [[[[[[ text");
  dicenet_safetensors_write (path, tensors, G_N_ELEMENTS (tensors), metadata, &error);
  assert_no_error (error);
}

START_TEST (reads_what_it_wrote)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "file.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  float floats[6], halves[7];

  write_example (path);
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (path, &error);
  assert_no_error (error);
  ck_assert_str_eq (g_hash_table_lookup (file->metadata, "quote"), "a \"quoted\" [[[[[[ text");
  dicenet_tensor_to_float (dicenet_safetensors_find (file, "floats"), floats);
  ck_assert (floats[0] == 1 && floats[1] == -2.5f && floats[2] == 3e-40f && floats[5] == 6);
  dicenet_tensor_to_float (dicenet_safetensors_find (file, "halves"), halves);
  ck_assert (halves[0] == 1 && halves[1] == -2 && halves[2] == 0x1p-24f && halves[3] == 65504);
  ck_assert (halves[4] == 0 && signbit (halves[4]) && isinf (halves[5]) && halves[6] == 0x3ffp-24f);
  ck_assert_uint_eq (dicenet_safetensors_find (file, "none")->n_elements, 0);
  ck_assert_ptr_null (dicenet_safetensors_find (file, "other"));
  test_folder_remove (folder);
}
END_TEST

/* Reads all bytes of the file's tensors: a sanitizer or a page fault detects accesses outside of the file. */
static guint
touch_all (const DicenetSafetensors *file)
{
  guint sum = 0;
  for (GTreeNode *n = g_tree_node_first (file->tensors); n; n = g_tree_node_next (n)) {
    const DicenetTensor *t = g_tree_node_value (n);
    for (gsize i = 0; i < t->n_elements * dicenet_dtype_size (t->dtype); i++)
      sum += t->data[i];
  }
  return sum;
}

static gpointer
rewrite (gpointer data)
{
  const char *path = ((char **) data)[0];
  gint *stop = (gint *) ((char **) data)[1];

  while (!g_atomic_int_get (stop)) {
    ck_assert_int_eq (truncate (path, 0), 0);
    g_usleep (50);
    write_example (path);
    g_usleep (50);
  }
  return NULL;
}

/* As with `cp new model`: the file is truncated while in use. */
START_TEST (survives_rewriting_in_place)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "file.safetensors", NULL);
  gint stop = 0;
  gpointer data[] = { path, &stop };

  write_example (path);
  GThread *writer = g_thread_new ("writer", rewrite, data);
  for (guint i = 0; i < 1000; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (path, &error);
    ck_assert ((file == NULL) != (error == NULL));
    if (file != NULL)
      touch_all (file);
  }
  g_atomic_int_set (&stop, 1);
  g_thread_join (writer);
  test_folder_remove (folder);
}
END_TEST

START_TEST (survives_truncation_and_noise)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "good.safetensors", NULL);
  g_autofree char *good = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  gsize n;
  guint accepted = 0;

  write_example (path);
  ck_assert (g_file_get_contents (path, &good, &n, NULL));
  for (gsize cut = 0; cut < n; cut++) {
    g_autoptr (GError) error = NULL;
    ck_assert_msg (open_bytes (folder, good, cut, &error) == NULL, "cut at %zu", cut);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, "file.safetensors");
  }
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *bad = g_memdup2 (good, n);
    for (guint k = 0; k <= i % 4; k++)
      bad[g_rand_int_range (rand, 0, (gint) n)] = (char) g_rand_int (rand);
    g_autoptr (DicenetSafetensors) file = open_bytes (folder, bad, n, NULL);
    if (file != NULL) {
      touch_all (file);
      accepted++;
    }
  }
  ck_assert_uint_gt (accepted, 0); /* changes in the data or in a name are valid */
  ck_assert_uint_lt (accepted, 3000);
  test_folder_remove (folder);
}
END_TEST

TEST_MAIN ("safetensors", refuses_what_is_wrong, refuses_what_is_no_file, survives_hostile_headers,
           refuses_what_is_huge, reads_what_it_wrote, survives_rewriting_in_place, survives_truncation_and_noise)
