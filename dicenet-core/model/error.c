/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>

G_DEFINE_QUARK (dicenet - error - quark, dicenet_error)
