/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetassign.h"

#include <math.h>

/* Bounds the time: steps are comparisons of a distance. Frames with some hundred objects take a few thousand. */
#define MAX_STEPS 8000000

typedef struct {
  const GstDicenetPair *pairs;
  const guint *first; /* of each row, the first pair; and their end */
  gint *column_of;    /* of each row, or -1 */
  gint *row_of;       /* of each column, or -1 */

  /* Prices, so that for each pair row_price + column_price <= -gain, with equality where it is assigned. The price of a
   * row is at most 0, what it costs to stay without a column. */
  gdouble *row_price, *column_price;

  /* Of the search for a path: */
  gdouble *distance; /* to each column, or infinite */
  gboolean *final;   /* whether it is known to be the shortest; rounding must not change it any more */
  guint *before;     /* of each column that was reached: the row from which */
  guint *reached;    /* the columns that were reached; those with their final distance first */
  guint n_reached, n_final;
  guint64 n_steps;
} Assignment;

/* Where the shortest path so far ends: at a free column, or at a row that stays without. */
typedef struct {
  gdouble distance;
  gint column;
  guint row;
} End;

static void
visit_row (Assignment *self, guint row, gdouble distance, End *end)
{
  if (distance - self->row_price[row] < end->distance)
    *end = (End){ distance - self->row_price[row], -1, row };
  for (guint i = self->first[row]; i < self->first[row + 1]; i++) {
    const guint column = self->pairs[i].column;
    const gdouble d = distance - self->pairs[i].gain - self->row_price[row] - self->column_price[column];
    if (self->final[column] || d >= self->distance[column])
      continue;
    if (isinf (self->distance[column]))
      self->reached[self->n_reached++] = column;
    self->distance[column] = d;
    self->before[column] = row;
    if (self->row_of[column] < 0 && d < end->distance)
      *end = (End){ d, (gint) column, 0 };
  }
  self->n_steps += self->first[row + 1] - self->first[row] + 1;
}

/* The assigned column with the shortest distance that is not final yet, which it becomes; or -1 if none is nearer than
 * @limit. */
static gint
take_nearest (Assignment *self, gdouble limit)
{
  guint best = self->n_reached;

  for (guint i = self->n_final; i < self->n_reached; i++) {
    const guint column = self->reached[i];
    if (self->row_of[column] >= 0 && self->distance[column] < limit) {
      best = i;
      limit = self->distance[column];
    }
  }
  self->n_steps += self->n_reached - self->n_final;
  if (best == self->n_reached)
    return -1;
  const guint column = self->reached[best];
  self->reached[best] = self->reached[self->n_final];
  self->reached[self->n_final++] = column;
  self->final[column] = TRUE;
  return (gint) column;
}

static void
change_prices (Assignment *self, guint row, gdouble distance)
{
  self->row_price[row] += distance;
  for (guint i = 0; i < self->n_final; i++) {
    const guint column = self->reached[i];
    self->row_price[self->row_of[column]] += distance - self->distance[column];
    self->column_price[column] -= distance - self->distance[column];
  }
}

static void
change_columns (Assignment *self, guint row, const End *end)
{
  gint column = end->column;

  if (column < 0) {
    column = self->column_of[end->row];
    self->column_of[end->row] = -1;
    if (end->row == row)
      return;
  }
  guint from;
  do {
    from = self->before[column];
    const gint next = self->column_of[from];
    self->column_of[from] = column;
    self->row_of[column] = (gint) from;
    column = next;
  } while (from != row);
}

/* Assigns one more row, along the shortest path. */
static void
augment (Assignment *self, guint row)
{
  End end = { INFINITY, -1, row };
  gdouble distance = 0;

  self->n_reached = self->n_final = 0;
  for (gint column, at = (gint) row;; at = self->row_of[column]) {
    visit_row (self, (guint) at, distance, &end);
    column = take_nearest (self, end.distance);
    if (column < 0)
      break;
    distance = self->distance[column];
  }
  change_prices (self, row, end.distance);
  change_columns (self, row, &end);
  for (guint i = 0; i < self->n_reached; i++) {
    self->distance[self->reached[i]] = INFINITY;
    self->final[self->reached[i]] = FALSE;
  }
}

static void
take_best_free (Assignment *self, guint row)
{
  gdouble best = 0;

  for (guint i = self->first[row]; i < self->first[row + 1]; i++) {
    if (self->row_of[self->pairs[i].column] < 0 && self->pairs[i].gain > best) {
      best = self->pairs[i].gain;
      self->column_of[row] = (gint) self->pairs[i].column;
    }
  }
  if (self->column_of[row] >= 0)
    self->row_of[self->column_of[row]] = (gint) row;
}

/* A row's highest gain as its price makes all reduced costs at least 0. */
static void
set_prices (Assignment *self, guint n_rows)
{
  for (guint row = 0; row < n_rows; row++) {
    for (guint i = self->first[row]; i < self->first[row + 1]; i++)
      self->row_price[row] = MIN (self->row_price[row], -self->pairs[i].gain);
  }
}

void
gst_dicenet_assign (const GstDicenetPair *pairs, guint n_pairs, guint n_rows, guint n_columns, gint *columns)
{
  g_autofree guint *first = g_new0 (guint, n_rows + 1);
  g_autofree gint *row_of = g_new (gint, n_columns + 1);
  g_autofree gdouble *row_price = g_new0 (gdouble, n_rows + 1);
  g_autofree gdouble *column_price = g_new0 (gdouble, n_columns + 1);
  g_autofree gdouble *distance = g_new (gdouble, n_columns + 1);
  g_autofree gboolean *final = g_new0 (gboolean, n_columns + 1);
  g_autofree guint *before = g_new (guint, n_columns + 1);
  g_autofree guint *reached = g_new (guint, n_columns + 1);
  Assignment self = { .pairs = pairs,
                      .first = first,
                      .column_of = columns,
                      .row_of = row_of,
                      .row_price = row_price,
                      .column_price = column_price,
                      .distance = distance,
                      .final = final,
                      .before = before,
                      .reached = reached };

  for (guint i = 0; i < n_pairs; i++)
    first[pairs[i].row + 1]++;
  for (guint row = 0; row < n_rows; row++) {
    first[row + 1] += first[row];
    columns[row] = -1;
  }
  for (guint column = 0; column < n_columns; column++) {
    row_of[column] = -1;
    distance[column] = INFINITY;
  }
  set_prices (&self, n_rows);
  for (guint row = 0; row < n_rows; row++) {
    if (self.n_steps < MAX_STEPS)
      augment (&self, row);
    else
      take_best_free (&self, row);
  }
}
