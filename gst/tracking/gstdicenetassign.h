/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** That a row may be given to a column, and the gain if it is: above 0. */
typedef struct {
  guint row, column;
  gdouble gain;
} GstDicenetPair;

/**
 * gst_dicenet_assign:
 * @pairs: possible pairs, sorted by row, each at most once
 * @n_pairs: number of @pairs
 * @n_rows: number of rows
 * @n_columns: number of columns
 * @columns: (out caller-allocates): for each row its column, or -1
 *
 * Gives each row at most one column, and each column to at most one row, so that the sum of gains is the highest
 * (Jonker and Volgenant's shortest augmenting paths, which never leave a connected component). Only if that takes more
 * than some 10 ms, as in a crowd of thousands that all overlap, the rows that are left take their best free column.
 */
void gst_dicenet_assign (const GstDicenetPair *pairs, guint n_pairs, guint n_rows, guint n_columns, gint *columns);

G_END_DECLS
