/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vec.h"

/* Leaves rows of @w columns to the same kernel with registers of eight lanes, whose name ends in _narrow. Processors
 * that take as long for one operation on sixteen lanes as for two on eight lose nothing with the narrow registers,
 * which leave fewer lanes unused for rows of 7, 19 or 24 columns. */
#if VL == 16
#define NARROW(w, kernel, ...)                                                                                         \
  if ((w) % VL >= 1 && (w) % VL <= VL / 2) {                                                                           \
    dicenet_##kernel##_narrow (__VA_ARGS__);                                                                           \
    return;                                                                                                            \
  }
#else
#define NARROW(w, kernel, ...)
#endif
