/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines and zones as text and in files, and what is said about wrong ones. */

#include <glib/gstdio.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dicenet/error.h>
#include "common.h"

typedef struct {
  const char *text, *message;
} Wrong;

static const GstDicenetShape *
shape_of (GPtrArray *shapes, guint i)
{
  ck_assert_uint_lt (i, shapes->len);
  return g_ptr_array_index (shapes, i);
}

START_TEST (test_text)
{
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;

  ck_assert (gst_dicenet_shapes_add_text (shapes, FALSE,
                                          " door : 0.1, 0.5 ,.9,5e-1 ; a b:person, dining table:0,0,1,1;;", &error));
  ck_assert (gst_dicenet_shapes_add_text (shapes, TRUE, "till:0.1,0.1,0.4,0.1,0.4,0.6,0.1,0.6,0.1,0.1", &error));
  ck_assert (gst_dicenet_shapes_add_text (shapes, TRUE, "", &error));
  ck_assert (gst_dicenet_shapes_add_text (shapes, FALSE, "all: :0,0,1,1", &error));
  ck_assert_uint_eq (shapes->len, 4);
  ck_assert_ptr_null (shape_of (shapes, 3)->classes);
  const GstDicenetShape *door = shape_of (shapes, 0), *other = shape_of (shapes, 1), *till = shape_of (shapes, 2);
  ck_assert (strcmp (door->name, "door") == 0 && !door->is_zone && !door->classes && door->n_points == 2);
  ck_assert (door->points[0].x == 0.1 && door->points[0].y == 0.5 && door->points[1].x == 0.9);
  ck_assert (strcmp (other->name, "a b") == 0 && strcmp (other->classes[1], "dining table") == 0 && !other->classes[2]);
  ck_assert (till->is_zone && till->n_points == 4); /* without the repeated first corner */
}
END_TEST

static void
expect_error (GError *error, const char *message, const char *text)
{
  ck_assert_msg (error != NULL, "no error: %s", text);
  ck_assert (error->domain == DICENET_ERROR && g_utf8_validate (error->message, -1, NULL));
  ck_assert_msg (strstr (error->message, message) != NULL, "%s: '%s' is not in: %s", text, message, error->message);
  ck_assert_uint_lt (strlen (error->message), 700);
  g_error_free (error);
}

static void
refuse (gboolean are_zones, const Wrong *wrong)
{
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;

  ck_assert (!gst_dicenet_shapes_add_text (shapes, are_zones, wrong->text, &error));
  expect_error (error, wrong->message, wrong->text);
}

START_TEST (test_wrong_lines)
{
  const Wrong wrong[] = {
    { "door", "expected NAME:X1,Y1,X2,Y2 or NAME:CLASS,CLASS:X1,Y1,X2,Y2, such as door:0.1,0.5,0.9,0.5; found 'door'" },
    { "a:b:c:0,0,1,1", "expected NAME:" },
    { "door:0.1,0.5,0.9", "'door:0.1,0.5,0.9': expected pairs of coordinates, found an odd count of numbers: 3" },
    { "door:0.1,0.5,0.9,x", "expected a number from 0 to 1, found 'x'" },
    { "door:0.1,0.5,0.9,", "expected a number from 0 to 1, found ''" },
    { "door:", "expected a number from 0 to 1, found ''" },
    { "door:0.1 0.5 0.9 0.5", "expected a number from 0 to 1, found '0.1 0.5 0.9 0.5'" },
    { "door:0.1,0.5,0.9,nan", "expected a number from 0 to 1, found 'nan'" },
    { "door:0.1,0.5,0.9,1e999", "expected a number from 0 to 1, found '1e999'" },
    { "door:100,200,0.9,0.5",
      "line 'door': expected coordinates from 0 to 1, as fractions of the frame, found 100,200" },
    { "door:0.1,-0.5,0.9,0.5", "found 0.1,-0.5" },
    { "door:0.1,0.5,0.1,0.5", "line 'door': expected different points, found 0.1,0.5 twice" },
    { "door:0.1,0.5,0.9,0.5,0.9,0.9", "line 'door': expected the two points of a line, found 3" },
    { ":0,0,1,1", "expected a name of 1 to 64 characters, found ''" },
    { "a\nb:0,0,1,1", "expected a name without control characters" },
    { "\xff:0,0,1,1", "expected a name in UTF-8" },
    { "0123456789012345678901234567890123456789012345678901234567890123456789:0,0,1,1", "1 to 64 characters" },
    { "a:0,0,1,1;a:0,0,1,0", "line 'a': there is another line of this name" },
    { "a:person,,car:0,0,1,1", "line 'a': expected a class name of 1 to 64 characters" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    refuse (FALSE, &wrong[i]);
}
END_TEST

/* Texts are read and shown with decimal points everywhere. */
START_TEST (test_decimal_comma)
{
  const char *names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8" };
  gboolean found = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (names) && !found; i++)
    found = setlocale (LC_NUMERIC, names[i]) != NULL;
  if (!found)
    printf ("no locale with a decimal comma: shown in the usual one\n");
  refuse (FALSE, &(Wrong){ "door:0.1,0.5,0.1,0.5", "found 0.1,0.5 twice" });
  refuse (FALSE, &(Wrong){ "door:0.1,1.5,0.1,0.5", "found 0.1,1.5" });
  setlocale (LC_NUMERIC, "C");
}
END_TEST

START_TEST (test_wrong_zones)
{
  const Wrong wrong[] = {
    { "till", "expected NAME:X1,Y1,X2,Y2,X3,Y3... or" },
    { "till:0.1,0.5,0.9,0.5", "zone 'till': expected 3 to 64 corners of a zone, found 2" },
    { "till:0,0,0.5,0.5,1,1", "zone 'till': the zone turns back on itself at corner 1" },
    { "till:0,0,0.5,0.5,1,1,0.5,0.5", "zone 'till': the zone turns back on itself at corner 1" },
    { "till:0,0,1,1,1,0,0,1", "zone 'till': the edges behind the corners 1 and 3 cross: list the corners in order" },
    { "till:0,0,1,0,1,1,0.5,0,0,1", "cross" }, /* touches */
    { "till:0,0,0.5,0,0.9,0,0.2,0,0.5,1", "turns back on itself at corner 3" },
    { "till:0.1,0.1,0.1,0.1,0.4,0.6", "expected different points, found 0.1,0.1 twice: the points 1 and 2" },
    { "till:0.1,0.1,0.102,0.1,0.102,0.102", "expected a zone with an area" },
  };
  GString *many = g_string_new ("till:0,0");

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    refuse (TRUE, &wrong[i]);
  for (guint i = 0; i < 1000; i++)
    g_string_append_printf (many, ",0.%03u,0.5", i);
  refuse (TRUE, &(Wrong){ many->str, "expected 3 to 64 corners of a zone, found" });
  g_string_free (many, TRUE);
}
END_TEST

START_TEST (test_numbers_of_shapes)
{
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
  GString *text = g_string_new (NULL), *corners = g_string_new ("round");
  GError *error = NULL;

  for (guint i = 0; i < 64; i++) {
    g_string_append_printf (text, "%u:0,0.%03u,1,1;", i, i);
    char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append_printf (corners, "%c%s,%s", i ? ',' : ':',
                            g_ascii_dtostr (x, sizeof x, i < 32 ? i / 32.0 : (64 - i) / 32.0),
                            g_ascii_dtostr (y, sizeof y, i < 32 ? 0.1 : 0.9));
  }
  ck_assert (gst_dicenet_shapes_add_text (shapes, FALSE, text->str, &error));
  ck_assert_msg (gst_dicenet_shapes_add_text (shapes, TRUE, corners->str, &error), "%s", error ? error->message : "");
  ck_assert_uint_eq (shape_of (shapes, 64)->n_points, 64);
  ck_assert (!gst_dicenet_shapes_add_text (shapes, FALSE, "more:0,0,1,1", &error));
  expect_error (error, "line 'more': expected at most 64 lines, found more", "65 lines");
  error = NULL;
  ck_assert (!gst_dicenet_shapes_add_text (shapes, TRUE, "7:0,0,1,0,1,1", &error));
  expect_error (error, "zone '7': there is another line of this name", "a zone of a line's name");
  g_string_free (text, TRUE);
  g_string_free (corners, TRUE);
}
END_TEST

START_TEST (test_json)
{
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;
  const char *text =
      "\n{ \"zones\" : [ { \"points\": [[0.1, 0.1], [4e-1, 0.1] , [0.4, 6E-1]], \"name\": \"till\","
      "\"classes\": []} ],\"lines\":[\r\n"
      "{\"classes\":[\"person\",\"\\u0063ar\"],\"name\":\"d\\u00f6\\u00f6r \\ud83d\\ude00 \\\"x\\\"\\/\\\\\","
      "\"points\":[[0,0],[1,1]]}]}\t";

  ck_assert_msg (gst_dicenet_shapes_add_json (shapes, text, &error), "%s", error ? error->message : "");
  ck_assert_uint_eq (shapes->len, 2);
  const GstDicenetShape *till = shape_of (shapes, 0), *door = shape_of (shapes, 1);
  ck_assert (till->is_zone && till->n_points == 3 && till->points[2].y == 0.6 && !till->classes);
  ck_assert_str_eq (door->name, "d\xc3\xb6\xc3\xb6r \xf0\x9f\x98\x80 \"x\"/\\");
  ck_assert (!door->is_zone && strcmp (door->classes[1], "car") == 0);
  ck_assert (gst_dicenet_shapes_add_json (shapes, "{}", &error) && shapes->len == 2);
}
END_TEST

#define LINE(more) "{\"lines\": [\n  {\"name\": \"door\", \"points\": [[0.1, 0.5], [0.9, 0.5]]" more "}\n]}"

START_TEST (test_wrong_json)
{
  const Wrong wrong[] = {
    { "", "line 1, character 1: expected a value" },
    { "[]", "line 1, character 1: expected {\"lines\": [...], \"zones\": [...]}" },
    { "{\"lines\": [\n{\"name\": \"door\",}]}", "line 2, character 17: expected a key" },
    { "{'lines': []}", "line 1, character 2: expected a key" },
    { "{\"line\": []}", "line 1, character 2: expected lines or zones, found 'line'" },
    { "{\"lines\": {}}", "line 1, character 11: expected a list of lines" },
    { "{\"zones\": 5}", "line 1, character 11: expected a list of zones" },
    { "{\"lines\": [5]}", "line 1, character 12: expected a shape, such as" },
    { "{\"lines\": [{}]}", "line 1, character 12: expected a shape with a name and points" },
    { "{\"lines\": [{\"name\": \"x\"}]}", "expected a shape with a name and points" },
    { "{\"lines\": [{\"name\": 5}]}", "line 1, character 21: expected a name in quotes" },
    { "{\"lines\": [{\"name\": \"a\\u0000b\"}]}", "character 20: expected a text without U+0000" },
    { "{\"lines\": [{\"name\": \"a\\u0008b\", \"points\": [[0,0],[1,1]]}]}", "without control characters" },
    { LINE (", \"color\": 5"), "line 2, character 56: expected name, points or classes, found 'color'" },
    { LINE (", \"classes\": \"person\""), "line 2, character 67: expected a list of class names" },
    { LINE (", \"classes\": [1]"), "line 2, character 68: expected the name of a class in quotes" },
    { LINE ("}, {\"name\": \"door\", \"points\": [[0, 0], [1, 1]]"),
      "line 2, character 57: line 'door': there is another" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": 7}]}", "such as [[0.1, 0.5], [0.9, 0.5]], found 7" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": []}]}", "line 'a': expected the two points of a line, found 0" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [0, 0, 1, 1]}]}",
      "character 37: expected a point, such as [0.1, 0.5]" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0], [1, 1]]}]}", "character 37: expected a point" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, 0, 1], [1, 1]]}]}", "character 37: expected a point" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, \"0\"], [1, 1]]}]}",
      "character 41: expected a number from 0 to 1" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, 0], [1, 500]]}]}",
      "character 49: expected a number from 0 to 1" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, 0], [1, -1]]}]}", "a fraction of the frame, found -1" },
    { "{\"zones\": [{\"name\": \"a\", \"points\": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}", "zone 'a': the edges behind" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
    GError *error = NULL;
    ck_assert_msg (!gst_dicenet_shapes_add_json (shapes, wrong[i].text, &error), "%s", wrong[i].text);
    expect_error (error, wrong[i].message, wrong[i].text);
  }
}
END_TEST

/* No part of a file, and no changed byte, does more than cause an error. */
START_TEST (test_damaged_json)
{
  const char *whole = "{\"lines\": [{\"name\": \"d\\u00f6 \\ud83d\\ude00\", \"points\": [[0.1, 0.5], [0.9, 0.5]], "
                      "\"classes\": [\"person\"]}], \"zones\": [{\"name\": \"z\", \"points\": [[0,0],[1,0],[1,1]]}]}";
  const gsize n = strlen (whole);
  GRand *rand = g_rand_new_with_seed (3);
  guint n_valid = 0;

  for (guint i = 0; i < 20000; i++) {
    g_autofree char *text = g_strdup (whole);
    g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
    g_autoptr (GError) error = NULL;
    if (i < n)
      text[i] = '\0';
    for (gint changes = g_rand_int_range (rand, 0, 3); i >= n && changes >= 0; changes--)
      text[g_rand_int_range (rand, 0, (gint32) n)] = (char) g_rand_int_range (rand, 1, 256);
    const gboolean ok = gst_dicenet_shapes_add_json (shapes, text, &error);
    ck_assert (ok == !error);
    n_valid += ok;
    ck_assert (i >= n || !ok);
  }
  ck_assert_uint_gt (n_valid, 100); /* changed digits */
  g_rand_free (rand);
}
END_TEST

START_TEST (test_files)
{
  g_autofree char *folder = g_dir_make_tmp ("shapes-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "shapes.json", NULL);
  g_autofree char *pipe = g_build_filename (folder, "pipe", NULL);
  g_autofree char *zeros = g_malloc0 (GST_DICENET_MAX_SHAPES_BYTES + 1);
  g_autoptr (GPtrArray) shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;

  ck_assert (!gst_dicenet_shapes_add_file (shapes, path, &error));
  expect_error (error, "shapes.json: cannot be opened: No such file", path);
  error = NULL;
  ck_assert (!gst_dicenet_shapes_add_file (shapes, folder, &error));
  expect_error (error, "expected a file, found a folder", folder);
  error = NULL;
  ck_assert_int_eq (mkfifo (pipe, 0600), 0);
  ck_assert (!gst_dicenet_shapes_add_file (shapes, pipe, &error)); /* and does not wait for a writer */
  expect_error (error, "expected a file, found something that is not a regular file", pipe);
  error = NULL;
  ck_assert (g_file_set_contents (path, zeros, GST_DICENET_MAX_SHAPES_BYTES + 1, NULL));
  ck_assert (!gst_dicenet_shapes_add_file (shapes, path, &error));
  expect_error (error, "expected at most 1048576 bytes, found 1048577", path);
  error = NULL;
  ck_assert (g_file_set_contents (path, "{}\0{}", 5, NULL));
  ck_assert (!gst_dicenet_shapes_add_file (shapes, path, &error));
  expect_error (error, "shapes.json: expected text, found a zero byte at offset 2", path);
  error = NULL;
  ck_assert (g_file_set_contents (path, "{\n]", 3, NULL));
  ck_assert (!gst_dicenet_shapes_add_file (shapes, path, &error));
  expect_error (error, "shapes.json: line 2, character 1: expected a key", path);
  error = NULL;
  ck_assert (g_file_set_contents (path, LINE (""), -1, NULL));
  ck_assert (gst_dicenet_shapes_add_file (shapes, path, &error));
  ck_assert_uint_eq (shapes->len, 1);
  g_unlink (path);
  g_unlink (pipe);
  g_rmdir (folder);
}
END_TEST

static void
add_tests (TCase *tests)
{
  tcase_add_test (tests, test_text);
  tcase_add_test (tests, test_wrong_lines);
  tcase_add_test (tests, test_decimal_comma);
  tcase_add_test (tests, test_wrong_zones);
  tcase_add_test (tests, test_numbers_of_shapes);
  tcase_add_test (tests, test_json);
  tcase_add_test (tests, test_wrong_json);
  tcase_add_test (tests, test_damaged_json);
  tcase_add_test (tests, test_files);
}

int
main (int argc, char **argv)
{
  return run_suite (argc, argv, "shapes", add_tests);
}
