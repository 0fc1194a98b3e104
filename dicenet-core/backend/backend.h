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

/* The interface between a session and what it runs on. A backend that is not there is opened in vain, and says so:
 * nobody else asks. A run is a job: submitted, waited for, released. */

/* One program on one device. Backends embed it as their first member. Two threads may use it at a time: one that
 * prepares or submits, and one that waits for the oldest job; any may release jobs. prepare() excludes both. */
typedef struct _DicenetExecutor DicenetExecutor;

/* Pictures to run: either @tensor (batch x 3 x height x width, normalised) or @image (batch 1). Of @request, which is
 * complete: size, outputs, and what of decoding the backend does itself. */
typedef struct {
  guint batch;
  const gfloat *tensor;
  const DicenetImage *image;
  const DicenetRequest *request;
} DicenetRun;

/* What was submitted, until it is released. Backends embed it as their first member. */
typedef struct {
  DicenetSize *size;
} DicenetJob;

/* What a job found, in memory of the executor's. */
typedef struct {
  /* By output of the graph: of all pictures, one after the other. NULL where a backend keeps those that were not asked
   * for to itself, having made what comes of them. */
  const gfloat *outputs[DICENET_MAX_OUTPUTS];
  const guint8 *masks; /* of all pictures, width x height each; NULL: left to the caller */
} DicenetFound;

/* What an executor is to run on. */
typedef struct {
  gint device;      /* which of the backend's; -1: the default one */
  gpointer context; /* on a device: the caller's, current whenever the executor is called, and then no @device is looked
                     * at; NULL: the device's own */
  DicenetPrecision precision;
  guint n_threads; /* 0: one per processor */
  guint cpu_mask;  /* of dicenet_kernels_get() */
} DicenetDeviceOptions;

/* A backend in a module of its own is what the module's symbol of this name points to. The version goes up with every
 * change of what is in this file and in the structures that it uses. */
#define DICENET_BACKEND_SYMBOL  "dicenet_cuda_backend"
#define DICENET_BACKEND_VERSION 4

typedef struct {
  guint version;
  DicenetBackend kind;
  const char *name;
  /* Computes what is submitted by itself; else the thread that waits does. */
  gboolean is_asynchronous;
  /* NULL with @error set (BACKEND) where it cannot work on this machine; a precision that this machine lacks is none of
   * the reasons. */
  DicenetExecutor *(*open) (const DicenetNetwork *program, const DicenetDeviceOptions *target, GError **error);
  void (*close) (DicenetExecutor *self);
  /* Whether it has kernels for an operation, which is no view. */
  gboolean (*supports) (DicenetOp op);
  /* How much scratch operations want in the plan; @data is the executor. */
  DicenetScratchFunc scratch;
  /* Decides what each step of the size's plan does, once for all runs: the size's @bound, freed by unbind(), which any
   * thread may call. NULL with @error set. */
  gpointer (*bind) (DicenetExecutor *self, const DicenetSize *size, GError **error);
  void (*unbind) (DicenetExecutor *self, gpointer bound);
  /* Makes room to run a size, which submitting or waiting do by themselves. */
  gboolean (*prepare) (DicenetExecutor *self, DicenetSize *size, GError **error);
  /* Takes the pictures, which are not looked at any more when it returns. NULL with @error set. */
  DicenetJob *(*submit) (DicenetExecutor *self, DicenetSize *size, const DicenetRun *run, GError **error);
  /* Once for a job at most, and in the order in which they were submitted. On the CPU, what was found lasts until the
   * next one is waited for. FALSE with @error set, DEVICE where that failed. */
  gboolean (*wait) (DicenetExecutor *self, DicenetJob *job, DicenetFound *found, GError **error);
  /* Boxes of one picture of a job that was waited for and asked for them, where the backend makes them itself. FALSE
   * leaves them to the caller, with the outputs. NULL: it never does. */
  gboolean (*boxes) (DicenetJob *job, guint picture, const DicenetBox **boxes, guint *n);
  /* Also of a job that nobody waited for. */
  void (*release) (DicenetExecutor *self, DicenetJob *job);
  /* Runs chunks 0 .. n - 1 of work on results, in the threads that it computes with; NULL: by the caller alone. */
  void (*share) (DicenetExecutor *self, guint n, DicenetChunkFunc func, gpointer job);
  gsize (*arena_bytes) (DicenetExecutor *self);
  guint (*n_threads) (DicenetExecutor *self);
} DicenetBackendOps;

struct _DicenetExecutor {
  const DicenetBackendOps *ops;
  DicenetNetwork program;
  GPtrArray *sizes;           /* DicenetSize, most recently used last */
  DicenetPrecision precision; /* in effect: never AUTO */
  const char *warning;        /* static; why something is not as it was asked for, or NULL */
  const char *device;         /* the executor's or static; what it computes on, for users to read */
  gdouble device_seconds;     /* what the last run took on a GPU, without the copies there and back; else 0 */
  gdouble *step_seconds;      /* by node of the graph: runs lower it to what the node's step took; NULL: don't ask */
};

extern const DicenetBackendOps dicenet_backend_cpu;
extern const DicenetBackendOps dicenet_backend_cuda; /* opens the module that cuda/ is */

/* Opens the backend asked for; AUTO takes the first that works. */
DicenetExecutor *dicenet_executor_open (DicenetBackend backend, const DicenetNetwork *program,
                                        const DicenetDeviceOptions *target, GError **error);
/* Frees what all share, then has the backend close the rest; NULL is nothing. For backends whose open() fails as well.
 */
void dicenet_executor_close (DicenetExecutor *self);

/* For open(): before anything else. */
void dicenet_executor_init (DicenetExecutor *self, const DicenetBackendOps *ops, const DicenetNetwork *program);

/* Makes ready for a size; running does so by itself. It is the executor's, until the next call. NULL with @error set:
 * BACKEND, naming the operation, where the network has one that the backend does not support. */
const DicenetSize *dicenet_executor_prepare (DicenetExecutor *self, guint width, guint height, guint batch,
                                             GError **error);

/* As the backend's own. */
DicenetJob *dicenet_executor_submit (DicenetExecutor *self, const DicenetRun *run, GError **error);
void dicenet_executor_release (DicenetExecutor *self, DicenetJob *job);

G_END_DECLS
