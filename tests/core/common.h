/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>
#include <dicenet/dicenet.h>

/* Path of one of the small random models that the build makes: "classify", "detect", "pyramid" or "segment". */
char *test_model_path (const char *name);

/* Loads it; fails the test on error. */
DicenetModel *test_model_load (const char *name);

/* A copy in @folder with another value of a key of its description; NULL with @error set if it doesn't load. */
DicenetModel *test_model_with (const char *name, const char *folder, const char *key, const char *value,
                               GError **error);

/* A folder for one test's files; remove it with test_folder_remove(). */
char *test_folder_new (void);
void test_folder_remove (char *folder);

/* Normalised noise, the same for the same seed. Free with g_free(). */
gfloat *test_noise (gsize n, guint32 seed);

/* The options of a session; free with dicenet_options_free(). */
DicenetOptions *test_options (DicenetBackend backend, DicenetPrecision precision, guint n_threads);

/* Opens it; fails the test on error. */
DicenetSession *test_open (DicenetModel *model, DicenetBackend backend, DicenetPrecision precision, guint n_threads);

/* A request for all outputs at this size. */
DicenetRequest *test_request (guint width, guint height);

/* Runs tensors, or noise if there are none; fails the test on error. */
DicenetResult *test_run_tensor (DicenetSession *session, const gfloat *tensor, guint batch, guint width, guint height);
DicenetResult *test_run_noise (DicenetSession *session, guint batch, guint width, guint height, guint32 seed);

/* Runs the tests of a suite; returns the exit status. */
int test_run (const char *name, const TTest *const *tests, guint n);

#define TEST_MAIN(name, ...)                                                                                           \
  int main (void)                                                                                                      \
  {                                                                                                                    \
    const TTest *const tests[] = { __VA_ARGS__ };                                                                      \
    return test_run (name, tests, G_N_ELEMENTS (tests));                                                               \
  }

/* Checks that the error has this code and that its message contains all of these words; clears it. */
#define assert_error(error, expected_code, ...)                                                                        \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    const char *const words_[] = { __VA_ARGS__ };                                                                      \
    ck_assert_msg ((error) != NULL, "expected an error");                                                              \
    ck_assert_msg (g_error_matches ((error), DICENET_ERROR, (expected_code)), "code %d: %s", (error)->code,            \
                   (error)->message);                                                                                  \
    ck_assert_msg (strstr ((error)->message, "(null)") == NULL, "expected a name in: %s", (error)->message);           \
    for (guint w_ = 0; w_ < G_N_ELEMENTS (words_); w_++)                                                               \
      ck_assert_msg (strstr ((error)->message, words_[w_]) != NULL, "\"%s\" is not in: %s", words_[w_],                \
                     (error)->message);                                                                                \
    g_clear_error (&(error));                                                                                          \
  }                                                                                                                    \
  G_STMT_END

#define assert_no_error(error) ck_assert_msg ((error) == NULL, "%s", (error) ? (error)->message : "")
