/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * dicenet_json_minify:
 * @text: text to check, NUL-terminated
 * @error: return location for a #GError
 *
 * Checks that a text is strictly JSON as defined by RFC 8259: no comments, no single quotes, no trailing commas, no
 * lone surrogates, no trailing text. In addition, the keys of an object must be distinct, values may be nested at most
 * 64 deep, and all objects together may have at most 65536 keys of at most 64 KiB each. Memory use is proportional to
 * the text; there is no recursion.
 *
 * Returns: (transfer full): the text on one line, without white space between tokens. Numbers and strings are copied
 *   unchanged, except that U+007F to U+009F, U+2028 and U+2029 are escaped, because some parsers take them for line
 *   ends. %NULL with @error set (%DICENET_ERROR_ARGUMENT) on invalid text; the message says where the first error is
 */
DICENET_API char *dicenet_json_minify (const char *text, GError **error);

/**
 * dicenet_json_quote:
 * @text: any bytes, NUL-terminated
 *
 * Makes a JSON string of a text.
 *
 * Returns: (transfer full): @text as a quoted JSON string, on one line. Invalid UTF-8 becomes U+FFFD.
 */
DICENET_API char *dicenet_json_quote (const char *text);

/**
 * dicenet_text_excerpt:
 * @text: any bytes, NUL-terminated
 *
 * Formats untrusted text for an error message: control characters and line ends are escaped as in \u000a, invalid UTF-8
 * becomes U+FFFD, and text of more than 120 characters is truncated and followed by its length in bytes.
 *
 * Returns: (transfer full): the excerpt
 */
DICENET_API char *dicenet_text_excerpt (const char *text);

G_END_DECLS
