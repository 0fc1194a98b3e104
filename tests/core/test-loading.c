/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Several threads load models, one of them from a slow disk: this program's read() blocks for that file until the test
 * releases it. */

static GMutex lock;
static GCond changed;
static ino_t slow; /* inode of the file; 0 for none */
static guint n_began, n_held;

static gboolean
is_slow (int fd)
{
  struct stat info;
  return slow != 0 && fstat (fd, &info) == 0 && info.st_ino == slow;
}

ssize_t
read (int fd, void *out, size_t n)
{
  g_mutex_lock (&lock);
  if (is_slow (fd)) {
    n_began += lseek (fd, 0, SEEK_CUR) == 0;
    n_held++;
    g_cond_broadcast (&changed);
    while (is_slow (fd))
      g_cond_wait (&changed, &lock);
    n_held--;
  }
  g_mutex_unlock (&lock);
  return syscall (SYS_read, fd, out, n);
}

static void
hold (const char *path)
{
  GStatBuf info = { 0 };

  ck_assert (path == NULL || g_stat (path, &info) == 0);
  g_mutex_lock (&lock);
  slow = info.st_ino;
  if (path != NULL)
    n_began = 0;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static void
wait_until_held (void)
{
  g_mutex_lock (&lock);
  while (n_held == 0)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
}

static gpointer
load (gpointer path)
{
  GError *error = NULL;
  DicenetModel *model = dicenet_model_load (path, &error);

  /* Returns the model or the error. */
  return model ? (gpointer) model : error;
}

START_TEST (waits_for_no_other)
{
  g_autofree char *path = test_model_path ("segment");

  hold (path);
  GThread *thread = g_thread_new ("slow", load, path);
  wait_until_held ();
  g_autoptr (DicenetModel) other = test_model_load ("classify"); /* would block forever */
  ck_assert_ptr_nonnull (other);
  ck_assert_uint_eq (n_held, 1);
  hold (NULL);
  g_autoptr (DicenetModel) model = g_thread_join (thread);
  ck_assert (DICENET_IS_MODEL (model));
}
END_TEST

START_TEST (shares_what_is_being_loaded)
{
  g_autofree char *path = test_model_path ("segment");
  GThread *threads[4];
  DicenetModel *models[G_N_ELEMENTS (threads)];

  hold (path);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("load", load, path);
  wait_until_held ();
  g_usleep (G_USEC_PER_SEC / 5); /* time for the others to start reading as well */
  ck_assert_uint_eq (n_began, 1);
  hold (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    models[i] = g_thread_join (threads[i]);
    ck_assert_ptr_eq (models[i], models[0]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_object_unref (models[i]);
}
END_TEST

/* The next caller tries again, because the error may have been temporary. */
START_TEST (shares_no_failure)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "bad.safetensors", NULL);
  GThread *threads[3];

  ck_assert (g_file_set_contents (path, "no model at all", -1, NULL));
  hold (path);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("load", load, path);
  wait_until_held ();
  hold (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_autoptr (GError) error = g_thread_join (threads[i]);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, "bad.safetensors");
  }
  test_folder_remove (folder);
}
END_TEST

TEST_MAIN ("loading", waits_for_no_other, shares_what_is_being_loaded, shares_no_failure)
