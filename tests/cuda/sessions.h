/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* Largest difference of any output of two results, relative to its largest value, for one picture of each. Fails the
 * test if they have no output, sizes differ, or an output of @a is not finite. */
gfloat difference (DicenetResult *a, DicenetResult *b, guint picture_a, guint picture_b);
