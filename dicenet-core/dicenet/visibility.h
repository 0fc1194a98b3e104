/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The library is built with hidden visibility; this marks exported symbols. */
#if defined(__GNUC__)
#define DICENET_API __attribute__ ((visibility ("default"))) extern
#else
#define DICENET_API extern
#endif
