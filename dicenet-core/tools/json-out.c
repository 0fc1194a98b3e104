/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-out.h"

#include <dicenet/text.h>
#include <math.h>
#include <stdio.h>

static void
new_line (DicenetJsonOut *self)
{
  g_string_append_printf (self->text, "\n%*s", 2 * (int) self->depth, "");
}

/* Writes indentation and name. There is a space before the colon, as in json-glib's output, which scripts may search
 * for. */
static void
begin (DicenetJsonOut *self, const char *name)
{
  if (!self->first)
    g_string_append_c (self->text, ',');
  if (self->depth > 0)
    new_line (self);
  self->first = FALSE;
  if (name != NULL) {
    g_autofree char *quoted = dicenet_json_quote (name);
    g_string_append_printf (self->text, "%s : ", quoted);
  }
}

void
dicenet_json_out_open (DicenetJsonOut *self, const char *name, char bracket)
{
  begin (self, name);
  g_string_append_c (self->text, bracket);
  self->depth++;
  self->first = TRUE;
}

void
dicenet_json_out_close (DicenetJsonOut *self, char bracket)
{
  self->depth--;
  if (!self->first)
    new_line (self);
  self->first = FALSE;
  g_string_append_c (self->text, bracket);
}

void
dicenet_json_out_string (DicenetJsonOut *self, const char *name, const char *value)
{
  g_autofree char *quoted = dicenet_json_quote (value);

  begin (self, name);
  g_string_append (self->text, quoted);
}

void
dicenet_json_out_boolean (DicenetJsonOut *self, const char *name, gboolean value)
{
  begin (self, name);
  g_string_append (self->text, value ? "true" : "false");
}

void
dicenet_json_out_number (DicenetJsonOut *self, const char *name, double value)
{
  const gboolean whole = value == floor (value) && fabs (value) < 0x1p53;
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  begin (self, name);
  g_string_append (self->text, !isfinite (value) ? "null"
                               : whole           ? g_ascii_formatd (digits, sizeof digits, "%.0f", value)
                                                 : g_ascii_dtostr (digits, sizeof digits, value));
}

void
dicenet_json_out_numbers (DicenetJsonOut *self, const char *name, const guint64 *values, guint n)
{
  begin (self, name);
  g_string_append_c (self->text, '[');
  for (guint i = 0; i < n; i++)
    g_string_append_printf (self->text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", values[i]);
  g_string_append_c (self->text, ']');
}

void
dicenet_json_out_print (DicenetJsonOut *self)
{
  puts (self->text->str); /* not g_print(), which would convert to the locale's charset */
  g_string_free (self->text, TRUE);
  self->text = NULL;
}
