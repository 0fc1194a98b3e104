/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"
#include "pixels.h"

/* Decodes a detector's outputs to boxes: candidates are collected in one list per class; each list is sorted and
 * suppressed by a thread block; then all lists are merged.
 *
 * A candidate is one number, by which the candidates of a class are sorted: lower numbers are more confident and, if
 * equally confident, belong to the earlier prior. Numbers are unique, so the sorted list does not depend on the order
 * in which threads append.
 *
 * Products and sums are rounded separately, as in the CPU's reference, and not contracted to fused multiply-adds:
 * whether boxes overlap by more than the threshold must not depend on the backend. */

typedef unsigned long long Candidate; /* the inverted bits of the confidence, followed by the prior */

#define EVERYONE 0xffffffffu
#define WARPS    8    /* per block of collect(): one prior each */
#define THREADS  256  /* per block of nms(): one candidate each */
#define SHARED   2048 /* maximum number of candidates sorted in shared memory; usually enough */
#define WRITERS  128

static __device__ __forceinline__ Candidate
make_candidate (float confidence, unsigned prior)
{
  return (Candidate) ~(unsigned) __float_as_int (confidence) << 32 | prior;
}

/* Lower is more confident. */
static __device__ __forceinline__ unsigned
weakness_of (Candidate candidate)
{
  return (unsigned) (candidate >> 32);
}

static __device__ __forceinline__ float
confidence_of (Candidate candidate)
{
  return __int_as_float ((int) ~weakness_of (candidate));
}

/* The background has no list: list l is class l + 1. The scratch contains the lists of all pictures, each with room for
 * every prior, followed by their lengths. */
static __host__ __device__ __forceinline__ size_t
lists_before (const DicenetCudaDetect &d, unsigned picture)
{
  return (size_t) picture * (d.n_classes - 1);
}

static __device__ __forceinline__ Candidate *
list_of (const DicenetCudaDetect &d, unsigned picture, unsigned list)
{
  return static_cast<Candidate *> (d.scratch) + (lists_before (d, picture) + list) * d.n_priors;
}

static __host__ __device__ __forceinline__ unsigned *
lengths_of (const DicenetCudaDetect &d, unsigned picture)
{
  unsigned *first = reinterpret_cast<unsigned *> (static_cast<Candidate *> (d.scratch) +
                                                  lists_before (d, d.confidences.n) * d.n_priors);
  return first + lists_before (d, picture);
}

/* --- collecting --- */

/* Whether the logit of any class exceeds the background's by enough to reach its threshold. Most priors are background,
 * and are skipped before exponentials are computed. */
static __device__ bool
may_reach (const float *x, unsigned n, float least)
{
  const unsigned lane = threadIdx.x % 32;
  const float from = __fadd_rn (x[0], least);
  unsigned reach = 0;

  for (unsigned first = 0; first < n; first += 32)
    reach |= __ballot_sync (EVERYONE, first + lane > 0 && first + lane < n && x[first + lane] >= from);
  return reach != 0;
}

static __device__ float
largest_of (const float *x, unsigned n)
{
  float largest = -INFINITY;

  for (unsigned c = threadIdx.x % 32; c < n; c += 32)
    largest = fmaxf (largest, x[c]);
  for (int lanes = 16; lanes > 0; lanes /= 2)
    largest = fmaxf (largest, __shfl_xor_sync (EVERYONE, largest, lanes));
  return largest;
}

/* Sum of the exponentials in the order of classes: each thread computes its own exponential, and all threads add all of
 * them. */
static __device__ double
sum_of (const float *x, unsigned n, float largest)
{
  const unsigned lane = threadIdx.x % 32;
  double sum = 0;

  for (unsigned first = 0; first < n; first += 32) {
    const float own = first + lane < n ? expf (__fsub_rn (x[first + lane], largest)) : 0;
    for (unsigned c = 0; c < min (32u, n - first); c++)
      sum += __shfl_sync (EVERYONE, own, c);
  }
  return sum;
}

/* Adds a candidate of class @c, if it reaches its threshold. */
static __device__ void
add (const DicenetCudaDetect &d, unsigned picture, unsigned prior, unsigned c, float p)
{
  if (!(p >= d.thresholds[c]))
    return;
  const unsigned at = atomicAdd (lengths_of (d, picture) + c - 1, 1u);
  list_of (d, picture, c - 1)[at] = make_candidate (p, prior);
}

/* One warp per prior, one thread per class. */
static __device__ void
collect_prior (const DicenetCudaDetect &d, unsigned picture, unsigned prior)
{
  const float *x = plane_of (d.confidences, picture, 0) + prior * d.n_classes;

  if (!may_reach (x, d.n_classes, d.params->least_lead))
    return;
  const float largest = largest_of (x, d.n_classes);
  const double sum = sum_of (x, d.n_classes, largest);
  for (unsigned c = threadIdx.x % 32; c < d.n_classes; c += 32)
    if (c > 0)
      add (d, picture, prior, c, (float) (expf (__fsub_rn (x[c], largest)) / sum));
}

/* The same for the anchor-free head, which has no background. */
static __device__ void
collect_cell (const DicenetCudaDetect &d, unsigned picture, unsigned cell)
{
  const unsigned n = d.n_classes - 1;
  const float *x = plane_of (d.confidences, picture, 0) + cell * n;

  for (unsigned c = threadIdx.x % 32; c < n; c += 32)
    if (x[c] >= d.params->least_lead)
      add (d, picture, cell, c + 1, 1 / __fadd_rn (1, expf (-x[c])));
}

static __global__ void
__launch_bounds__ (WARPS * 32) collect (DicenetCudaDetect d)
{
  const unsigned prior = blockIdx.x * WARPS + threadIdx.x / 32;

  if (prior >= d.n_priors)
    return;
  if (d.is_anchor_free)
    collect_cell (d, blockIdx.y, prior);
  else
    collect_prior (d, blockIdx.y, prior);
}

/* --- sorting --- */

static __device__ __forceinline__ void
order (Candidate *list, unsigned n, unsigned a, unsigned b)
{
  if (b < n && list[b] < list[a]) {
    const Candidate smaller = list[b];
    list[b] = list[a];
    list[a] = smaller;
  }
}

/* Bitonic sort. Pairs are always sorted in ascending order. Thus the numbers missing to a power of two can be treated
 * as larger than any other: they would never be moved. */
static __device__ void
sort (Candidate *list, unsigned n)
{
  unsigned pairs = 1;

  while (2 * pairs < n)
    pairs *= 2;
  for (unsigned half = 1; half < n; half *= 2) {
    /* Merges two sorted halves: compares the first of one with the last of the other, and so on. */
    for (unsigned pair = threadIdx.x; pair < pairs; pair += THREADS) {
      const unsigned k = pair & (half - 1), begin = 2 * (pair - k);
      order (list, n, begin + k, begin + 2 * half - 1 - k);
    }
    __syncthreads ();
    for (unsigned step = half / 2; step > 0; step /= 2) {
      for (unsigned pair = threadIdx.x; pair < pairs; pair += THREADS) {
        const unsigned k = pair & (step - 1), begin = 2 * (pair - k);
        order (list, n, begin + k, begin + k + step);
      }
      __syncthreads ();
    }
  }
}

/* --- suppressing --- */

struct Place {
  float x0, y0, x1, y1, area;
};

/* As on the CPU: what is not a number stays so. */
static __device__ __forceinline__ float
clamp (float x, float least, float most)
{
  return x > most ? most : x < least ? least : x;
}

/* How far a side of the box lies from its cell's centre. */
static __device__ __forceinline__ float
distance (float stride, float location)
{
  return __fmul_rn (stride, expf (clamp (location, -DICENET_MOST_LOCATION, DICENET_MOST_LOCATION)));
}

static __device__ Place
place_of_cell (const float *p, const float *l)
{
  return { clamp (__fsub_rn (p[0], distance (p[2], l[0])), 0, 1), clamp (__fsub_rn (p[1], distance (p[3], l[1])), 0, 1),
           clamp (__fadd_rn (p[0], distance (p[2], l[2])), 0, 1), clamp (__fadd_rn (p[1], distance (p[3], l[3])), 0, 1),
           0 };
}

static __device__ Place
place_of_prior (const float *p, const float *l)
{
  const float cx = __fadd_rn (p[0], __fmul_rn (__fmul_rn (DICENET_CENTER_VARIANCE, l[0]), p[2])),
              cy = __fadd_rn (p[1], __fmul_rn (__fmul_rn (DICENET_CENTER_VARIANCE, l[1]), p[3])),
              w = __fmul_rn (p[2], expf (__fmul_rn (DICENET_SIZE_VARIANCE, l[2]))),
              h = __fmul_rn (p[3], expf (__fmul_rn (DICENET_SIZE_VARIANCE, l[3])));

  return { __fsub_rn (cx, w / 2), __fsub_rn (cy, h / 2), __fadd_rn (cx, w / 2), __fadd_rn (cy, h / 2), 0 };
}

static __device__ Place
place_of (const DicenetCudaDetect &d, unsigned picture, unsigned prior)
{
  const float *p = d.priors + 4 * prior, *l = plane_of (d.locations, picture, 0) + 4 * prior;
  Place place = d.is_anchor_free ? place_of_cell (p, l) : place_of_prior (p, l);

  place.area = __fmul_rn (__fsub_rn (place.x1, place.x0), __fsub_rn (place.y1, place.y0));
  return place;
}

static __device__ __forceinline__ bool
is_finite (const Place &place)
{
  return isfinite (place.x0) && isfinite (place.y0) && isfinite (place.x1) && isfinite (place.y1);
}

static __device__ __forceinline__ bool
overlap (const Place &a, const Place &b, float iou)
{
  const float x0 = fmaxf (a.x0, b.x0), y0 = fmaxf (a.y0, b.y0), x1 = fminf (a.x1, b.x1), y1 = fminf (a.y1, b.y1);
  const float both = __fmul_rn (__fsub_rn (x1, x0), __fsub_rn (y1, y0));

  return x1 > x0 && y1 > y0 && both > __fmul_rn (iou, __fsub_rn (__fadd_rn (a.area, b.area), both));
}

/* Maximum number of boxes per class in the result. */
static __device__ __forceinline__ unsigned
limit_of (const DicenetCudaDetectParams &params)
{
  const unsigned here = params.max_per_class > 0 ? params.max_per_class : ~0u;

  return params.max_detections > 0 ? min (here, params.max_detections) : here;
}

/* Shared memory of a block. */
struct Block {
  Place places[THREADS];
  bool stays[THREADS];
};

/* Whether @own overlaps none of the boxes that were @kept in earlier rounds. */
static __device__ bool
clear_of_kept (const DicenetCudaDetect &d, const Candidate *kept, unsigned n_kept, const Place &own, bool stays,
               Block &block)
{
  for (unsigned first = 0; first < n_kept; first += THREADS) {
    if (first + threadIdx.x < n_kept)
      block.places[threadIdx.x] = place_of (d, blockIdx.y, (unsigned) kept[first + threadIdx.x]);
    __syncthreads ();
    for (unsigned k = 0; stays && k < min (unsigned (THREADS), n_kept - first); k++)
      stays = !overlap (own, block.places[k], d.params->iou_threshold);
    __syncthreads ();
  }
  return stays;
}

/* A round of suppression for @n candidates, one per thread, strongest first: each is kept unless it overlaps one that
 * was kept before. Returns the total number of kept candidates. */
static __device__ unsigned
nms_round (const DicenetCudaDetect &d, Candidate candidate, unsigned n, Candidate *kept, unsigned n_kept,
           unsigned limit, Block &block)
{
  Place own = {};
  bool stays = threadIdx.x < n;

  if (stays) {
    own = place_of (d, blockIdx.y, (unsigned) candidate);
    stays = is_finite (own);
  }
  stays = clear_of_kept (d, kept, n_kept, own, stays, block);
  block.places[threadIdx.x] = own;
  block.stays[threadIdx.x] = stays;
  __syncthreads ();
  for (unsigned i = 0; i < n && n_kept < limit; i++) {
    if (!block.stays[i]) /* same value in all threads: written before the last barrier */
      continue;
    if (threadIdx.x == i)
      kept[n_kept] = candidate;
    n_kept++;
    if (threadIdx.x > i && block.stays[threadIdx.x] && overlap (own, block.places[i], d.params->iou_threshold))
      block.stays[threadIdx.x] = false;
    __syncthreads ();
  }
  __syncthreads ();
  return n_kept;
}

/* One block per class and picture. Kept candidates overwrite the beginning of the list, which is safe: there are never
 * more than have been read, and each round reads its candidates into registers first. */
static __global__ void
__launch_bounds__ (THREADS) nms (DicenetCudaDetect d)
{
  __shared__ Candidate few[SHARED];
  __shared__ Block block;
  Candidate *list = list_of (d, blockIdx.y, blockIdx.x), *sorted = list;
  unsigned *length = lengths_of (d, blockIdx.y) + blockIdx.x;
  const unsigned n = *length, limit = limit_of (*d.params);
  unsigned n_kept = 0;

  if (n <= SHARED) {
    sorted = few;
    for (unsigned i = threadIdx.x; i < n; i += THREADS)
      few[i] = list[i];
  }
  __syncthreads ();
  sort (sorted, n);
  for (unsigned first = 0; first < n && n_kept < limit; first += THREADS) {
    const unsigned here = min (unsigned (THREADS), n - first);
    const Candidate own = threadIdx.x < here ? sorted[first + threadIdx.x] : 0;
    n_kept = nms_round (d, own, here, list, n_kept, limit, block);
  }
  if (threadIdx.x == 0)
    *length = n_kept;
}

/* --- merging --- */

/* The number of candidates in a sorted list that precede one of another list with @weakness: those that are stronger
 * or, if the list is that of a lower class, equally strong. */
static __device__ unsigned
count_before (const Candidate *list, unsigned n, unsigned weakness, bool lower_class)
{
  unsigned begin = 0, end = n;

  while (begin < end) {
    const unsigned middle = (begin + end) / 2, there = weakness_of (list[middle]);
    if (there < weakness || (lower_class && there == weakness))
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

/* The index of candidate @i of list @own in the merged list. */
static __device__ unsigned
rank_of (const DicenetCudaDetect &d, unsigned own, unsigned i, unsigned weakness)
{
  const unsigned *lengths = lengths_of (d, blockIdx.y);
  unsigned rank = i;

  for (unsigned list = 0; list < d.n_classes - 1; list++)
    if (list != own)
      rank += count_before (list_of (d, blockIdx.y, list), lengths[list], weakness, list < own);
  return rank;
}

static __device__ void
write_length (const DicenetCudaDetect &d)
{
  const unsigned *lengths = lengths_of (d, blockIdx.y);
  const unsigned limit = d.params->max_detections;
  unsigned n = 0;

  for (unsigned list = 0; list < d.n_classes - 1; list++)
    n += lengths[list];
  d.n_boxes[blockIdx.y] = limit > 0 ? min (n, limit) : n;
}

/* One block per class and picture: writes each box to its index. */
static __global__ void
__launch_bounds__ (WRITERS) write_boxes (DicenetCudaDetect d)
{
  const unsigned n = lengths_of (d, blockIdx.y)[blockIdx.x], limit = d.params->max_detections,
                 capacity = limit > 0 ? min (limit, d.capacity) : d.capacity;
  const Candidate *list = list_of (d, blockIdx.y, blockIdx.x);
  DicenetCudaBox *boxes = d.boxes + (size_t) blockIdx.y * d.capacity;

  if (blockIdx.x == 0 && threadIdx.x == 0)
    write_length (d);
  for (unsigned i = threadIdx.x; i < n; i += WRITERS) {
    const Candidate candidate = list[i];
    const unsigned rank = rank_of (d, blockIdx.x, i, weakness_of (candidate));
    if (rank >= capacity)
      continue;
    const Place place = place_of (d, blockIdx.y, (unsigned) candidate);
    boxes[rank] = { place.x0, place.y0, place.x1, place.y1, blockIdx.x + 1, confidence_of (candidate) };
  }
}

size_t
dicenet_cuda_detect_scratch (unsigned n_priors, unsigned n_classes, unsigned n_pictures)
{
  return (size_t) n_pictures * (n_classes - 1) * (n_priors * sizeof (Candidate) + sizeof (unsigned));
}

cudaError_t
dicenet_cuda_detect (const DicenetCudaDetect *d, cudaStream_t stream)
{
  const unsigned n_lists = d->n_classes - 1, n_pictures = d->confidences.n;
  const dim3 lists (n_lists, n_pictures);
  cudaError_t error =
      cudaMemsetAsync (lengths_of (*d, 0), 0, lists_before (*d, n_pictures) * sizeof (unsigned), stream);

  if (error == cudaSuccess)
    error = launch (collect, dim3 (divide_up (d->n_priors, WARPS), n_pictures), WARPS * 32, stream, *d);
  if (error == cudaSuccess)
    error = launch (nms, lists, THREADS, stream, *d);
  if (error == cudaSuccess)
    error = launch (write_boxes, lists, WRITERS, stream, *d);
  return error;
}
