/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>

/* clang-format takes the name for a difference. */
/* clang-format off */
G_DEFINE_QUARK (dicenet-error-quark, dicenet_error)
