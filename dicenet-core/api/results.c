/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/results.h>

#define DEFINE_PLAIN_BOXED(Type, type)                                                                                 \
  static Type *type##_copy (const Type *value)                                                                         \
  {                                                                                                                    \
    return g_memdup2 (value, sizeof *value);                                                                           \
  }                                                                                                                    \
  G_DEFINE_BOXED_TYPE (Type, type, type##_copy, g_free)

DEFINE_PLAIN_BOXED (DicenetClass, dicenet_class)
DEFINE_PLAIN_BOXED (DicenetBox, dicenet_box)
