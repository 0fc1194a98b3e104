/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/text.h>

G_BEGIN_DECLS

/* The only reader of untrusted JSON. json-glib accepts comments, single quotes and other extensions, recurses into
 * nested values, and hashes keys with a function whose collisions are easy to construct. Therefore text is first
 * checked, then read in place. */

/* See dicenet_json_minify(). @text has @n bytes and need not be NUL-terminated. */
gboolean dicenet_json_check (const char *text, gsize n, GError **error);

/* The following functions read checked text whose value is an object or an array. @at points into it, initially at its
 * start. */

/* First character of the value at @at: one of { [ " t f n - or a digit. */
char dicenet_json_type (const char *at);

/* Enters the object or array at @at. */
void dicenet_json_enter (const char **at);

/* Moves to the next value of an array, or the next key of an object. %FALSE at its end; @at is then behind it. */
gboolean dicenet_json_next (const char **at);

/* Skips a value. */
void dicenet_json_skip (const char **at);

/* Reads the string at @at, and skips it and a following colon. NULL with @error set if it contains U+0000, which a C
 * string cannot (ARGUMENT), or if out of memory (NO_MEMORY). Free with g_free(). */
char *dicenet_json_read_string (const char **at, GError **error);

/* Reads the number at @at as text, and skips it; NULL if it is not a number. Free with g_free(). */
char *dicenet_json_read_number (const char **at);

/* Formats a path for messages: like dicenet_text_excerpt(), but not truncated up to the maximum length of a path. Free
 * with g_free(). */
char *dicenet_path_excerpt (const char *path);

G_END_DECLS
