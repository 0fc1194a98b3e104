/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>
#include <dicenet/options.h>
#include <dicenet/results.h>
#include "../base/log.h"
#include "../base/request.h"
#include "../base/threads.h"
#include "../kernels/pixels.h"
#include "size.h"

G_BEGIN_DECLS

/* The interface between a session and its backend. If a backend is unavailable, its open() fails with the reason; there
 * is no separate check. A run is a job: submitted, waited for, released. */

/* One program on one device. Backends embed it as their first member. At most two threads use it concurrently: one that
 * prepares or submits, and one that waits for the oldest job. Any thread may release jobs. prepare() excludes both. */
typedef struct _DicenetExecutor DicenetExecutor;

/* The pictures of a run: either @tensor (batch x 3 x height x width, normalised) or @image (batch 1). @request is
 * resolved; backends use its size, its outputs, and the parameters of the decoding that they do themselves. */
typedef struct {
  guint batch;
  const gfloat *tensor;
  const DicenetImage *image;
  const DicenetRequest *request;
} DicenetRun;

/* A submitted run, until it is released. Backends embed it as their first member. */
typedef struct {
  DicenetSize *size;
} DicenetJob;

/* Results of a job, in memory owned by the executor. */
typedef struct {
  /* By output of the graph, for all pictures one after the other. NULL for outputs that were not requested, if the
   * backend has decoded them itself. */
  const gfloat *outputs[DICENET_MAX_OUTPUTS];
  const guint8 *masks; /* all pictures' masks, width x height each; NULL: the caller decodes them */
} DicenetFound;

/* The values that a convolution's input had in some runs: the least, at most 0, the greatest, at least 0, and how many
 * begin with each combination of this many bits: sign, exponent and five of the fraction. */
#define DICENET_HISTOGRAM_BITS 14

typedef struct {
  gfloat low, high;
  gdouble *sums; /* of the values of each channel; NULL: don't add */
  guint64 counts[1 << DICENET_HISTOGRAM_BITS];
} DicenetHistogram;

/* What an executor runs on. */
typedef struct {
  gint device;      /* index of one of the backend's devices; -1: the default device */
  gpointer context; /* the caller's device context, current in all calls of the executor; @device is then ignored.
                     * NULL: the device's primary context */
  DicenetPrecision precision;
  guint n_threads; /* 0: one per processor */
  guint cpu_mask;  /* as for dicenet_kernels_get() */
} DicenetDeviceOptions;

/* Name of the symbol in a backend's module that points to its DicenetBackendOps. The version must be increased with
 * every change of this file or of the structures that it uses. */
#define DICENET_BACKEND_SYMBOL  "dicenet_cuda_backend"
#define DICENET_BACKEND_VERSION 6

typedef struct {
  guint version;
  DicenetBackend kind;
  const char *name;
  /* Whether submitted jobs are computed asynchronously; otherwise the thread that waits computes them. */
  gboolean is_asynchronous;
  /* NULL with @error set (BACKEND) if it cannot work on this machine; not if it only lacks the precision. */
  DicenetExecutor *(*open) (const DicenetNetwork *program, const DicenetDeviceOptions *target, GError **error);
  void (*close) (DicenetExecutor *self);
  /* Whether it has kernels for an operation other than a view. */
  gboolean (*supports) (DicenetOp op);
  /* Scratch that operations need in the plan; @data is the executor. */
  DicenetScratchFunc scratch;
  /* Prepares each step of the size's plan, once for all runs. The result is the size's @bound; unbind() frees it, in
   * any thread. NULL with @error set. */
  gpointer (*bind) (DicenetExecutor *self, const DicenetSize *size, GError **error);
  void (*unbind) (DicenetExecutor *self, gpointer bound);
  /* Allocates memory to run at a size, which submit() and wait() also do when needed. */
  gboolean (*prepare) (DicenetExecutor *self, DicenetSize *size, GError **error);
  /* Reads the pictures, which are not needed any more when it returns. NULL with @error set. */
  DicenetJob *(*submit) (DicenetExecutor *self, DicenetSize *size, const DicenetRun *run, GError **error);
  /* Called at most once per job, in the order of submission. On the CPU, @found is valid until the next job is waited
   * for. FALSE with @error set, DEVICE if the device failed. */
  gboolean (*wait) (DicenetExecutor *self, DicenetJob *job, DicenetFound *found, GError **error);
  /* Boxes of one picture of a completed job that requested them, if the backend makes boxes. If FALSE, the caller makes
   * them from the outputs. NULL: always FALSE. */
  gboolean (*boxes) (DicenetJob *job, guint picture, const DicenetBox **boxes, guint *n);
  /* Also called for jobs that were not waited for. */
  void (*release) (DicenetExecutor *self, DicenetJob *job);
  /* Runs chunks 0 .. n - 1 of decoding in the backend's threads; NULL: the caller runs them. */
  void (*share) (DicenetExecutor *self, guint n, DicenetChunkFunc func, gpointer job);
  gsize (*arena_bytes) (DicenetExecutor *self);
  guint (*n_threads) (DicenetExecutor *self);
} DicenetBackendOps;

struct _DicenetExecutor {
  const DicenetBackendOps *ops;
  DicenetNetwork program;
  GPtrArray *sizes;             /* DicenetSize, most recently used last */
  DicenetPrecision precision;   /* in effect: never AUTO */
  const char *warning;          /* static; which option could not be satisfied, and why; or NULL */
  const char *device;           /* description for users; static or owned by the executor */
  gdouble device_seconds;       /* duration of the last run on a GPU, without copies to and from it; otherwise 0 */
  gdouble *step_seconds;        /* by node of the graph: runs store the minimum of it and the step's time; NULL: don't
                                 * measure */
  DicenetHistogram *histograms; /* of the convolutions that int8 computes, in the graph's order: runs on the CPU add
                                 * their inputs; NULL: don't count */
};

extern const DicenetBackendOps dicenet_backend_cpu;
extern const DicenetBackendOps dicenet_backend_cuda; /* loads the module that is built from cuda/ */

/* Opens a backend; AUTO takes the first that works. */
DicenetExecutor *dicenet_executor_open (DicenetBackend backend, const DicenetNetwork *program,
                                        const DicenetDeviceOptions *target, GError **error);
/* Frees the common part and calls the backend's close(). @self may be NULL. Backends whose open() fails call it,
 * too. */
void dicenet_executor_close (DicenetExecutor *self);

/* To be called first in open(). */
void dicenet_executor_init (DicenetExecutor *self, const DicenetBackendOps *ops, const DicenetNetwork *program);

/* Prepares a run at a size; optional, as submitting does it when needed. The result belongs to the executor and is
 * valid until the next call. NULL with @error set: BACKEND, naming the operation, if the backend does not support one
 * of the network's. */
const DicenetSize *dicenet_executor_prepare (DicenetExecutor *self, guint width, guint height, guint batch,
                                             GError **error);

/* See the backend's functions of the same names. */
DicenetJob *dicenet_executor_submit (DicenetExecutor *self, const DicenetRun *run, GError **error);
void dicenet_executor_release (DicenetExecutor *self, DicenetJob *job);

/* How a backend reads pictures of one kind: of one format, layout, size and inference size. */
typedef struct {
  gboolean (*fits) (gconstpointer reader, const DicenetRun *run);
  gpointer (*make) (DicenetExecutor *self, const DicenetRun *run, GError **error); /* NULL with @error set */
  void (*free) (DicenetExecutor *self, gpointer reader);
} DicenetReaderOps;

/* Returns the reader for @run's picture, from @readers (most recently used last) or new. If none can be made, the
 * others are freed first. NULL with @error set. */
gpointer dicenet_readers_get (GPtrArray *readers, const DicenetReaderOps *ops, DicenetExecutor *self,
                              const DicenetRun *run, GError **error);
void dicenet_readers_clear (GPtrArray *readers, const DicenetReaderOps *ops, DicenetExecutor *self);

G_END_DECLS
