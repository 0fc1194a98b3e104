/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * dicenet_json_minify:
 * @text: what may be JSON, NUL-terminated
 * @error: return location for a #GError
 *
 * Checks that a text is JSON as RFC 8259 has it and nothing else: no comments, no single quotes, no trailing commas, no
 * lone surrogates, no text behind it. More than that, the keys of an object must differ, values nest 64 deep at most,
 * and all objects together have 65536 keys at most, each of 64 KiB at most. Takes memory in proportion to the text, and
 * never recurses.
 *
 * Returns: (transfer full): the text on one line, without white space between its parts, numbers as they were written;
 *   strings, too, but for U+007F to U+009F, U+2028 and U+2029, which become escapes: some readers take them for line
 *   ends. %NULL with @error set (%DICENET_ERROR_ARGUMENT), which says where the first fault is
 */
DICENET_API char *dicenet_json_minify (const char *text, GError **error);

/**
 * dicenet_json_quote:
 * @text: any bytes, NUL-terminated
 *
 * Returns: (transfer full): @text as a JSON string with its quotes, on one line. What is not UTF-8 becomes U+FFFD.
 */
DICENET_API char *dicenet_json_quote (const char *text);

/**
 * dicenet_text_excerpt:
 * @text: any bytes, NUL-terminated
 *
 * For messages that show what came: control characters and line ends are written as \u000a, what is not UTF-8 as
 * U+FFFD, and what is longer than 120 characters is cut, with its length in bytes behind it.
 *
 * Returns: (transfer full): the text as a message may show it
 */
DICENET_API char *dicenet_text_excerpt (const char *text);

G_END_DECLS
