/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetshapes.h"

#include <dicenet/error.h>
#include <dicenet/text.h>
#include <math.h>
#include <string.h>

/* What is smaller, as a fraction of the frame, is a slip of the pen: a pixel or two. */
#define MIN_LENGTH 0.001
#define MIN_AREA   0.00001

#define MAX_CLASSES 64

void
gst_dicenet_shape_free (GstDicenetShape *self)
{
  g_free (self->name);
  g_free (self->points);
  g_strfreev (self->classes);
  g_free (self);
}

GPtrArray *
gst_dicenet_shapes_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_shape_free);
}

static gboolean G_GNUC_PRINTF (2, 3) fail (GError **error, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, text);
  return FALSE;
}

/* --- checks of shapes --- */

/* Twice the area of the triangle, positive if @c is to the right of the way from @a to @b (y points down). */
static gdouble
turn (GstDicenetPosition a, GstDicenetPosition b, GstDicenetPosition c)
{
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

static gboolean
is_between (GstDicenetPosition a, GstDicenetPosition b, GstDicenetPosition c)
{
  return MIN (a.x, b.x) <= c.x && c.x <= MAX (a.x, b.x) && MIN (a.y, b.y) <= c.y && c.y <= MAX (a.y, b.y);
}

static gboolean
edges_meet (GstDicenetPosition a, GstDicenetPosition b, GstDicenetPosition c, GstDicenetPosition d)
{
  const gdouble abc = turn (a, b, c), abd = turn (a, b, d), cda = turn (c, d, a), cdb = turn (c, d, b);

  return (((abc > 0) != (abd > 0)) && ((cda > 0) != (cdb > 0)) && abc != 0 && abd != 0 && cda != 0 && cdb != 0) ||
         (abc == 0 && is_between (a, b, c)) || (abd == 0 && is_between (a, b, d)) ||
         (cda == 0 && is_between (c, d, a)) || (cdb == 0 && is_between (c, d, b));
}

/* Whether the edges to and from corner @i lie on each other. */
static gboolean
is_spike (const GstDicenetShape *self, guint i)
{
  const guint n = self->n_points;
  const GstDicenetPosition a = self->points[(i + n - 1) % n], b = self->points[i], c = self->points[(i + 1) % n];

  return turn (a, b, c) == 0 && (a.x - b.x) * (c.x - b.x) + (a.y - b.y) * (c.y - b.y) > 0;
}

static gboolean
check_edges (const GstDicenetShape *self, GError **error)
{
  const guint n = self->n_points;
  const GstDicenetPosition *p = self->points;

  for (guint i = 0; i < n; i++) {
    if (is_spike (self, i))
      return fail (error, "the zone turns back on itself at corner %u: list the corners in order around the zone",
                   i + 1);
  }
  for (guint i = 0; i < n; i++) {
    for (guint j = i + 2; j < n; j++) {
      if (j - i != n - 1 && edges_meet (p[i], p[i + 1], p[j], p[(j + 1) % n]))
        return fail (error, "the edges behind the corners %u and %u cross: list the corners in order around the zone",
                     i + 1, j + 1);
    }
  }
  return TRUE;
}

static gdouble
area (const GstDicenetShape *self)
{
  gdouble sum = 0;

  for (guint i = 1; i + 1 < self->n_points; i++)
    sum += turn (self->points[0], self->points[i], self->points[i + 1]);
  return fabs (sum) / 2;
}

static gboolean
same_place (GstDicenetPosition a, GstDicenetPosition b)
{
  return hypot (a.x - b.x, a.y - b.y) < MIN_LENGTH;
}

/* As it is written in a property, in any locale. */
static gchar *
format_position (GstDicenetPosition at)
{
  gchar x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup_printf ("%s,%s", g_ascii_formatd (x, sizeof x, "%g", at.x),
                          g_ascii_formatd (y, sizeof y, "%g", at.y));
}

static gboolean
check_points (GstDicenetShape *self, GError **error)
{
  /* Many programs repeat the first corner at the end. */
  if (self->is_zone && self->n_points > 3 && same_place (self->points[0], self->points[self->n_points - 1]))
    self->n_points--;
  const guint n = self->n_points;
  if (!self->is_zone && n != 2)
    return fail (error, "expected the two points of a line, found %u", n);
  if (self->is_zone && (n < 3 || n > GST_DICENET_MAX_POINTS))
    return fail (error, "expected 3 to %d corners of a zone, found %u", GST_DICENET_MAX_POINTS, n);
  for (guint i = 0; i < n; i++) {
    const GstDicenetPosition at = self->points[i];
    g_autofree gchar *shown = format_position (at);
    if (!(at.x >= 0 && at.x <= 1 && at.y >= 0 && at.y <= 1))
      return fail (error, "expected coordinates from 0 to 1, as fractions of the frame, found %s", shown);
    if (same_place (at, self->points[(i + 1) % n]))
      return fail (error, "expected different points, found %s twice: the points %u and %u", shown, i + 1,
                   (i + 1) % n + 1);
  }
  if (!self->is_zone)
    return TRUE;
  if (!check_edges (self, error))
    return FALSE;
  return area (self) >= MIN_AREA || fail (error, "expected a zone with an area, found all corners on a line");
}

/* Names are part of messages, JSON lines and pictures. */
static gboolean
check_name (const gchar *name, const gchar *what, GError **error)
{
  g_autofree gchar *shown = dicenet_text_excerpt (name);

  if (!g_utf8_validate (name, -1, NULL))
    return fail (error, "expected %s in UTF-8, found '%s'", what, shown);
  const glong n = g_utf8_strlen (name, -1);
  if (n == 0 || n > GST_DICENET_MAX_NAME)
    return fail (error, "expected %s of 1 to %d characters, found '%s'", what, GST_DICENET_MAX_NAME, shown);
  for (const gchar *p = name; *p; p = g_utf8_next_char (p)) {
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return fail (error, "expected %s without control characters, found '%s'", what, shown);
  }
  return TRUE;
}

static gboolean
check_classes (gchar **classes, GError **error)
{
  guint n = 0;

  for (; classes && classes[n]; n++) {
    if (!check_name (classes[n], "a class name", error))
      return FALSE;
  }
  return n <= MAX_CLASSES || fail (error, "expected at most %d classes, found %u", MAX_CLASSES, n);
}

/* Whether @shapes have room for another one of this kind and name. */
static gboolean
check_others (GPtrArray *shapes, const GstDicenetShape *self, GError **error)
{
  guint n = 0;

  for (guint i = 0; i < shapes->len; i++) {
    const GstDicenetShape *other = g_ptr_array_index (shapes, i);
    if (g_str_equal (other->name, self->name))
      return fail (error, "there is another %s of this name: names must be different",
                   other->is_zone ? "zone" : "line");
    n += other->is_zone == self->is_zone;
  }
  return n < GST_DICENET_MAX_SHAPES ||
         fail (error, "expected at most %d %s, found more", GST_DICENET_MAX_SHAPES, self->is_zone ? "zones" : "lines");
}

gboolean
gst_dicenet_shapes_add (GPtrArray *self, GstDicenetShape *shape, GError **error)
{
  gboolean ok = check_name (shape->name, "a name", error);

  if (ok &&
      !(check_others (self, shape, error) && check_classes (shape->classes, error) && check_points (shape, error))) {
    g_prefix_error (error, "%s '%s': ", shape->is_zone ? "zone" : "line", shape->name);
    ok = FALSE;
  }
  if (ok)
    g_ptr_array_add (self, shape);
  else
    gst_dicenet_shape_free (shape);
  return ok;
}

/* --- text --- */

#define FORM(are_zones)                                                                                                \
  ((are_zones) ? "expected NAME:X1,Y1,X2,Y2,X3,Y3... or NAME:CLASS,CLASS:X1,Y1,X2,Y2,X3,Y3..., such as "               \
                 "till:0.1,0.1,0.4,0.1,0.4,0.6,0.1,0.6"                                                                \
               : "expected NAME:X1,Y1,X2,Y2 or NAME:CLASS,CLASS:X1,Y1,X2,Y2, such as door:0.1,0.5,0.9,0.5")

/* Reads pairs of numbers. */
static gboolean
read_points (GstDicenetShape *shape, const gchar *text, GError **error)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (gdouble));
  gboolean ok = TRUE;

  /* One corner more than is allowed may repeat the first, two are reported. */
  while (ok && points->len < 2 * (GST_DICENET_MAX_POINTS + 2)) {
    gchar *end;
    const gdouble number = g_ascii_strtod (text, &end);
    const gchar *behind = end + strspn (end, " \t\r\n");
    if (end == text || !isfinite (number) || (*behind && *behind != ',')) {
      g_autofree gchar *shown = dicenet_text_excerpt (text);
      ok = fail (error, "expected a number from 0 to 1, found '%s'", shown);
    }
    g_array_append_val (points, number);
    if (*behind != ',')
      break;
    text = behind + 1;
  }
  if (ok && points->len % 2 != 0)
    ok = fail (error, "expected pairs of coordinates, found an odd count of numbers: %u", points->len);
  shape->n_points = points->len / 2;
  shape->points = (GstDicenetPosition *) g_array_free (points, FALSE);
  return ok;
}

static gchar **
read_classes (const gchar *text)
{
  gchar **classes = g_strsplit (text, ",", MAX_CLASSES + 2);

  for (guint i = 0; classes[i]; i++)
    g_strstrip (classes[i]);
  return classes;
}

static gboolean
add_one (GPtrArray *self, gboolean is_zone, gchar *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 4);
  const guint n = g_strv_length (parts);
  g_autofree gchar *shown = dicenet_text_excerpt (text);

  if (n != 2 && n != 3)
    return fail (error, "%s; found '%s'", FORM (is_zone), shown);
  GstDicenetShape *shape = g_new0 (GstDicenetShape, 1);
  shape->is_zone = is_zone;
  shape->name = g_strdup (g_strstrip (parts[0]));
  shape->classes = n == 3 && *g_strstrip (parts[1]) ? read_classes (parts[1]) : NULL;
  if (!read_points (shape, parts[n - 1], error)) {
    g_prefix_error (error, "'%s': ", shown);
    gst_dicenet_shape_free (shape);
    return FALSE;
  }
  return gst_dicenet_shapes_add (self, shape, error);
}

gboolean
gst_dicenet_shapes_add_text (GPtrArray *self, gboolean are_zones, const gchar *text, GError **error)
{
  if (strlen (text) > GST_DICENET_MAX_SHAPES_BYTES)
    return fail (error, "expected at most %d bytes, found %" G_GSIZE_FORMAT, GST_DICENET_MAX_SHAPES_BYTES,
                 strlen (text));
  g_auto (GStrv) all = g_strsplit (text, ";", -1);
  for (guint i = 0; all[i]; i++) {
    if (*g_strstrip (all[i]) && !add_one (self, are_zones, all[i], error))
      return FALSE;
  }
  return TRUE;
}
