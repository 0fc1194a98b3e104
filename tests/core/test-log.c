/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>

/* Messages of the library go either to the application's function or to GLib's log, never to both. */

static GString *taken, *logged;

static void
take (GLogLevelFlags level, const char *message)
{
  g_string_append_printf (taken, "%d %s\n", level, message);
}

static void
take_from_glib (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
  g_string_append_printf (logged, "%d %s: %s\n", level, domain, message);
}

/* Messages about a session. */
static void
open_session (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetOptions) options = dicenet_options_new ();

  dicenet_options_set_backend (options, DICENET_BACKEND_CPU);
  g_autoptr (DicenetSession) session = dicenet_session_new (model, options, &error);
  assert_no_error (error);
  ck_assert (strlen (dicenet_session_get_device (session)) > 0);
  g_autofree char *said = g_strdup_printf ("%d kernels: %s\n", G_LOG_LEVEL_DEBUG, dicenet_session_get_device (session)),
                  *glib = g_strdup_printf ("%d dicenet: kernels: %s\n", G_LOG_LEVEL_DEBUG,
                                           dicenet_session_get_device (session));
  ck_assert_str_eq (taken->str, taken->len ? said : "");
  ck_assert_str_eq (logged->str, logged->len ? glib : "");
}

START_TEST (goes_to_one_place)
{
  taken = g_string_new (NULL);
  logged = g_string_new (NULL);
  g_log_set_default_handler (take_from_glib, NULL);
  open_session ();
  ck_assert (taken->len == 0 && logged->len > 0);

  g_string_truncate (logged, 0);
  dicenet_set_log_func (take);
  open_session ();
  ck_assert (taken->len > 0 && logged->len == 0);

  g_string_truncate (taken, 0);
  dicenet_set_log_func (NULL);
  open_session ();
  ck_assert (taken->len == 0 && logged->len > 0);
  g_string_free (taken, TRUE);
  g_string_free (logged, TRUE);
}
END_TEST

TEST_MAIN ("log", goes_to_one_place)
