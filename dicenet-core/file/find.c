/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for dladdr() */
#endif
#include "find.h"
#include "json.h"

#include <dicenet/error.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".safetensors"

/* The file that contains this code, with links resolved: the library, or a program that links it statically. */
static char *
own_file (void)
{
  Dl_info info;

  if (dladdr ((gpointer) dicenet_find_model, &info) == 0 || info.dli_fname == NULL)
    return NULL;
  /* For a program, dladdr() only returns argv[0]. */
  g_autofree char *file =
      strchr (info.dli_fname, '/') ? g_strdup (info.dli_fname) : g_find_program_in_path (info.dli_fname);
  char *real = file ? realpath (file, NULL) : NULL;
  char *out = g_strdup (real);
  free (real);
  return out;
}

char *
dicenet_installed (const char *folder)
{
  static const char *const places[] = { "/" DICENET_LIBDIR, "/" DICENET_BINDIR };
  g_autofree char *file = own_file ();
  g_autofree char *own = file ? g_path_get_dirname (file) : NULL;

  for (guint i = 0; own != NULL && i < G_N_ELEMENTS (places); i++) {
    if (g_str_has_suffix (own, places[i])) {
      own[strlen (own) - strlen (places[i])] = '\0';
      return g_build_filename (*own ? own : "/", folder, NULL);
    }
  }
  return g_build_filename (DICENET_PREFIX, folder, NULL);
}

/* The user's folders come first. */
static char **
search_path (void)
{
  const char *own = g_getenv ("DICENET_MODEL_PATH");
  g_auto (GStrv) folders = g_strsplit (own ? own : "", G_SEARCHPATH_SEPARATOR_S, 0);
  GStrvBuilder *out = g_strv_builder_new ();

  for (guint i = 0; folders[i] != NULL; i++) {
    if (*folders[i] != '\0')
      g_strv_builder_add (out, folders[i]);
  }
  g_autofree char *installed = dicenet_installed (DICENET_MODEL_DIR);
  g_strv_builder_add (out, installed);
  char **path = g_strv_builder_end (out);
  g_strv_builder_unref (out);
  return path;
}

static gboolean
is_path (const char *text)
{
  return strchr (text, G_DIR_SEPARATOR) != NULL || g_str_has_suffix (text, ENDING);
}

/* A link to what is not there, or to itself: there is no file, but it is not missing either. */
static gboolean
is_broken_link (const char *path)
{
  return !g_file_test (path, G_FILE_TEST_EXISTS) && g_file_test (path, G_FILE_TEST_IS_SYMLINK);
}

static char *
refuse_broken_link (const char *path, GError **error)
{
  g_autofree char *shown = dicenet_path_excerpt (path);

  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NOT_FOUND, "the model file '%s' is a link that leads nowhere",
               shown);
  return NULL;
}

char *
dicenet_find_model (const char *path_or_name, GError **error)
{
  if (is_path (path_or_name)) {
    if (g_file_test (path_or_name, G_FILE_TEST_EXISTS))
      return g_strdup (path_or_name);
    if (is_broken_link (path_or_name))
      return refuse_broken_link (path_or_name, error);
    g_autofree char *shown = dicenet_path_excerpt (path_or_name);
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_NOT_FOUND, "there is no model file '%s'", shown);
    return NULL;
  }

  g_autofree char *file = g_strconcat (path_or_name, ENDING, NULL);
  g_auto (GStrv) folders = search_path ();
  g_autofree char *broken = NULL;
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autofree char *path = g_build_filename (folders[i], file, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
    if (broken == NULL && is_broken_link (path))
      broken = g_steal_pointer (&path);
  }
  if (broken != NULL)
    return refuse_broken_link (broken, error);
  g_autofree char *shown = dicenet_text_excerpt (path_or_name);
  g_autofree char *list = g_strjoinv (", ", folders), *shown_list = dicenet_path_excerpt (list);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NOT_FOUND,
               "there is no model '%s': %s" ENDING
               " is not in %s. The environment variable DICENET_MODEL_PATH can name more "
               "folders",
               shown, shown, shown_list);
  return NULL;
}
