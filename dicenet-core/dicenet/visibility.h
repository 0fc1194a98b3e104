/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The library is built with hidden visibility: only what is marked so can be called from outside. */
#if defined(__GNUC__)
#define DICENET_API __attribute__ ((visibility ("default"))) extern
#else
#define DICENET_API extern
#endif
