/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>
#include "api/model-private.h"
#include "backend/backend.h"

/* Code that all backends share, with a backend that computes nothing. */

typedef struct {
  DicenetExecutor parent;
  guint n_bound, n_unbound, n_closed, n_priors;
  gboolean fails;
} Fake;

static gboolean
fake_supports (DicenetOp op)
{
  return op != DICENET_OP_EPP;
}

static gboolean
supports_all (DicenetOp op)
{
  return TRUE;
}

static gpointer
fake_bind (DicenetExecutor *executor, const DicenetSize *size, GError **error)
{
  Fake *fake = (Fake *) executor;

  if (fake->fails) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY, "no memory for it");
    return NULL;
  }
  fake->n_bound++;
  return g_strdup_printf ("%ux%u", size->width, size->height);
}

static void
fake_unbind (DicenetExecutor *executor, gpointer bound)
{
  ((Fake *) executor)->n_unbound++;
  g_free (bound);
}

static gboolean
fake_prepare (DicenetExecutor *executor, DicenetSize *size, GError **error)
{
  g_autofree char *expected = g_strdup_printf ("%ux%u", size->width, size->height);
  ck_assert_str_eq (size->bound, expected);
  ((Fake *) executor)->n_priors = size->n_priors;
  return TRUE;
}

static DicenetJob *
fake_submit (DicenetExecutor *executor, DicenetSize *size, const DicenetRun *run, GError **error)
{
  return g_new0 (DicenetJob, 1);
}

static void
fake_release (DicenetExecutor *executor, DicenetJob *job)
{
  g_free (job);
}

static void
fake_close (DicenetExecutor *executor)
{
  ((Fake *) executor)->n_closed++;
}

static DicenetBackendOps
fake_ops (gboolean (*supports) (DicenetOp op))
{
  return (DicenetBackendOps){ .name = "fake",
                              .supports = supports,
                              .bind = fake_bind,
                              .unbind = fake_unbind,
                              .prepare = fake_prepare,
                              .submit = fake_submit,
                              .release = fake_release,
                              .close = fake_close };
}

START_TEST (an_operation_that_is_missing_is_named)
{
  const DicenetBackendOps ops = fake_ops (fake_supports);
  g_autoptr (DicenetModel) with = test_model_load ("segment"), without = test_model_load ("classify");
  g_autoptr (GError) error = NULL;
  Fake fake = { .n_bound = 0 }, other = { .n_bound = 0 };

  dicenet_executor_init (&fake.parent, &ops, dicenet_model_get_program (with));
  ck_assert (!dicenet_executor_prepare (&fake.parent, 64, 64, 1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "backend fake", "EPP unit", "layer", "another backend");
  ck_assert_uint_eq (fake.n_bound, 0);
  dicenet_executor_close (&fake.parent);
  dicenet_executor_init (&other.parent, &ops, dicenet_model_get_program (without));
  ck_assert (dicenet_executor_prepare (&other.parent, 64, 64, 1, &error));
  assert_no_error (error);
  dicenet_executor_close (&other.parent);
  ck_assert_uint_eq (other.n_unbound, 1);
  ck_assert_uint_eq (other.n_closed, 1);
}
END_TEST

START_TEST (the_processor_computes_everything)
{
  for (DicenetOp op = 0; op < DICENET_N_OPS; op++) {
    ck_assert_ptr_nonnull (dicenet_op_names[op]);
    ck_assert_int_eq (dicenet_backend_cpu.supports (op), op != DICENET_OP_INPUT && !dicenet_op_is_view (op));
  }
}
END_TEST

/* Buffers are bound once per size; the most recently used sizes are kept. */
START_TEST (sizes_are_kept)
{
  const DicenetBackendOps ops = fake_ops (supports_all);
  g_autoptr (DicenetModel) model = test_model_load ("detect");
  g_autoptr (GError) error = NULL;
  Fake fake = { .n_bound = 0 };

  dicenet_executor_init (&fake.parent, &ops, dicenet_model_get_program (model));
  for (guint round = 0; round < 3; round++)
    for (guint i = 0; i < 8; i++)
      ck_assert (dicenet_executor_prepare (&fake.parent, 64 + 8 * i, 64, 1, NULL));
  ck_assert_uint_eq (fake.n_bound, 8);
  ck_assert_uint_eq (fake.n_unbound, 0);
  ck_assert_uint_gt (fake.n_priors, 0);
  ck_assert (dicenet_executor_prepare (&fake.parent, 64, 64, 2, NULL)); /* replaces 64 x 64, the oldest */
  ck_assert_uint_eq (fake.n_bound, 9);
  ck_assert_uint_eq (fake.n_unbound, 1);
  ck_assert (dicenet_executor_prepare (&fake.parent, 72, 64, 1, NULL));
  ck_assert_uint_eq (fake.n_bound, 9);
  fake.fails = TRUE;
  ck_assert (!dicenet_executor_prepare (&fake.parent, 64, 64, 1, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "no memory");
  ck_assert (dicenet_executor_prepare (&fake.parent, 72, 64, 1, NULL));
  dicenet_executor_close (&fake.parent);
  ck_assert_uint_eq (fake.n_unbound, fake.n_bound);
  ck_assert_uint_eq (fake.n_closed, 1);
}
END_TEST

/* A size stays bound during a job that uses it, even if it is evicted. */
START_TEST (jobs_hold_their_size)
{
  const DicenetBackendOps ops = fake_ops (supports_all);
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetRequest) request = test_request (64, 64);
  Fake fake = { .n_bound = 0 };

  dicenet_executor_init (&fake.parent, &ops, dicenet_model_get_program (model));
  DicenetJob *job = dicenet_executor_submit (&fake.parent, &(DicenetRun){ .batch = 1, .request = request }, NULL);
  for (guint i = 0; i < 8; i++)
    ck_assert (dicenet_executor_prepare (&fake.parent, 72 + 8 * i, 64, 1, NULL));
  ck_assert_uint_eq (fake.n_bound, 9);
  ck_assert_uint_eq (fake.n_unbound, 0);
  ck_assert_uint_eq (job->size->width, 64);
  dicenet_executor_release (&fake.parent, job);
  ck_assert_uint_eq (fake.n_unbound, 1);
  dicenet_executor_close (&fake.parent);
  ck_assert_uint_eq (fake.n_unbound, 9);
}
END_TEST

TEST_MAIN ("backend", jobs_hold_their_size, an_operation_that_is_missing_is_named, the_processor_computes_everything,
           sizes_are_kept)
