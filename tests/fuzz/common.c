/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* memfd_create() */
#include <dicenet/dicenet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"

void
fuzz_fail (const char *condition, const char *file, int line, const char *format, ...)
{
  va_list arguments;

  fprintf (stderr, "%s:%d: not so: %s: ", file, line, condition);
  va_start (arguments, format);
  vfprintf (stderr, format, arguments);
  va_end (arguments);
  fputc ('\n', stderr);
  abort ();
}

/* GStreamer's libraries reject invalid frames with failed assertions; those of our code and of GLib are errors of
 * ours. */
static void
log_message (const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  if (!(level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) && !(level & G_LOG_FLAG_FATAL))
    return;
  if (domain && g_str_has_prefix (domain, "GStreamer") && !(level & G_LOG_LEVEL_ERROR))
    return;
  fuzz_fail ("no failed assertion", __FILE__, __LINE__, "%s: %s", domain ? domain : "", message);
}

void
fuzz_init (void)
{
  GstPlugin *plugin;
  GError *error = NULL;

  g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE); /* scanning all plugins takes seconds */
  gst_init (NULL, NULL);
  gst_debug_set_default_threshold (GST_LEVEL_NONE);
  plugin = gst_plugin_load_file (FUZZ_PLUGIN, &error);
  FUZZ_CHECK (plugin != NULL, "%s", error->message);
  gst_object_unref (plugin);
  g_log_set_default_handler (log_message, NULL);
}

char *
fuzz_model_path (const char *name)
{
  return g_strdup_printf ("%s/%s/%s.safetensors", FUZZ_MODELS, g_str_has_prefix (name, "core-") ? "core" : "elements",
                          name);
}

gpointer
fuzz_model_hold (const char *name)
{
  g_autofree char *path = fuzz_model_path (name);
  GError *error = NULL;
  DicenetModel *model = dicenet_model_load (path, &error);

  FUZZ_CHECK (model != NULL, "%s", error->message);
  return model;
}

const char *
fuzz_file (guint slot, const void *data, gsize size)
{
  static int files[4] = { -1, -1, -1, -1 };
  static char paths[4][40];
  int *file = &files[slot];

  if (*file < 0) {
    *file = memfd_create ("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK (*file >= 0, "memfd_create");
    g_snprintf (paths[slot], sizeof paths[slot], "/proc/self/fd/%d", *file);
  }
  FUZZ_CHECK (ftruncate (*file, 0) == 0 && pwrite (*file, data, size, 0) == (ssize_t) size, "%zu bytes", size);
  return paths[slot];
}

void
fuzz_check_error (gboolean ok, GError *error)
{
  FUZZ_CHECK (ok == (error == NULL), "%s", error ? error->message : "failed without an error");
  if (error == NULL)
    return;
  FUZZ_CHECK (error->message[0] && g_utf8_validate (error->message, -1, NULL), "an error that is no text");
  g_error_free (error);
}

GstHarness *
fuzz_harness_new (GstElement *element)
{
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  gst_object_unref (bus);
  /* GstHarness requires that its element starts. */
  if (gst_element_set_state (element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE) {
    FUZZ_CHECK (fuzz_drain_bus (bus), "did not start, without an error");
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
    return NULL;
  }
  GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  return h;
}

GstBus *
fuzz_bus (GstHarness *h)
{
  return GST_ELEMENT_BUS (h->element);
}

void
fuzz_harness_free (GstHarness *h)
{
  fuzz_drain_bus (fuzz_bus (h));
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

static void
check_message (GstMessage *message)
{
  GError *error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, NULL);
  if (error)
    fuzz_check_error (FALSE, error);
}

gboolean
fuzz_drain_bus (GstBus *bus)
{
  gboolean failed = FALSE;
  GstMessage *message;

  while ((message = gst_bus_pop (bus))) {
    check_message (message);
    failed = failed || GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
    gst_message_unref (message);
  }
  return failed;
}

/* --- JSON --- */

#define MAX_DEPTH 500

typedef struct {
  const char *at, *end;
} Json;

static gboolean read_value (Json *json, guint depth);

static void
skip_space (Json *json)
{
  while (json->at < json->end && strchr (" \t\r\n", *json->at) && *json->at)
    json->at++;
}

static gboolean
take (Json *json, char wanted)
{
  if (json->at == json->end || *json->at != wanted)
    return FALSE;
  json->at++;
  return TRUE;
}

static gboolean
read_digits (Json *json)
{
  const char *start = json->at;

  while (json->at < json->end && g_ascii_isdigit (*json->at))
    json->at++;
  return json->at > start;
}

static gboolean
read_number (Json *json)
{
  take (json, '-');
  if (!take (json, '0') && !read_digits (json))
    return FALSE;
  if (take (json, '.') && !read_digits (json))
    return FALSE;
  if (!take (json, 'e') && !take (json, 'E'))
    return TRUE;
  if (!take (json, '+'))
    take (json, '-');
  return read_digits (json);
}

static gboolean
read_escape (Json *json)
{
  if (json->at == json->end)
    return FALSE;
  const char c = *json->at++;
  if (c != 'u')
    return c && strchr ("\"\\/bfnrt", c);
  for (guint i = 0; i < 4; i++) {
    if (json->at == json->end || !g_ascii_isxdigit (*json->at++))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_string (Json *json)
{
  if (!take (json, '"'))
    return FALSE;
  while (json->at < json->end) {
    const guchar c = (guchar) *json->at++;
    if (c == '"')
      return TRUE;
    if (c < 0x20 || (c == '\\' && !read_escape (json)))
      return FALSE;
  }
  return FALSE;
}

static gboolean
read_member (Json *json, guint depth)
{
  skip_space (json);
  if (!read_string (json))
    return FALSE;
  skip_space (json);
  return take (json, ':') && read_value (json, depth);
}

static gboolean
read_list (Json *json, guint depth, char close, gboolean (*read_item) (Json *, guint))
{
  skip_space (json);
  if (take (json, close))
    return TRUE;
  do {
    if (!read_item (json, depth))
      return FALSE;
    skip_space (json);
  } while (take (json, ','));
  return take (json, close);
}

static gboolean
read_word (Json *json, const char *word)
{
  const gsize n = strlen (word);

  if ((gsize) (json->end - json->at) < n || memcmp (json->at, word, n) != 0)
    return FALSE;
  json->at += n;
  return TRUE;
}

static gboolean
read_value (Json *json, guint depth)
{
  skip_space (json);
  if (depth > MAX_DEPTH || json->at == json->end)
    return FALSE;
  switch (*json->at) {
  case '{':
    json->at++;
    return read_list (json, depth + 1, '}', read_member);
  case '[':
    json->at++;
    return read_list (json, depth + 1, ']', read_value);
  case '"':
    return read_string (json);
  case 't':
    return read_word (json, "true");
  case 'f':
    return read_word (json, "false");
  case 'n':
    return read_word (json, "null");
  default:
    return read_number (json);
  }
}

gboolean
fuzz_is_json (const char *text, gsize size)
{
  Json json = { text, text + size };

  if (!g_utf8_validate_len (text, size, NULL) || !read_value (&json, 0))
    return FALSE;
  skip_space (&json);
  return json.at == json.end;
}

void
fuzz_check_line (GstBuffer *line)
{
  GstMapInfo map;

  FUZZ_CHECK (gst_buffer_map (line, &map, GST_MAP_READ), "no memory");
  FUZZ_CHECK (map.size > 1 && memchr (map.data, '\n', map.size) == map.data + map.size - 1, "not one line");
  FUZZ_CHECK (fuzz_is_json ((const char *) map.data, map.size), "not JSON: %.*s", (int) map.size,
              (const char *) map.data);
  gst_buffer_unmap (line, &map);
  gst_buffer_unref (line);
}

/* --- reading an input --- */

gboolean
fuzz_is_empty (const FuzzReader *reader)
{
  return reader->at == reader->end;
}

guint8
fuzz_u8 (FuzzReader *reader)
{
  return fuzz_is_empty (reader) ? 0 : *reader->at++;
}

guint16
fuzz_u16 (FuzzReader *reader)
{
  const guint low = fuzz_u8 (reader);

  return (guint16) (low | (guint) fuzz_u8 (reader) << 8);
}

guint32
fuzz_u32 (FuzzReader *reader)
{
  const guint32 low = fuzz_u16 (reader);

  return low | (guint32) fuzz_u16 (reader) << 16;
}

guint64
fuzz_u64 (FuzzReader *reader)
{
  const guint64 low = fuzz_u32 (reader);

  return low | (guint64) fuzz_u32 (reader) << 32;
}

guint
fuzz_below (FuzzReader *reader, guint n)
{
  return (n > 256 ? fuzz_u16 (reader) : fuzz_u8 (reader)) % n;
}

char *
fuzz_text (FuzzReader *reader)
{
  const gsize left = (gsize) (reader->end - reader->at);
  const guint8 *nul = left ? memchr (reader->at, 0, left) : NULL;
  const gsize n = nul ? (gsize) (nul - reader->at) : left;
  char *text = g_strndup ((const char *) reader->at, n);

  reader->at += nul ? n + 1 : n;
  return text;
}
