/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <stddef.h>
#include <stdint.h>

/* The functions that libFuzzer, or driver.c, calls. */
int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate (uint8_t *data, size_t size, size_t max_size);

/* Aborts unless the condition holds, in every build. */
#define FUZZ_CHECK(condition, ...)                                                                                     \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    if (!(condition))                                                                                                  \
      fuzz_fail (#condition, __FILE__, __LINE__, __VA_ARGS__);                                                         \
  }                                                                                                                    \
  G_STMT_END
G_NORETURN void fuzz_fail (const char *condition, const char *file, int line, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* Initialises GStreamer with only this build's plugin, and makes failed assertions of GLib abort. */
void fuzz_init (void);

/* Path of a small random model: "classify", "detect", "eager", "segment" or "tags"; "core-pyramid" and others of the
 * core's tests. Free with g_free(). */
char *fuzz_model_path (const char *name);
/* Loads it and keeps it, so that all users of the name share it. */
gpointer fuzz_model_hold (const char *name);

/* The element in a harness with a bus, playing; NULL if it does not start. Takes the element. Free with
 * fuzz_harness_free(). */
GstHarness *fuzz_harness_new (GstElement *element);
GstBus *fuzz_bus (GstHarness *h);
void fuzz_harness_free (GstHarness *h);

/* Writes bytes to the memory file of @slot (0 to 3). Returns its path, which is the same at each call. */
const char *fuzz_file (guint slot, const void *data, gsize size);

/* Checks that there is an error if and only if the call failed, and that it is valid text; frees it. */
void fuzz_check_error (gboolean ok, GError *error);
/* Reads all messages on the bus; errors and warnings must be valid text. Returns whether there was an error. */
gboolean fuzz_drain_bus (GstBus *bus);

/* Whether a text is exactly one JSON value by RFC 8259. Objects and arrays may be nested 500 deep. */
gboolean fuzz_is_json (const char *text, gsize size);
/* Checks that a buffer of dicenetjson is such a text with a line feed at its end; takes it. */
void fuzz_check_line (GstBuffer *line);

/* Reads numbers and texts from an input; zeros at the end. */
typedef struct {
  const guint8 *at, *end;
} FuzzReader;

guint8 fuzz_u8 (FuzzReader *reader);
guint16 fuzz_u16 (FuzzReader *reader);
guint32 fuzz_u32 (FuzzReader *reader);
guint64 fuzz_u64 (FuzzReader *reader);
gboolean fuzz_is_empty (const FuzzReader *reader);
/* From 0 to n - 1. */
guint fuzz_below (FuzzReader *reader, guint n);
/* The text up to the next NUL byte or the end. Free with g_free(). */
char *fuzz_text (FuzzReader *reader);
