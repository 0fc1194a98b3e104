/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <stddef.h>
#include <stdint.h>

/* What libFuzzer, or driver.c in its place, calls. */
int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate (uint8_t *data, size_t size, size_t max_size);

/* Ends the program unless the condition holds, in every build. */
#define FUZZ_CHECK(condition, ...)                                                                                     \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    if (!(condition))                                                                                                  \
      fuzz_fail (#condition, __FILE__, __LINE__, __VA_ARGS__);                                                         \
  }                                                                                                                    \
  G_STMT_END
G_NORETURN void fuzz_fail (const char *condition, const char *file, int line, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* Starts GStreamer with the plugin of this build and no other, and makes failed assertions of GLib end the program. */
void fuzz_init (void);

/* Path of a small random model: "classify", "detect", "eager", "segment" or "tags"; "core-pyramid" and others of the
 * core's tests. Free with g_free(). */
char *fuzz_model_path (const char *name);
/* Loads it and never lets it go, so that all who name it share it. */
gpointer fuzz_model_hold (const char *name);

/* The element with a bus, in a harness and playing; NULL if it does not start. Takes the element. End it with
 * fuzz_harness_free(). */
GstHarness *fuzz_harness_new (GstElement *element);
GstBus *fuzz_bus (GstHarness *h);
void fuzz_harness_free (GstHarness *h);

/* Writes bytes to the one file in memory that each @slot (0 to 3) stands for. Returns its path, the same at each call.
 */
const char *fuzz_file (guint slot, const void *data, gsize size);

/* An error is there if and only if the call failed, and it is text; frees it. */
void fuzz_check_error (gboolean ok, GError *error);
/* All messages on the bus; what errors and warnings say must be text. Returns whether there was an error. */
gboolean fuzz_drain_bus (GstBus *bus);

/* Whether a text is one JSON value by RFC 8259, and nothing else. Objects and arrays may be nested 500 deep. */
gboolean fuzz_is_json (const char *text, gsize size);
/* A buffer of dicenetjson is such a text and a line break at its end; takes it. */
void fuzz_check_line (GstBuffer *line);

/* Numbers and texts from the bytes of an input; zeros when there are no more. */
typedef struct {
  const guint8 *at, *end;
} FuzzReader;

guint8 fuzz_u8 (FuzzReader *reader);
guint16 fuzz_u16 (FuzzReader *reader);
guint32 fuzz_u32 (FuzzReader *reader);
guint64 fuzz_u64 (FuzzReader *reader);
gboolean fuzz_is_empty (const FuzzReader *reader);
/* 0 to n - 1. */
guint fuzz_below (FuzzReader *reader, guint n);
/* What comes before the next NUL byte, or all. Free with g_free(). */
char *fuzz_text (FuzzReader *reader);
