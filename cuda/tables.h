/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>
#include <dicenet/results.h>

#include "../dicenet-core/prepost/preprocess-plan.h"
#include "pixels.h"

/* Arguments for the kernels of pixels.h, made from those of the CPU's functions. */

/* Size in bytes of the device tables for pictures of @plan. */
gsize dicenet_cuda_preprocess_size (const DicenetPreprocessPlan *plan);
/* Writes the tables to @host, aligned to 4 bytes, and sets @out, which refers to their copy at @device. */
void dicenet_cuda_preprocess_fill (const DicenetPreprocessPlan *plan, gpointer host, gconstpointer device,
                                   DicenetCudaPreprocess *out);

/* @image: planes in device memory. */
DicenetCudaPicture dicenet_cuda_picture (const DicenetImage *image);

/* @thresholds: n_classes. */
void dicenet_cuda_detect_params (const DicenetDetectParams *params, guint n_classes, DicenetCudaDetectParams *out,
                                 gfloat *thresholds);
