/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "../dicenet-core/kernels/pixels.h"
#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The work before and after a network, in the GPU's memory: pictures to tensors, outputs to masks and boxes. Functions
 * are like those of kernels.h: they allocate nothing, wait for nothing, and can be captured into a graph; scratch is
 * the caller's, and free for other use when they are done. What may change from frame to frame without the graph being
 * captured anew (where pictures lie, what is asked of boxes) is read from device memory.
 *
 * Results are those of the reference kernels (dicenet-core/kernels/ref) to the last bit, but for exponentials: CUDA's
 * expf is within 2 units in the last place, and so are confidences and the width and height of boxes. Nothing depends
 * on the order in which threads run.
 *
 * A classifier's softmax or sigmoids are not here: its logits, some kilobytes at most, are what crosses the bus, and
 * dicenet_decode_classes() takes microseconds. */

/* --- pictures --- */

/* A picture in device memory: what DicenetImage says of planes and strides, which may be negative. */
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

/* Sample i of a row is byte first + i * step of the row of its plane. */
typedef struct {
  unsigned plane, first, step;
} DicenetCudaSamples;

/* DicenetFilter with its tables on the device, and each coefficient in one piece: output i is the sum over t < taps of
 * weight[t * out + i] * input start[i] + t. All of these inputs are there. */
typedef struct {
  unsigned in, out, taps;
  const int32_t *start;
  const uint32_t *weight; /* DICENET_TAPS_BITS after the point */
} DicenetCudaFilter;

/* DicenetPreprocessPlan for the device; dicenet_cuda_preprocess_fill() makes it. */
typedef struct {
  DicenetCudaColour colour;
  DicenetCudaSamples samples[3]; /* R, G, B, or luma and the two components of chroma as they are stored */
  DicenetYuv yuv;
  DicenetCudaFilter horizontal, vertical;
  const float *normalise; /* [3][256] */
} DicenetCudaPreprocess;

/* Bytes for @n pictures. */
size_t dicenet_cuda_preprocess_scratch (const DicenetCudaPreprocess *preprocess, unsigned n);
/* As dicenet_preprocess_run() with any of its kernels, to the last bit. @pictures: y->n of them, in device memory, all
 * as @preprocess was made for; @y: 3 x vertical.out x horizontal.out. */
cudaError_t dicenet_cuda_preprocess (const DicenetCudaPreprocess *preprocess, const DicenetCudaPicture *pictures,
                                     const DicenetCudaTensor *y, void *scratch, cudaStream_t stream);

/* --- masks --- */

/* As dicenet_decode_mask(). */
typedef struct {
  DicenetCudaTensor logits; /* at most 256 classes */
  DicenetCudaAxis rows, columns;
  uint8_t *masks;
  size_t row_stride, picture_stride;
} DicenetCudaMask;

cudaError_t dicenet_cuda_mask (const DicenetCudaMask *mask, cudaStream_t stream);

/* --- boxes --- */

/* DicenetDetectParams but for thresholds; dicenet_cuda_detect_params() makes it. */
typedef struct {
  float iou_threshold;
  float least_lead; /* dicenet_least_lead() */
  unsigned max_per_class, max_detections;
} DicenetCudaDetectParams;

/* As DicenetBox. */
typedef struct {
  float x0, y0, x1, y1;
  unsigned label_id;
  float confidence;
} DicenetCudaBox;

/* As dicenet_decode_boxes(), for confidences.n pictures. */
typedef struct {
  DicenetCudaTensor confidences, locations; /* plane 0: n_priors rows of n_classes and of 4 floats */
  const float *priors;                      /* 4 * n_priors */
  unsigned n_priors, n_classes;             /* at least 2 classes: the background and another */
  const DicenetCudaDetectParams *params;    /* on the device, as all here */
  const float *thresholds;                  /* n_classes */
  unsigned *n_boxes;                        /* of each picture; may be more than @capacity where max_detections is */
  DicenetCudaBox *boxes;                    /* [picture][room], strongest first; those beyond the room are left out */
  unsigned capacity;
  void *scratch; /* dicenet_cuda_detect_scratch() bytes */
} DicenetCudaDetect;

/* Every prior may be a candidate for every class: 8 bytes for each of these, and some more. */
size_t dicenet_cuda_detect_scratch (unsigned n_priors, unsigned n_classes, unsigned n_pictures);
cudaError_t dicenet_cuda_detect (const DicenetCudaDetect *detect, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
