/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

/** A folder of the test, which it removes; free with g_free(). */
gchar *folder_new (void);
void folder_remove (gchar *folder);

/** Runs the program openssl, which the environment variable DICENET_TEST_OPENSSL names, in a folder. */
void run_openssl (const gchar *folder, const gchar *arguments);

/** A port of 127.0.0.1 that nobody listens on. */
guint16 free_port (void);

/** Waits until somebody listens there. */
void wait_for_port (guint16 port);

/** The sink of a gst-launch line, with a bus of its own. */
GstElement *element_new (const gchar *launch);

/** The same, playing, with caps of JSON Lines. */
GstHarness *sink_new (const gchar *launch);
void sink_free (GstHarness *h);

/** Pushes a buffer with a text. */
void push_text (GstHarness *h, const gchar *text);

/** Pushes "FIRST\n" to "LAST-1\n". */
void push_numbers (GstHarness *h, guint first, guint last);

/** A number of the property "stats". */
guint64 get_stat (GstHarness *h, const gchar *name);

/** Waits until it is @value, or fails. */
void wait_for_stat (GstHarness *h, const gchar *name, guint64 value);

/** Waits for a message with this text in it on the bus, and returns how many there were until then. */
guint wait_for_message (GstHarness *h, GstMessageType type, const gchar *text);

/** How many messages of the type, with this text, are on the bus; removes all. */
guint count_messages (GstElement *element, GstMessageType type, const gchar *text);
/** Fails unless an element with these properties refuses to start, with one error that contains the text. */
void expect_not_started (const gchar *element, const gchar *properties, const gchar *text);

/** Texts that arrived, from any thread. */
typedef struct {
  GMutex lock;
  GCond changed;
  GPtrArray *texts;
} Arrivals;

void arrivals_init (Arrivals *arrivals);
void arrivals_clear (Arrivals *arrivals);
void arrivals_add (Arrivals *arrivals, const void *text, gsize size);

/** Waits for this text. */
void arrivals_wait (Arrivals *arrivals, const gchar *text);

/** Checks that all numbers from @from to @to-1 arrived in order; with @twice, some again after an interruption. */
void arrivals_check_numbers (Arrivals *arrivals, guint from, guint to, gboolean twice);
