/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replaces libFuzzer in ordinary builds: runs a target once for each file, and for each file in the folders named.
 *
 *   fuzz-TARGET FILE-OR-FOLDER... */

#include <stdio.h>
#include <stdlib.h>
#include "fuzz.h"

/* In an allocation of its exact size, so that reads beyond the input are detected. */
static void
run_file (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &error)) {
    fprintf (stderr, "error: %s\n", error->message);
    exit (2);
  }
  uint8_t *data = g_memdup2 (text, MAX (size, 1));
  printf ("%s\n", path);
  fflush (stdout);
  LLVMFuzzerTestOneInput (data, size);
  g_free (data);
}

static guint
run_folder (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);
    run_file (file);
    n++;
  }
  g_clear_pointer (&dir, g_dir_close);
  return n;
}

int
main (int argc, char **argv)
{
  guint n = 0;

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++) {
    if (g_file_test (argv[i], G_FILE_TEST_IS_DIR)) {
      n += run_folder (argv[i]);
    } else {
      run_file (argv[i]);
      n++;
    }
  }
  printf ("%u inputs\n", n);
  return n > 0 ? 0 : 1;
}
