/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include "backend.h"

/* The common part of all backends' executors: the cache of sizes. */

/* A stream has one size, or a few if it renegotiates. Each takes some hundred KiB. */
#define MAX_SIZES 8
/* Maximum number of readers: parts of a picture may have many sizes. */
#define MAX_READERS 16

void
dicenet_executor_init (DicenetExecutor *self, const DicenetBackendOps *ops, const DicenetNetwork *program)
{
  self->ops = ops;
  self->program = *program;
  self->sizes = g_ptr_array_new ();
}

/* Jobs hold references, so a size may outlive its place in the cache. */
static void
unref_size (DicenetExecutor *self, DicenetSize *size)
{
  if (!g_atomic_int_dec_and_test (&size->n_refs))
    return;
  if (size->bound)
    self->ops->unbind (self, size->bound);
  dicenet_size_free (size);
}

void
dicenet_executor_close (DicenetExecutor *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < self->sizes->len; i++)
    unref_size (self, self->sizes->pdata[i]);
  g_ptr_array_unref (self->sizes);
  self->ops->close (self);
}

/* Moves an item to the end, where the most recently used one is. */
static gpointer
use (GPtrArray *items, guint i)
{
  g_ptr_array_add (items, g_ptr_array_steal_index (items, i));
  return items->pdata[items->len - 1];
}

static DicenetSize *
find_size (DicenetExecutor *self, guint width, guint height, guint batch)
{
  for (guint i = 0; i < self->sizes->len; i++) {
    const DicenetSize *size = self->sizes->pdata[i];
    if (size->width == width && size->height == height && size->batch == batch)
      return use (self->sizes, i);
  }
  return NULL;
}

static gboolean
check_operations (const DicenetExecutor *self, GError **error)
{
  const DicenetGraph *graph = self->program.graph;

  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (node->op == DICENET_OP_INPUT || dicenet_op_is_view (node->op) || self->ops->supports (node->op))
      continue;
    g_set_error (
        error, DICENET_ERROR, DICENET_ERROR_BACKEND,
        "backend %s cannot compute the operation \"%s\", which the network has in layer \"%s\": choose another "
        "backend",
        self->ops->name, dicenet_op_names[node->op], node->name);
    return FALSE;
  }
  return TRUE;
}

static DicenetSize *
make_size (DicenetExecutor *self, guint width, guint height, guint batch, GError **error)
{
  DicenetSize *size = NULL;

  if (self->sizes->len >= MAX_SIZES)
    unref_size (self, g_ptr_array_steal_index (self->sizes, 0));
  if (check_operations (self, error))
    size = dicenet_size_new (&self->program, width, height, batch, self->ops->scratch, self, error);
  if (size == NULL)
    return NULL;
  size->bound = self->ops->bind (self, size, error);
  if (size->bound == NULL) {
    unref_size (self, size);
    return NULL;
  }
  g_ptr_array_add (self->sizes, size);
  return size;
}

/* Returns a reference. */
static DicenetSize *
get_size (DicenetExecutor *self, guint width, guint height, guint batch, GError **error)
{
  DicenetSize *size = find_size (self, width, height, batch);

  if (size == NULL)
    size = make_size (self, width, height, batch, error);
  if (size != NULL)
    g_atomic_int_inc (&size->n_refs);
  return size;
}

const DicenetSize *
dicenet_executor_prepare (DicenetExecutor *self, guint width, guint height, guint batch, GError **error)
{
  DicenetSize *size = get_size (self, width, height, batch, error);

  if (size == NULL)
    return NULL;
  const gboolean is_ready = self->ops->prepare (self, size, error);
  unref_size (self, size);
  return is_ready ? size : NULL;
}

DicenetJob *
dicenet_executor_submit (DicenetExecutor *self, const DicenetRun *run, GError **error)
{
  DicenetSize *size = get_size (self, run->request->width, run->request->height, run->batch, error);

  if (size == NULL)
    return NULL;
  DicenetJob *job = self->ops->submit (self, size, run, error);
  if (job != NULL)
    job->size = size;
  else
    unref_size (self, size);
  return job;
}

void
dicenet_executor_release (DicenetExecutor *self, DicenetJob *job)
{
  DicenetSize *size = job->size;

  self->ops->release (self, job);
  unref_size (self, size);
}

/* --- pictures --- */

void
dicenet_readers_clear (GPtrArray *readers, const DicenetReaderOps *ops, DicenetExecutor *self)
{
  for (guint i = 0; i < readers->len; i++)
    ops->free (self, readers->pdata[i]);
  g_ptr_array_set_size (readers, 0);
}

gpointer
dicenet_readers_get (GPtrArray *readers, const DicenetReaderOps *ops, DicenetExecutor *self, const DicenetRun *run,
                     GError **error)
{
  g_autoptr (GError) reason = NULL;

  for (guint i = 0; i < readers->len; i++)
    if (ops->fits (readers->pdata[i], run))
      return use (readers, i);
  if (readers->len >= MAX_READERS)
    ops->free (self, g_ptr_array_steal_index (readers, 0));
  gpointer reader = ops->make (self, run, &reason);
  if (reader == NULL) { /* retry after freeing the others */
    dicenet_readers_clear (readers, ops, self);
    reader = ops->make (self, run, error);
  }
  if (reader != NULL)
    g_ptr_array_add (readers, reader);
  return reader;
}
