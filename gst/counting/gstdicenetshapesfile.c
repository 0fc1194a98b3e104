/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lines and zones in a JSON file. libdicenet checks the grammar; what is read here is known to be valid, so that only
 * the types and names of values remain to be checked.
 */

#include "gstdicenetshapes.h"

#include <dicenet/error.h>
#include <dicenet/text.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const gchar *text, *at;
  GError **error;
} Reader;

/* Sets an error with the position of @at. */
static gboolean
fail_at (const Reader *self, const gchar *at, const gchar *what)
{
  guint line = 1;
  const gchar *start = self->text;

  for (const gchar *p = self->text; p < at; p++) {
    if (*p == '\n') {
      line++;
      start = p + 1;
    }
  }
  g_set_error (self->error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "line %u, character %ld: %s", line,
               g_utf8_strlen (start, at - start) + 1, what);
  return FALSE;
}

static void
skip_space (Reader *self)
{
  self->at += strspn (self->at, " \t\n\r");
}

/* The value at @at is of another type, or out of range. */
static gboolean
fail_value (const Reader *self, const gchar *at, const gchar *expected)
{
  const gsize n = MAX (strcspn (at, "\n\r\t ,:]}"), 1);
  g_autofree gchar *value = g_strndup (at, n), *shown = dicenet_text_excerpt (value);
  g_autofree gchar *what = g_strdup_printf ("%s, found %s", expected, shown);

  return fail_at (self, at, what);
}

/* Enters the object ('{') or array ('['). */
static gboolean
enter (Reader *self, gchar bracket, const gchar *expected)
{
  skip_space (self);
  if (*self->at != bracket)
    return fail_value (self, self->at, expected);
  self->at++;
  return TRUE;
}

/* Moves to the next member or element; FALSE at the end, behind the bracket. */
static gboolean
next (Reader *self)
{
  skip_space (self);
  if (*self->at == ',')
    self->at++;
  skip_space (self);
  if (*self->at != '}' && *self->at != ']')
    return TRUE;
  self->at++;
  return FALSE;
}

static gunichar
read_unit (const gchar *at)
{
  gunichar unit = 0;

  for (guint i = 0; i < 4; i++)
    unit = 16 * unit + (gunichar) g_ascii_xdigit_value (at[i]);
  return unit;
}

/* Reads what follows "\u", and moves @at behind it. */
static gunichar
read_unicode (const gchar **at)
{
  const gunichar unit = read_unit (*at);

  *at += 4;
  if (unit < 0xd800 || unit > 0xdbff)
    return unit;
  const gunichar second = read_unit (*at + 2);
  *at += 6;
  return 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
}

/* Returns the string, NULL with an error if the value is none. */
static gchar *
read_string (Reader *self, const gchar *expected)
{
  static const gchar escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
  const gchar *start = self->at;

  if (!enter (self, '"', expected))
    return NULL;
  GString *out = g_string_new (NULL);
  while (*self->at != '"') {
    if (*self->at != '\\') {
      g_string_append_c (out, *self->at++);
      continue;
    }
    const gchar escape = self->at[1], *found = strchr (escapes, escape);
    self->at += 2;
    if (escape == 'u')
      g_string_append_unichar (out, read_unicode (&self->at));
    else
      g_string_append_c (out, found ? meanings[found - escapes] : escape);
  }
  self->at++;
  if (strlen (out->str) == out->len)
    return g_string_free (out, FALSE);
  g_string_free (out, TRUE);
  fail_at (self, start, "expected a text without U+0000");
  return NULL;
}

/* Reads a key and its colon. */
static gchar *
read_key (Reader *self)
{
  gchar *key = read_string (self, "expected a key");

  skip_space (self);
  self->at += *self->at == ':';
  return key;
}

static gboolean
read_number (Reader *self, gdouble *number)
{
  skip_space (self);
  if (*self->at != '-' && !g_ascii_isdigit (*self->at))
    return fail_value (self, self->at, "expected a number from 0 to 1, a fraction of the frame");
  const gchar *start = self->at;
  gchar *end;
  *number = g_ascii_strtod (start, &end);
  self->at = end;
  return (*number >= 0 && *number <= 1) ||
         fail_value (self, start, "expected a number from 0 to 1, a fraction of the frame");
}

#define A_POINT "expected a point, such as [0.1, 0.5]"

static gboolean
read_point (Reader *self, GstDicenetPosition *at)
{
  skip_space (self);
  const gchar *start = self->at;
  if (!enter (self, '[', A_POINT))
    return FALSE;
  gdouble *numbers[] = { &at->x, &at->y };
  for (guint i = 0; i < 2; i++) {
    if (!next (self))
      return fail_at (self, start, A_POINT);
    if (!read_number (self, numbers[i]))
      return FALSE;
  }
  return !next (self) || fail_at (self, start, A_POINT);
}

static gboolean
read_points (Reader *self, GstDicenetShape *shape)
{
  if (!enter (self, '[', "expected a list of points, such as [[0.1, 0.5], [0.9, 0.5]]"))
    return FALSE;
  GArray *points = g_array_sized_new (FALSE, FALSE, sizeof (GstDicenetPosition), 4); /* not NULL if empty */
  gboolean ok = TRUE;
  while (ok && next (self)) {
    GstDicenetPosition at = { 0, 0 };
    ok = read_point (self, &at);
    g_array_append_val (points, at);
  }
  shape->n_points = points->len;
  shape->points = (GstDicenetPosition *) g_array_free (points, FALSE);
  return ok;
}

static gboolean
read_classes (Reader *self, GstDicenetShape *shape)
{
  if (!enter (self, '[', "expected a list of class names, such as [\"person\", \"car\"]"))
    return FALSE;
  GPtrArray *classes = g_ptr_array_new ();
  gboolean ok = TRUE;
  while (ok && next (self)) {
    gchar *name = read_string (self, "expected the name of a class in quotes");
    ok = name != NULL;
    if (ok)
      g_ptr_array_add (classes, name);
  }
  g_ptr_array_add (classes, NULL);
  shape->classes = (gchar **) g_ptr_array_free (classes, FALSE);
  if (!shape->classes[0]) /* as if there was no list */
    g_clear_pointer (&shape->classes, g_strfreev);
  return ok;
}

static gboolean
read_member (Reader *self, GstDicenetShape *shape)
{
  skip_space (self);
  const gchar *start = self->at;
  g_autofree gchar *key = read_key (self);

  if (!key)
    return FALSE;
  if (g_str_equal (key, "name"))
    return (shape->name = read_string (self, "expected a name in quotes")) != NULL;
  if (g_str_equal (key, "points"))
    return read_points (self, shape);
  if (g_str_equal (key, "classes"))
    return read_classes (self, shape);
  g_autofree gchar *shown = dicenet_text_excerpt (key);
  g_autofree gchar *what = g_strdup_printf ("expected name, points or classes, found '%s'", shown);
  return fail_at (self, start, what);
}

static gboolean
read_members (Reader *self, GstDicenetShape *shape)
{
  skip_space (self);
  const gchar *start = self->at;
  if (!enter (self, '{', "expected a shape, such as {\"name\": \"door\", \"points\": [[0.1, 0.5], [0.9, 0.5]]}"))
    return FALSE;
  while (next (self)) {
    if (!read_member (self, shape))
      return FALSE;
  }
  return (shape->name && shape->points) || fail_at (self, start, "expected a shape with a name and points");
}

static gboolean
read_shape (Reader *self, GPtrArray *shapes, gboolean is_zone)
{
  skip_space (self);
  const gchar *start = self->at;
  GstDicenetShape *shape = g_new0 (GstDicenetShape, 1);

  shape->is_zone = is_zone;
  if (!read_members (self, shape)) {
    gst_dicenet_shape_free (shape);
    return FALSE;
  }
  GError *error = NULL;
  if (gst_dicenet_shapes_add (shapes, shape, &error))
    return TRUE;
  fail_at (self, start, error->message);
  g_error_free (error);
  return FALSE;
}

static gboolean
read_list (Reader *self, GPtrArray *shapes)
{
  skip_space (self);
  const gchar *start = self->at;
  g_autofree gchar *key = read_key (self);
  const gboolean are_zones = key && g_str_equal (key, "zones");

  if (!key)
    return FALSE;
  if (!are_zones && !g_str_equal (key, "lines")) {
    g_autofree gchar *shown = dicenet_text_excerpt (key);
    g_autofree gchar *what = g_strdup_printf ("expected lines or zones, found '%s'", shown);
    return fail_at (self, start, what);
  }
  if (!enter (self, '[', are_zones ? "expected a list of zones" : "expected a list of lines"))
    return FALSE;
  while (next (self)) {
    if (!read_shape (self, shapes, are_zones))
      return FALSE;
  }
  return TRUE;
}

gboolean
gst_dicenet_shapes_add_json (GPtrArray *self, const gchar *text, GError **error)
{
  g_autofree gchar *checked = dicenet_json_minify (text, error);
  Reader reader = { text, text, error };

  if (!checked || !enter (&reader, '{', "expected {\"lines\": [...], \"zones\": [...]}"))
    return FALSE;
  while (next (&reader)) {
    if (!read_list (&reader, self))
      return FALSE;
  }
  return TRUE;
}

/* --- files --- */

/* O_NONBLOCK: a pipe without a writer would block. */
static gint
open_file (const gchar *path, GError **error)
{
  struct stat info;
  const gint fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

  if (fd < 0 || fstat (fd, &info) != 0)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "cannot be opened: %s", g_strerror (errno));
  else if (!S_ISREG (info.st_mode))
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "expected a file, found %s",
                 S_ISDIR (info.st_mode) ? "a folder" : "something that is not a regular file");
  else if (info.st_size > GST_DICENET_MAX_SHAPES_BYTES)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "expected at most %d bytes, found %" G_GINT64_FORMAT,
                 GST_DICENET_MAX_SHAPES_BYTES, (gint64) info.st_size);
  else
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* The file may grow meanwhile: what is beyond the limit is not read. */
static GString *
read_file (gint fd, GError **error)
{
  GString *text = g_string_new (NULL);
  gchar part[4096];
  gssize got;

  while (text->len <= GST_DICENET_MAX_SHAPES_BYTES && (got = read (fd, part, sizeof part)) != 0) {
    if (got > 0) {
      g_string_append_len (text, part, got);
    } else if (errno != EINTR) {
      g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "cannot be read: %s", g_strerror (errno));
      g_string_free (text, TRUE);
      return NULL;
    }
  }
  return text;
}

gboolean
gst_dicenet_shapes_add_file (GPtrArray *self, const gchar *path, GError **error)
{
  g_autofree gchar *shown = dicenet_text_excerpt (path);
  const gint fd = open_file (path, error);
  GString *text = fd >= 0 ? read_file (fd, error) : NULL;
  gboolean ok = text != NULL;

  if (fd >= 0)
    close (fd);
  if (ok && strlen (text->str) != text->len) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected text, found a zero byte at offset %" G_GSIZE_FORMAT, strlen (text->str));
    ok = FALSE;
  }
  ok = ok && gst_dicenet_shapes_add_json (self, text->str, error);
  if (text)
    g_string_free (text, TRUE);
  if (!ok)
    g_prefix_error (error, "%s: ", shown);
  return ok;
}
