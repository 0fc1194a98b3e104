/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines and zones of dicenetcount, and boxes that wander over them: whatever they are, the counts add up.
 *
 * Input: a byte that says what follows (lines, zones or JSON), the text, a zero byte, and numbers for boxes. */

#include <math.h>
#include <string.h>
#include "counting/gstdicenetcounter.h"
#include "fuzz.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  return 0;
}

static void
check_shape (const GstDicenetShape *shape)
{
  FUZZ_CHECK (g_utf8_validate (shape->name, -1, NULL) && *shape->name, "name");
  FUZZ_CHECK (shape->is_zone ? shape->n_points >= 3 && shape->n_points <= GST_DICENET_MAX_POINTS : shape->n_points == 2,
              "%u points", shape->n_points);
  for (guint i = 0; i < shape->n_points; i++)
    FUZZ_CHECK (shape->points[i].x >= 0 && shape->points[i].x <= 1 && shape->points[i].y >= 0 &&
                    shape->points[i].y <= 1,
                "%g,%g", shape->points[i].x, shape->points[i].y);
}

static gboolean
add_shapes (GPtrArray *shapes, guint kind, const char *text, GError **error)
{
  return kind == 2 ? gst_dicenet_shapes_add_json (shapes, text, error)
                   : gst_dicenet_shapes_add_text (shapes, kind == 1, text, error);
}

/* Anything, or near the shapes. */
static gdouble
read_number (FuzzReader *reader)
{
  const guint16 bits = fuzz_u16 (reader);

  if (bits % 16 != 0)
    return bits / 655.36;
  const guint64 all = fuzz_u64 (reader);
  gdouble number;
  memcpy (&number, &all, sizeof number);
  return number;
}

static void
check_counts (const GstDicenetCounter *counter, GArray *visits)
{
  guint64 inside = 0;

  for (guint i = 0; i < gst_dicenet_counter_get_shapes (counter)->len; i++) {
    guint n;
    const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (counter, i, &n);
    guint64 sums[2] = { 0, 0 };
    for (guint j = 1; j < n; j++) {
      sums[0] += tallies[j].n[0];
      sums[1] += tallies[j].n[1];
    }
    FUZZ_CHECK (sums[0] == tallies[0].n[0] && sums[1] == tallies[0].n[1], "classes of shape %u", i);
    const GstDicenetShape *shape = g_ptr_array_index (gst_dicenet_counter_get_shapes (counter), i);
    if (shape->is_zone)
      inside += sums[0] - sums[1];
  }
  FUZZ_CHECK (inside == visits->len, "%u visits", visits->len);
}

static void
wander (GPtrArray *shapes, FuzzReader *reader)
{
  static const gchar *const labels[] = { "person", "car", "", "\xff" };
  GstDicenetCounter *counter = gst_dicenet_counter_new (shapes);
  GArray *events = g_array_new (FALSE, FALSE, sizeof (GstDicenetCrossing));
  GArray *visits = g_array_new (FALSE, FALSE, sizeof (GstDicenetVisit));
  gint64 now = 0;

  while (!fuzz_is_empty (reader)) {
    const guint8 flags = fuzz_u8 (reader);
    const GstDicenetCountSettings settings = { .center = flags & 1,
                                               .margin = (flags >> 1 & 3) / 10.0,
                                               .confirmations = 1 + (flags >> 3 & 1),
                                               .max_speed = flags & 16 ? 10 : 0,
                                               .lost_time = G_GINT64_CONSTANT (1000000000) };
    now += (gint64) fuzz_u8 (reader) * G_GINT64_CONSTANT (10000000);
    GstDicenetSighting seen = { .track_id = flags >> 5, .label = labels[flags & 3], .time = now };
    seen.x = read_number (reader);
    seen.y = read_number (reader);
    seen.w = read_number (reader);
    seen.h = read_number (reader);
    gst_dicenet_counter_update (counter, &settings, 100, 100, now, &seen, 1, events);
    g_array_set_size (visits, 0);
    gst_dicenet_counter_get_visits (counter, visits, G_MAXUINT);
    check_counts (counter, visits);
  }
  gst_dicenet_counter_free (counter);
  g_array_unref (events);
  g_array_unref (visits);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, data + size };
  const guint kind = fuzz_u8 (&reader) % 3;
  char *text = fuzz_text (&reader);
  GPtrArray *shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;

  if (!add_shapes (shapes, kind, text, &error)) {
    FUZZ_CHECK (error && g_utf8_validate (error->message, -1, NULL), "message");
    g_error_free (error);
  }
  FUZZ_CHECK (shapes->len <= 2 * GST_DICENET_MAX_SHAPES, "%u shapes", shapes->len);
  for (guint i = 0; i < shapes->len; i++)
    check_shape (g_ptr_array_index (shapes, i));
  wander (shapes, &reader);
  g_free (text);
  return 0;
}
