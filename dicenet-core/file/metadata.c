/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metadata.h"

#include <dicenet/error.h>
#include <dicenet/image.h>
#include <dicenet/text.h>
#include <math.h>
#include <string.h>
#include "json.h"

gboolean
dicenet_parse_size (const char *text, guint *width, guint *height)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", 3);
  guint64 w, h;

  if (g_strv_length (parts) != 2 ||
      !g_ascii_string_to_unsigned (parts[0], 10, DICENET_MIN_SIZE, DICENET_MAX_SIZE, &w, NULL) ||
      !g_ascii_string_to_unsigned (parts[1], 10, DICENET_MIN_SIZE, DICENET_MAX_SIZE, &h, NULL))
    return FALSE;
  *width = (guint) w;
  *height = (guint) h;
  return TRUE;
}

/* @what: which part of @text it is about, before it; "" for all. */
static gboolean
refuse_part (const DicenetMetadata *m, const char *key, const char *expected, const char *what, const char *text)
{
  g_autofree char *shown = dicenet_text_excerpt (text);
  g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: \"%s\": expected %s, found %s\"%s\"", m->file->path, key, expected, what, shown);
  return FALSE;
}

gboolean
dicenet_metadata_refuse (const DicenetMetadata *m, const char *key, const char *expected, const char *found)
{
  if (found != NULL)
    return refuse_part (m, key, expected, "", found);
  g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: \"%s\": expected %s, found nothing", m->file->path, key, expected);
  return FALSE;
}

const char *
dicenet_metadata_get (const DicenetMetadata *m, const char *key)
{
  return g_hash_table_lookup (m->file->metadata, key);
}

gboolean
dicenet_metadata_read_int (const DicenetMetadata *m, const char *key, gint64 min, gint64 max, gboolean required,
                           gint *out)
{
  const char *text = dicenet_metadata_get (m, key);
  gint64 value;

  if (text == NULL && !required)
    return TRUE;
  if (text == NULL || !g_ascii_string_to_signed (text, 10, min, max, &value, NULL)) {
    g_autofree char *expected =
        g_strdup_printf ("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    return dicenet_metadata_refuse (m, key, expected, text);
  }
  *out = (gint) value;
  return TRUE;
}

gboolean
dicenet_parse_number (const char *text, gdouble *out)
{
  char *end = NULL;

  *out = g_ascii_strtod (text, &end);
  /* strtod() takes spaces, hexadecimal numbers and names, too. */
  return end != text && *end == '\0' && text[strspn (text, "+-.0123456789eE")] == '\0';
}

gboolean
dicenet_metadata_read_fraction (const DicenetMetadata *m, const char *key, gfloat *out)
{
  const char *text = dicenet_metadata_get (m, key);
  gdouble value;

  if (text == NULL)
    return TRUE;
  if (!dicenet_parse_number (text, &value) || !(value >= 0 && value <= 1))
    return dicenet_metadata_refuse (m, key, "a number from 0 to 1", text);
  *out = (gfloat) value;
  return TRUE;
}

gboolean
dicenet_metadata_read_boolean (const DicenetMetadata *m, const char *key, gboolean *out)
{
  const char *text = dicenet_metadata_get (m, key);
  if (text == NULL)
    return TRUE;
  if (!g_str_equal (text, "true") && !g_str_equal (text, "false"))
    return dicenet_metadata_refuse (m, key, "true or false", text);
  *out = g_str_equal (text, "true");
  return TRUE;
}

gboolean
dicenet_metadata_read_size (const DicenetMetadata *m, const char *key, guint *width, guint *height)
{
  const char *text = dicenet_metadata_get (m, key);

  if (text != NULL && dicenet_parse_size (text, width, height))
    return TRUE;
  g_autofree char *expected = g_strdup_printf ("WxH from %dx%d to %dx%d", DICENET_MIN_SIZE, DICENET_MIN_SIZE,
                                               DICENET_MAX_SIZE, DICENET_MAX_SIZE);
  return dicenet_metadata_refuse (m, key, expected, text);
}

const char *
dicenet_metadata_enter_array (const char *text, GError **error)
{
  if (!dicenet_json_check (text, strlen (text), error) || dicenet_json_type (text) != '[')
    return NULL;
  dicenet_json_enter (&text);
  return text;
}

/* The first element of the array under @key, whose whole value becomes @text. NULL if there is none, and @text is NULL,
 * or if it is no array, and the error is set. */
static const char *
open_array (const DicenetMetadata *m, const char *key, const char *expected, const char **text)
{
  *text = dicenet_metadata_get (m, key);
  const char *at = *text ? dicenet_metadata_enter_array (*text, NULL) : NULL;
  if (*text != NULL && at == NULL)
    dicenet_metadata_refuse (m, key, expected, *text);
  return at;
}

/* Sets the error for the element of an array at @found. */
static gboolean
refuse_element (const DicenetMetadata *m, const char *key, const char *expected, guint found, const char *text)
{
  g_autofree char *which = g_strdup_printf ("something else at %u, counted from 0, of ", found);
  return refuse_part (m, key, expected, which, text);
}

/* Reads the number at @at, and skips it. */
static gboolean
read_number (const char **at, gdouble min, gdouble max, gfloat *out)
{
  g_autofree char *number = dicenet_json_read_number (at);
  const gdouble value = number ? g_ascii_strtod (number, NULL) : NAN;

  *out = (gfloat) value;
  return value >= min && value <= max;
}

gboolean
dicenet_metadata_read_numbers (const DicenetMetadata *m, const char *key, guint n, gdouble min, gdouble max,
                               const char *expected, gfloat *out)
{
  const char *text, *at = open_array (m, key, expected, &text);
  if (at == NULL)
    return text == NULL;
  guint found = 0;
  for (; dicenet_json_next (&at); found++) {
    gfloat value;
    if (!read_number (&at, min, max, &value))
      return refuse_element (m, key, expected, found, text);
    if (found < n)
      out[found] = value;
  }
  if (found == n)
    return TRUE;
  g_autofree char *count = g_strdup_printf ("%u in ", found);
  return refuse_part (m, key, expected, count, text);
}

/* Reads the pair at @at, and skips it. */
static gboolean
read_range (const char **at, DicenetRange *out)
{
  if (dicenet_json_type (*at) != '[')
    return FALSE;
  dicenet_json_enter (at);
  return dicenet_json_next (at) && read_number (at, -DICENET_MAX_BOUND, 0, &out->low) && dicenet_json_next (at) &&
         read_number (at, 0, DICENET_MAX_BOUND, &out->high) && !dicenet_json_next (at);
}

gboolean
dicenet_metadata_read_ranges (const DicenetMetadata *m, const char *key, guint most, const char *expected, GArray *out)
{
  const char *text, *at = open_array (m, key, expected, &text);
  if (at == NULL)
    return text == NULL;
  while (dicenet_json_next (&at)) {
    DicenetRange range;
    if (out->len == most || !read_range (&at, &range))
      return refuse_element (m, key, expected, out->len, text);
    g_array_append_val (out, range);
  }
  return TRUE;
}

/* Reads the array of at most @most numbers at @at, and skips it. */
static gboolean
read_list (const char **at, guint most, GArray *out)
{
  if (dicenet_json_type (*at) != '[')
    return FALSE;
  dicenet_json_enter (at);
  while (dicenet_json_next (at)) {
    gfloat value;
    if (out->len == most || !read_number (at, -DICENET_MAX_BOUND, DICENET_MAX_BOUND, &value))
      return FALSE;
    g_array_append_val (out, value);
  }
  return TRUE;
}

gboolean
dicenet_metadata_read_lists (const DicenetMetadata *m, const char *key, guint most, guint most_numbers,
                             const char *expected, GPtrArray *out)
{
  const char *text, *at = open_array (m, key, expected, &text);
  if (at == NULL)
    return text == NULL;
  while (dicenet_json_next (&at)) {
    if (out->len == most)
      return refuse_element (m, key, expected, out->len, text);
    GArray *list = g_array_new (FALSE, FALSE, sizeof (gfloat));
    g_ptr_array_add (out, list);
    if (!read_list (&at, most_numbers, list))
      return refuse_element (m, key, expected, out->len - 1, text);
    most_numbers -= list->len;
  }
  return TRUE;
}
