/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>
#include "file/json.h"

/* The JSON parser with untrusted input: RFC 8259 and nothing else. */

START_TEST (refuses_what_is_not_json)
{
  static const struct {
    const char *text, *says;
  } cases[] = {
    { "", "line 1, character 1: expected a value, found the end of the text" },
    { "  ", "character 3: expected a value" },
    { "{\"a\": /* \" */ 1}", "line 1, character 7: expected a value, found /" },
    { "// c\n1", "character 1: expected a value, found /" },
    { "{'a':1}", "character 2: expected a key in double quotes, found '" },
    { "{\"a\":'b'}", "character 6: expected a value" },
    { "{a:1}", "expected a key" },
    { "{\"a\" 1}", "character 6: expected a colon" },
    { "[1,]", "character 4: expected a value, found ]" },
    { "{\"a\":1,}", "character 8: expected a key in double quotes, found }" },
    { "[1 2]", "character 4: expected a comma or ]" },
    { "[,]", "expected a value" },
    { "[1}", "expected a comma or ]" },
    { "[1", "expected a comma or ], found the end of the text" },
    { "010", "character 2: expected the end of the text, found 1" },
    { "0x10", "character 2: expected the end of the text, found x" },
    { "+1", "expected a value" },
    { ".5", "expected a value" },
    { "1.", "character 3: expected a digit" },
    { "1e", "expected a digit" },
    { "-", "expected a digit" },
    { "NaN", "expected a value" },
    { "-Infinity", "expected a digit" },
    { "True", "expected a value" },
    { "nul", "expected a value" },
    { "{} {}", "character 4: expected the end of the text" },
    { "\xef\xbb\xbf{}", "character 1: expected a value, found U+FEFF" },
    { "[\n\n \"a\tb\"]", "line 3, character 4: expected a string's control characters as escapes, found U+0009" },
    { "\"\\x\"", "behind a backslash" },
    { "\"\\u12g4\"", "four hexadecimal digits" },
    { "\"\\ud800\"", "the second half of a surrogate pair" },
    { "\"\\ud800\\u0041\"", "the second half of a surrogate pair" },
    { "\"\\udc00\"", "the first half of a surrogate pair" },
    { "\"\xff\"", "character 2: expected UTF-8, found the byte 0xff" },
    { "\"\xed\xa0\x80\"", "expected UTF-8" },
    { "\"a", "expected a quote" },
    { "\"a\\\"", "expected a quote" },
    { "{\"a\":1,\"b\":{\"a\":2},\"\\u0061\":3}", "character 20: expected another key" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *out = dicenet_json_minify (cases[i].text, &error);
    ck_assert_msg (out == NULL, "%s", cases[i].text);
    assert_error (error, DICENET_ERROR_ARGUMENT, cases[i].says);
  }
}
END_TEST

START_TEST (keeps_what_is_json)
{
  static const char *const cases[][2] = {
    { " { \"gain\" : 1e-10 , \"n\": 123456789012345678901234567890,\"x\":1E+999 }\n",
      "{\"gain\":1e-10,\"n\":123456789012345678901234567890,\"x\":1E+999}" },
    { "[ ]", "[]" },
    { "{\t}", "{}" },
    { " [ true , false,null, -0, 0.50 ,\"a \\\" , b\\u0000\\ud83d\\ude00\"]\r\n",
      "[true,false,null,-0,0.50,\"a \\\" , b\\u0000\\ud83d\\ude00\"]" },
    { "\"\xc3\xa9 // /* \"", "\"\xc3\xa9 // /* \"" },
    { "{\"a\x7f\xc2\x85\" : \"\\\\\xe2\x80\xa8\\n\xe2\x80\xa9\xc2\x9f\xc2\xa0\"}",
      "{\"a\\u007f\\u0085\":\"\\\\\\u2028\\n\\u2029\\u009f\xc2\xa0\"}" },
    { "7", "7" },
    { "{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]}}", "{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]}}" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *out = dicenet_json_minify (cases[i][0], &error);
    assert_no_error (error);
    ck_assert_str_eq (out, cases[i][1]);
  }
}
END_TEST

START_TEST (bounds_depth_and_keys)
{
  g_autofree char *deep = g_strnfill (100000, '[');
  g_autoptr (GString) wide = g_string_new ("{\"k\":0");
  g_autoptr (GError) error = NULL;

  ck_assert_ptr_null (dicenet_json_minify (deep, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "character 65: expected values that nest 64 deep at most");
  for (guint i = 1; i < 65536; i++)
    g_string_append_printf (wide, ",\"%u\":0", i);
  g_autofree char *most = g_strconcat (wide->str, "}", NULL), *more = g_strconcat (wide->str, ",\"more\":0}", NULL);
  ck_assert (dicenet_json_check (most, strlen (most), &error));
  ck_assert (!dicenet_json_check (more, strlen (more), &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "expected at most 65536 keys");

  g_autofree char *long_key = g_strnfill (65536, 'k'), *long_text = g_strdup_printf ("{\"%s\":0}", long_key);
  ck_assert (!dicenet_json_check (long_text, strlen (long_text), &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "character 2: expected a key of at most 65536 bytes");
}
END_TEST

START_TEST (reads_what_it_checked)
{
  const char *text = " { \"a\\n\" : \"\\u00e9\\ud83d\\ude00\\/\" , \"skipped\":[1,{\"]\":\"}\\\\\"}] , \"n\" : -12 ,"
                     "\"nul\":\"\\u0000\"}";
  g_autoptr (GError) error = NULL;
  const char *at = text;

  ck_assert (dicenet_json_check (text, strlen (text), NULL));
  ck_assert_int_eq (dicenet_json_type (at), '{');
  dicenet_json_enter (&at);
  ck_assert (dicenet_json_next (&at));
  g_autofree char *key = dicenet_json_read_string (&at, NULL), *value = dicenet_json_read_string (&at, NULL);
  ck_assert_str_eq (key, "a\n");
  ck_assert_str_eq (value, "\xc3\xa9\xf0\x9f\x98\x80/");
  ck_assert (dicenet_json_next (&at));
  g_free (dicenet_json_read_string (&at, NULL));
  dicenet_json_skip (&at);
  ck_assert (dicenet_json_next (&at));
  g_free (dicenet_json_read_string (&at, NULL));
  g_autofree char *number = dicenet_json_read_number (&at);
  ck_assert_str_eq (number, "-12");
  ck_assert (dicenet_json_next (&at));
  g_free (dicenet_json_read_string (&at, NULL));
  ck_assert_ptr_null (dicenet_json_read_string (&at, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "U+0000");
  ck_assert (!dicenet_json_next (&at));
  ck_assert_int_eq (*at, '\0');
}
END_TEST

START_TEST (quotes_and_shortens)
{
  g_autofree char *quoted = dicenet_json_quote ("a\"\\\x1f\n\xff\xe2\x80\xa8\xc2\x85\xf0\x9f\x98\x80");
  g_autofree char *excerpt = dicenet_text_excerpt ("a\"\n\x1b[31m\xff");
  g_autofree char *many = g_strnfill (100000, 'x'), *shortened = dicenet_text_excerpt (many);
  g_autofree char *head = g_strnfill (120, 'x'), *expected = g_strconcat (head, "... (100000 bytes)", NULL);

  ck_assert_str_eq (quoted, "\"a\\\"\\\\\\u001f\\u000a\xef\xbf\xbd\\u2028\\u0085\xf0\x9f\x98\x80\"");
  ck_assert_str_eq (excerpt, "a\"\\u000a\\u001b[31m\xef\xbf\xbd");
  ck_assert_str_eq (shortened, expected);
}
END_TEST

TEST_MAIN ("json", refuses_what_is_not_json, keeps_what_is_json, bounds_depth_and_keys, reads_what_it_checked,
           quotes_and_shortens)
