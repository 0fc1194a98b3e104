/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Writes strictly valid JSON, unlike json-glib's generator, which does not escape U+001F and writes 1e-10 as
 * 1e-10.0. */

typedef struct {
  GString *text;
  guint depth;
  gboolean first; /* the innermost object or array is still empty */
} DicenetJsonOut;

#define DICENET_JSON_OUT_INIT                                                                                          \
  {                                                                                                                    \
    .text = g_string_new (NULL), .first = TRUE                                                                         \
  }

/* Values: @name is NULL for elements of an array and for the outermost value. @bracket is '{' or '[', and '}' or
 * ']'. */
void dicenet_json_out_open (DicenetJsonOut *self, const char *name, char bracket);
void dicenet_json_out_close (DicenetJsonOut *self, char bracket);
void dicenet_json_out_string (DicenetJsonOut *self, const char *name, const char *value);
void dicenet_json_out_boolean (DicenetJsonOut *self, const char *name, gboolean value);

/* Integers below 2^53 are written without a fraction; null for numbers that JSON cannot represent. */
void dicenet_json_out_number (DicenetJsonOut *self, const char *name, double value);

/* An array of numbers, on one line. */
void dicenet_json_out_numbers (DicenetJsonOut *self, const char *name, const guint64 *values, guint n);

/* Prints the text to stdout, in UTF-8 regardless of the locale, and frees it. */
void dicenet_json_out_print (DicenetJsonOut *self);

G_END_DECLS
