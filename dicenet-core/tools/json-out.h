/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Writes JSON that every reader takes, which json-glib's generator does not: it leaves U+001F as it is, and makes
 * 1e-10.0 of 1e-10. */

typedef struct {
  GString *text;
  guint depth;
  gboolean first; /* nothing stands in the innermost object or array yet */
} DicenetJsonOut;

#define DICENET_JSON_OUT_INIT                                                                                          \
  {                                                                                                                    \
    .text = g_string_new (NULL), .first = TRUE                                                                         \
  }

/* Values: @name is NULL in an array and for the whole. @bracket is '{' or '[', and '}' or ']'. */
void dicenet_json_out_open (DicenetJsonOut *self, const char *name, char bracket);
void dicenet_json_out_close (DicenetJsonOut *self, char bracket);
void dicenet_json_out_string (DicenetJsonOut *self, const char *name, const char *value);
void dicenet_json_out_boolean (DicenetJsonOut *self, const char *name, gboolean value);

/* Whole numbers below 2^53 without a fraction; null for what JSON has no number for. */
void dicenet_json_out_number (DicenetJsonOut *self, const char *name, double value);

/* An array of few numbers, on one line. */
void dicenet_json_out_numbers (DicenetJsonOut *self, const char *name, const guint64 *values, guint n);

/* Prints all of it on stdout, in UTF-8 whatever the locale is, and frees it. */
void dicenet_json_out_print (DicenetJsonOut *self);

G_END_DECLS
