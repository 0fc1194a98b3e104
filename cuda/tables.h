/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>
#include <dicenet/results.h>

#include "../dicenet-core/prepost/preprocess-plan.h"
#include "pixels.h"

/* What the kernels of pixels.h read, from what the CPU's are given. */

/* Bytes of the tables that pictures of @plan need on the device. */
gsize dicenet_cuda_preprocess_size (const DicenetPreprocessPlan *plan);
/* Writes them to @host, aligned to 4 bytes, and says in @out how they are used once they are copied to @device. */
void dicenet_cuda_preprocess_fill (const DicenetPreprocessPlan *plan, gpointer host, gconstpointer device,
                                   DicenetCudaPreprocess *out);

/* @image: planes in device memory. */
DicenetCudaPicture dicenet_cuda_picture (const DicenetImage *image);

/* @thresholds: n_classes. */
void dicenet_cuda_detect_params (const DicenetDetectParams *params, guint n_classes, DicenetCudaDetectParams *out,
                                 gfloat *thresholds);
