/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/results.h>
#include <dicenet/session.h>
#include "../base/threads.h"
#include "size.h"

G_BEGIN_DECLS

/* The seam between a session and what it runs on. A backend that is not there is opened in vain, and says so: nobody
 * else asks. Below, "the run" is the last successful run(). */

/* One program on one device, used by one thread at a time. Backends embed it as their first member. The sizes that it
 * has run at are kept, some of them, by what all backends share (executor.c). */
typedef struct _DicenetExecutor DicenetExecutor;

/* Pictures to run: either @tensor (batch x 3 x height x width, normalised) or @image (batch 1). */
typedef struct {
  guint batch, width, height;
  const gfloat *tensor;
  const DicenetImage *image;
} DicenetRun;

/* What an executor is to run on; for the CPU the number of threads is all. */
typedef struct {
  gint device_id;        /* which GPU; -1: the default one */
  gpointer cuda_context; /* a CUcontext, current whenever the executor is called, and then no @device_id is looked at;
                          * NULL: the device's primary one */
  DicenetPrecision precision;
  guint n_threads; /* 0: one per processor */
} DicenetTarget;

/* A backend in a module of its own is what the module's symbol of this name points to. The version goes up with every
 * change of what is in this file and in the structures that it uses. */
#define DICENET_BACKEND_SYMBOL  "dicenet_cuda_backend"
#define DICENET_BACKEND_VERSION 3

typedef struct {
  guint version;
  DicenetBackend kind;
  const char *name;
  /* NULL with @error set (BACKEND) where it cannot work on this machine; a precision that this machine lacks is none of
   * the reasons. */
  DicenetExecutor *(*open) (const DicenetProgram *program, const DicenetTarget *target, GError **error);
  void (*close) (DicenetExecutor *self);
  /* Whether it has kernels for an operation, which is no view. */
  gboolean (*supports) (DicenetOp op);
  /* How much scratch operations want in the plan; @data is the executor. */
  DicenetScratchFunc scratch;
  /* Decides what each step of the size's plan does, once for all runs: the size's @bound, freed by unbind(). NULL with
   * @error set. */
  gpointer (*bind) (DicenetExecutor *self, const DicenetSize *size, GError **error);
  void (*unbind) (DicenetExecutor *self, gpointer bound);
  /* Makes ready to run @self's size; run() comes after it, and for this size. */
  gboolean (*prepare) (DicenetExecutor *self, GError **error);
  gboolean (*run) (DicenetExecutor *self, const DicenetRun *run, GError **error);
  /* Output @k of the graph for one picture of the run, in host memory, valid until the next prepare() or run(). */
  const gfloat *(*output) (DicenetExecutor *self, guint k, guint image);
  /* Results of one picture of the run where a backend makes them itself, as the functions of prepost/decode.h do: width
   * x height classes, and boxes (element-type DicenetBox). NULL for those that it leaves to the caller; boxes() also
   * returns NULL for what it cannot answer. */
  void (*mask) (DicenetExecutor *self, guint image, guint8 *mask, gsize stride);
  GArray *(*boxes) (DicenetExecutor *self, guint image, const DicenetDetectParams *params);
  /* Runs pieces 0 .. n - 1 of work on results, in the threads that it computes with; NULL: by the caller alone. */
  void (*share) (DicenetExecutor *self, guint n, DicenetPieceFunc func, gpointer job);
  gsize (*arena_bytes) (DicenetExecutor *self);
  guint (*n_threads) (DicenetExecutor *self);
} DicenetBackendOps;

struct _DicenetExecutor {
  const DicenetBackendOps *ops;
  DicenetProgram program;
  GPtrArray *sizes;           /* DicenetSize, most recently used last */
  DicenetSize *size;          /* of the last prepare or run; NULL before the first and after one that failed */
  DicenetPrecision precision; /* in effect: never AUTO */
  const char *warning;        /* static; why something is not as it was asked for, or NULL */
  gdouble device_seconds;     /* what the last run took on a GPU, without the copies there and back; else 0 */
  gdouble *step_seconds;      /* by node of the graph: run() lowers it to what the node's step took; NULL: don't ask */
};

extern const DicenetBackendOps dicenet_backend_cpu;
extern const DicenetBackendOps dicenet_backend_cuda; /* opens the module that cuda/ is */

/* Opens the backend asked for; AUTO takes the first that works. */
DicenetExecutor *dicenet_executor_open (DicenetBackend backend, const DicenetProgram *program,
                                        const DicenetTarget *target, GError **error);
/* Frees what all share, then has the backend close the rest; NULL is nothing. For backends whose open() fails as well.
 */
void dicenet_executor_close (DicenetExecutor *self);

/* For open(): before anything else. */
void dicenet_executor_init (DicenetExecutor *self, const DicenetBackendOps *ops, const DicenetProgram *program);

/* Makes ready for a size; running does so by itself. FALSE with @error set: BACKEND, naming the operation, where the
 * network has one that the backend does not support. */
gboolean dicenet_executor_prepare (DicenetExecutor *self, guint width, guint height, guint batch, GError **error);
gboolean dicenet_executor_run (DicenetExecutor *self, const DicenetRun *run, GError **error);

G_END_DECLS
