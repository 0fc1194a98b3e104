/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/text.h>

G_BEGIN_DECLS

/* The one reader of JSON from strangers. json-glib takes comments, single quotes and more, recurses into what nests,
 * and hashes keys with a function that anybody can find collisions of; so a text is checked first, and then read where
 * it lies. */

/* See dicenet_json_minify(). @text has @n bytes; what is behind them is not looked at. */
gboolean dicenet_json_check (const char *text, gsize n, GError **error);

/* The rest is for a checked text whose value is an object or an array. @at points into it, first at its start. */

/* First character of the value at @at: one of { [ " t f n - or a digit. */
char dicenet_json_type (const char *at);

/* Steps into the object or array at @at. */
void dicenet_json_enter (const char **at);

/* Goes on to the next value of an array, or key of an object; %FALSE where there is none, and then behind it. */
gboolean dicenet_json_next (const char **at);

/* Steps over a value. */
void dicenet_json_skip (const char **at);

/* The string at @at, and steps over it and over a colon behind it. NULL with @error set if it has U+0000, which no C
 * string can hold (ARGUMENT), or if there is no memory for it (NO_MEMORY). Free with g_free(). */
char *dicenet_json_read_string (const char **at, GError **error);

/* The number at @at as it is written, and steps over it; NULL if it is no number. Free with g_free(). */
char *dicenet_json_read_number (const char **at);

/* A path as messages show it: like dicenet_text_excerpt(), but whole as long as it may be one. Free with g_free(). */
char *dicenet_path_excerpt (const char *path);

G_END_DECLS
