/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "../dicenet-core/kernels/pixels.h"
#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Processing before and after a network in GPU memory: from pictures to tensors, from outputs to masks and boxes. As in
 * kernels.h, functions do not allocate or synchronise, and can be captured in a graph. Scratch belongs to the caller,
 * and can be reused after the function's work in the stream is done. What may change between frames without a new graph
 * (addresses of pictures, parameters of boxes) is read from device memory.
 *
 * Results are bit-identical to those of the reference kernels (dicenet-core/kernels/ref), except for exponentials:
 * CUDA's expf has an error of up to 2 units in the last place, which affects confidences and the width and height of
 * boxes. Results do not depend on the order in which threads run.
 *
 * A classifier's softmax or sigmoids are computed on the CPU: its logits take some kilobytes at most, and
 * dicenet_decode_classes() takes microseconds. */

/* --- pictures --- */

/* A picture in device memory: planes and strides, which may be negative, as in DicenetImage. */
typedef struct {
  const uint8_t *planes[3];
  int strides[3];
} DicenetCudaPicture;

typedef enum {
  DICENET_CUDA_RGB,
  DICENET_CUDA_GREY,
  DICENET_CUDA_420,
  DICENET_CUDA_422,
} DicenetCudaColour;

/* Sample i of a row is byte first + i * step of the corresponding row of the plane. */
typedef struct {
  unsigned plane, first, step;
} DicenetCudaSamples;

/* DicenetFilter, with tables on the device and coefficients that are not split: output i is the sum over t < taps of
 * weight[t * out + i] * input start[i] + t. All of these inputs exist. */
typedef struct {
  unsigned in, out, taps;
  const int32_t *start;
  const uint32_t *weight; /* DICENET_TAPS_BITS fractional bits */
} DicenetCudaFilter;

/* DicenetPreprocessPlan for the device; made by dicenet_cuda_preprocess_fill(). */
typedef struct {
  DicenetCudaColour colour;
  DicenetCudaSamples samples[3]; /* R, G, B; or luma and the two components of chroma in the order of the format */
  DicenetYuv yuv;
  DicenetCudaFilter horizontal, vertical;
  const float *normalise; /* [3][256] */
} DicenetCudaPreprocess;

/* Size in bytes for @n pictures. */
size_t dicenet_cuda_preprocess_scratch (const DicenetCudaPreprocess *preprocess, unsigned n);
/* Bit-identical to dicenet_preprocess_run(). @pictures: y->n of them, in device memory, with the properties that
 * @preprocess was made for; @y: 3 x vertical.out x horizontal.out. */
cudaError_t dicenet_cuda_preprocess (const DicenetCudaPreprocess *preprocess, const DicenetCudaPicture *pictures,
                                     const DicenetCudaTensor *y, void *scratch, cudaStream_t stream);

/* --- masks --- */

/* See dicenet_decode_mask(). */
typedef struct {
  DicenetCudaTensor logits; /* at most 256 classes */
  DicenetCudaAxis rows, columns;
  uint8_t *masks;
  size_t row_stride, picture_stride;
} DicenetCudaMask;

cudaError_t dicenet_cuda_mask (const DicenetCudaMask *mask, cudaStream_t stream);

/* --- boxes --- */

/* DicenetDetectParams without thresholds; made by dicenet_cuda_detect_params(). */
typedef struct {
  float iou_threshold;
  float least_lead; /* from dicenet_least_lead() */
  unsigned max_per_class, max_detections;
} DicenetCudaDetectParams;

/* See DicenetBox. */
typedef struct {
  float x0, y0, x1, y1;
  unsigned label_id;
  float confidence;
} DicenetCudaBox;

/* See dicenet_decode_boxes(); for confidences.n pictures. */
typedef struct {
  DicenetCudaTensor confidences, locations; /* plane 0: n_priors rows of n_classes (anchor-free: one less), or 4,
                                             * floats */
  const float *priors;                      /* 4 * n_priors */
  unsigned n_priors, n_classes;             /* at least 2 classes: the background and another */
  int is_anchor_free;                       /* otherwise SSD */
  const DicenetCudaDetectParams *params;    /* in device memory, like all pointers here */
  const float *thresholds;                  /* n_classes */
  unsigned *n_boxes;                        /* by picture; may exceed @capacity, if max_detections does */
  DicenetCudaBox *boxes;                    /* [picture][capacity], most confident first; boxes beyond the capacity
                                             * are dropped */
  unsigned capacity;
  void *scratch; /* dicenet_cuda_detect_scratch() bytes */
} DicenetCudaDetect;

/* Each prior may be a candidate of each class: 8 bytes for each combination, plus list lengths. */
size_t dicenet_cuda_detect_scratch (unsigned n_priors, unsigned n_classes, unsigned n_pictures);
cudaError_t dicenet_cuda_detect (const DicenetCudaDetect *detect, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
