/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sessions.h"

#include <check.h>
#include <math.h>

gfloat
difference (DicenetResult *a, DicenetResult *b, guint picture_a, guint picture_b)
{
  static const char *const names[] = { "logits", "confidences", "locations" };
  gfloat worst = 0;
  guint outputs = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gsize n, m;
    const gfloat *x = dicenet_result_get_output (a, names[i], picture_a, &n),
                 *y = dicenet_result_get_output (b, names[i], picture_b, &m);
    gfloat largest = 0, most = 0;
    ck_assert_uint_eq (n, m);
    for (gsize k = 0; k < n; k++) {
      ck_assert (isfinite (x[k]));
      largest = MAX (largest, fabsf (y[k]));
      most = MAX (most, fabsf (x[k] - y[k]));
    }
    worst = n ? MAX (worst, most / largest) : worst;
    outputs += n > 0;
  }
  ck_assert_uint_gt (outputs, 0);
  return worst;
}
