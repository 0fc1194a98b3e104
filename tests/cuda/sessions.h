/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* The largest difference of any output of two results, over the largest number of it; of one picture of each. Fails the
 * test where they have no output, or one of another size, or where @a's is not finite. */
gfloat difference (DicenetResult *a, DicenetResult *b, guint picture_a, guint picture_b);
