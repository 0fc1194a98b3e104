/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <dicenet/error.h>
#include <string.h>
#include "../base/memory-error.h"

#define MAX_DEPTH 64
#define MAX_KEYS  65536
#define MAX_KEY   65536 /* bytes */

typedef struct {
  gboolean is_object, is_empty;
  guint32 id; /* identifies the object of a key */
} Level;

typedef struct {
  const char *text, *at, *end;
  GError **error;
  Level levels[MAX_DEPTH];
  guint depth;
  GTree *keys; /* keys of all objects so far, as object id and key. A tree, because a file can cause collisions in a
                * hash table */
  guint32 n_objects;
  GString *out; /* the tokens on one line, or NULL */
} Check;

/* --- errors --- */

/* Describes what is at the error: a character, or an invalid byte. */
static char *
found_at (const Check *c)
{
  if (c->at >= c->end)
    return g_strdup ("the end of the text");
  const gunichar found = g_utf8_get_char_validated (c->at, c->end - c->at);
  if (found == (gunichar) -1 || found == (gunichar) -2)
    return g_strdup_printf ("the byte 0x%02x", (guint8) *c->at);
  if (found > ' ' && found < 0x7f)
    return g_strdup_printf ("%c", (char) found);
  return found == ' ' ? g_strdup ("a space") : g_strdup_printf ("U+%04X", found);
}

static gboolean
fail (const Check *c, const char *expected)
{
  guint line = 1;
  const char *start = c->text;

  for (const char *p = c->text; p < c->at; p++) {
    if (*p == '\n') {
      line++;
      start = p + 1;
    }
  }
  g_autofree char *found = found_at (c);
  g_set_error (c->error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "line %u, character %ld: expected %s, found %s", line,
               g_utf8_strlen (start, c->at - start) + 1, expected, found);
  return FALSE;
}

/* --- grammar (RFC 8259) --- */

static void
skip_space (const char **at, const char *end)
{
  while (*at < end && (**at == ' ' || **at == '\t' || **at == '\n' || **at == '\r'))
    ++*at;
}

static void
keep (Check *c, const char *from)
{
  if (c->out)
    g_string_append_len (c->out, from, c->at - from);
}

/* Some parsers take these for line ends, or do not display them. */
static gboolean
needs_escape (gunichar c)
{
  return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static void
put_character (GString *out, gunichar c)
{
  if (needs_escape (c))
    g_string_append_printf (out, "\\u%04x", c);
  else
    g_string_append_unichar (out, c);
}

/* Copies a string with its quotes and escapes. JSON also allows the characters that put_character() escapes. */
static void
keep_string (Check *c, const char *from)
{
  for (const char *p = from; c->out && p < c->at; p = g_utf8_next_char (p))
    put_character (c->out, g_utf8_get_char (p));
}

/* Whether @wanted follows; if so, skips it. */
static gboolean
take (Check *c, char wanted)
{
  skip_space (&c->at, c->end);
  if (c->at == c->end || *c->at != wanted)
    return FALSE;
  c->at++;
  keep (c, c->at - 1);
  return TRUE;
}

static gint
read_hex (const char *at, const char *end)
{
  gint value = 0;

  if (end - at < 4)
    return -1;
  for (guint i = 0; i < 4; i++) {
    const gint digit = g_ascii_xdigit_value (at[i]);
    if (digit < 0)
      return -1;
    value = 16 * value + digit;
  }
  return value;
}

/* The four digits after "\u". */
static gboolean
check_unicode (Check *c)
{
  const gint unit = read_hex (c->at, c->end);

  if (unit < 0)
    return fail (c, "four hexadecimal digits behind \\u");
  if (unit >= 0xdc00 && unit <= 0xdfff)
    return fail (c, "the first half of a surrogate pair before its second");
  c->at += 4;
  if (unit < 0xd800 || unit > 0xdbff)
    return TRUE;
  const gint second = c->end - c->at >= 6 && c->at[0] == '\\' && c->at[1] == 'u' ? read_hex (c->at + 2, c->end) : -1;
  if (second < 0xdc00 || second > 0xdfff)
    return fail (c, "the second half of a surrogate pair behind its first");
  c->at += 6;
  return TRUE;
}

static gboolean
check_string (Check *c)
{
  const char *from = c->at++;

  while (c->at < c->end && *c->at != '"') {
    if ((guint8) *c->at < ' ')
      return fail (c, "a string's control characters as escapes");
    if (*c->at++ != '\\')
      continue;
    if (c->at == c->end || *c->at == '\0' || !strchr ("\"\\/bfnrtu", *c->at))
      return fail (c, "one of \" \\ / b f n r t u behind a backslash");
    if (*c->at++ == 'u' && !check_unicode (c))
      return FALSE;
  }
  if (c->at == c->end)
    return fail (c, "a quote at the end of a string");
  c->at++;
  keep_string (c, from);
  return TRUE;
}

static gboolean
check_digits (Check *c)
{
  if (c->at == c->end || !g_ascii_isdigit (*c->at))
    return fail (c, "a digit");
  while (c->at < c->end && g_ascii_isdigit (*c->at))
    c->at++;
  return TRUE;
}

static gboolean
check_number (Check *c)
{
  const char *from = c->at;

  c->at += *c->at == '-';
  if (c->at < c->end && *c->at == '0')
    c->at++;
  else if (!check_digits (c))
    return FALSE;
  if (c->at < c->end && *c->at == '.') {
    c->at++;
    if (!check_digits (c))
      return FALSE;
  }
  if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
    c->at++;
    c->at += c->at < c->end && (*c->at == '+' || *c->at == '-');
    if (!check_digits (c))
      return FALSE;
  }
  keep (c, from);
  return TRUE;
}

static gboolean
check_word (Check *c)
{
  static const char *const words[] = { "true", "false", "null" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    const gsize n = strlen (words[i]);
    if ((gsize) (c->end - c->at) >= n && memcmp (c->at, words[i], n) == 0) {
      c->at += n;
      keep (c, c->at - n);
      return TRUE;
    }
  }
  return fail (c, "a value");
}

static gboolean
open_level (Check *c, gboolean is_object)
{
  if (c->depth == MAX_DEPTH)
    return fail (c, "values that nest " G_STRINGIFY (MAX_DEPTH) " deep at most");
  c->levels[c->depth++] = (Level){ is_object, TRUE, is_object ? c->n_objects++ : 0 };
  return take (c, is_object ? '{' : '[');
}

/* A complete value, or the start of an object or array. */
static gboolean
check_value (Check *c)
{
  skip_space (&c->at, c->end);
  if (c->at == c->end)
    return fail (c, "a value");
  switch (*c->at) {
  case '{':
  case '[':
    return open_level (c, *c->at == '{');
  case '"':
    return check_string (c);
  default:
    return *c->at == '-' || g_ascii_isdigit (*c->at) ? check_number (c) : check_word (c);
  }
}

/* --- keys --- */

static char *unescape (const char **at, gsize *n);

static GBytes *
key_of (const Level *level, const char *at)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize n = 0;
  g_autofree char *key = unescape (&at, &n);

  g_byte_array_append (bytes, (const guint8 *) &level->id, sizeof level->id);
  g_byte_array_append (bytes, (const guint8 *) key, (guint) n);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static gboolean
check_key (Check *c, const Level *level)
{
  skip_space (&c->at, c->end);
  const char *from = c->at;
  if (c->at == c->end || *c->at != '"')
    return fail (c, "a key in double quotes");
  if (!check_string (c))
    return FALSE;

  const char *behind = c->at;
  c->at = from; /* position of the error */
  if (behind - from > MAX_KEY)
    return fail (c, "a key of at most " G_STRINGIFY (MAX_KEY) " bytes");
  g_autoptr (GBytes) key = key_of (level, from);
  if (g_tree_lookup (c->keys, key))
    return fail (c, "another key than the object has already");
  if (g_tree_nnodes (c->keys) == MAX_KEYS)
    return fail (c, "at most " G_STRINGIFY (MAX_KEYS) " keys");
  c->at = behind;
  g_tree_insert (c->keys, g_bytes_ref (key), GINT_TO_POINTER (1));
  return take (c, ':') || fail (c, "a colon behind the key");
}

/* The next member or element of the innermost object or array, or its end. */
static gboolean
check_next (Check *c)
{
  Level *level = &c->levels[c->depth - 1];

  if (take (c, level->is_object ? '}' : ']')) {
    c->depth--;
    return TRUE;
  }
  if (!level->is_empty && !take (c, ','))
    return fail (c, level->is_object ? "a comma or }" : "a comma or ]");
  level->is_empty = FALSE;
  return (!level->is_object || check_key (c, level)) && check_value (c);
}

static gboolean
check_text (Check *c)
{
  const char *invalid;

  if (!g_utf8_validate_len (c->text, (gsize) (c->end - c->text), &invalid)) {
    c->at = invalid;
    return fail (c, "UTF-8");
  }
  if (!check_value (c))
    return FALSE;
  while (c->depth > 0) {
    if (!check_next (c))
      return FALSE;
  }
  skip_space (&c->at, c->end);
  return c->at == c->end || fail (c, "the end of the text");
}

static int
compare_keys (gconstpointer a, gconstpointer b, gpointer data)
{
  return g_bytes_compare (a, b);
}

static gboolean
check (const char *text, gsize n, GString *out, GError **error)
{
  GTree *keys = g_tree_new_full (compare_keys, NULL, (GDestroyNotify) g_bytes_unref, NULL);
  Check c = { .text = text, .at = text, .end = text + n, .error = error, .keys = keys, .out = out };
  const gboolean ok = check_text (&c);

  g_tree_unref (keys);
  return ok;
}

gboolean
dicenet_json_check (const char *text, gsize n, GError **error)
{
  return check (text, n, NULL, error);
}

char *
dicenet_json_minify (const char *text, GError **error)
{
  g_return_val_if_fail (text != NULL, NULL);

  GString *out = g_string_new (NULL);
  const gboolean ok = check (text, strlen (text), out, error);
  return g_string_free (out, !ok);
}

/* --- reading checked text --- */

static void
skip_valid_space (const char **at)
{
  *at += strspn (*at, " \t\n\r");
}

char
dicenet_json_type (const char *at)
{
  skip_valid_space (&at);
  return *at;
}

void
dicenet_json_enter (const char **at)
{
  skip_valid_space (at);
  ++*at;
}

gboolean
dicenet_json_next (const char **at)
{
  skip_valid_space (at);
  if (**at == ',')
    ++*at;
  skip_valid_space (at);
  if (**at != '}' && **at != ']')
    return TRUE;
  ++*at;
  return FALSE;
}

static void
skip_string (const char **at)
{
  for (++*at; **at != '"'; ++*at)
    *at += **at == '\\';
  ++*at;
}

void
dicenet_json_skip (const char **at)
{
  guint depth = 0;

  skip_valid_space (at);
  do {
    if (**at == '"') {
      skip_string (at);
      continue;
    }
    if (**at == '{' || **at == '[')
      depth++;
    else if (**at == '}' || **at == ']')
      depth--;
    ++*at;
  } while (depth > 0);
  *at += strcspn (*at, ",}]"); /* the rest of a number or literal */
}

/* The code unit, or surrogate pair, at @at, which points after the "\u". */
static gunichar
unescape_unicode (const char **at)
{
  const gunichar unit = (gunichar) read_hex (*at, *at + 4);

  *at += 4;
  if (unit < 0xd800 || unit > 0xdbff)
    return unit;
  const gunichar second = (gunichar) read_hex (*at + 2, *at + 6);
  *at += 6;
  return 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
}

/* Reads the string at @at, and moves @at behind it. Returns @n bytes and a NUL; NULL if out of memory. */
static char *
unescape (const char **at, gsize *n)
{
  static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
  const char *p = *at + 1;

  skip_string (at);
  *n = (gsize) (*at - p); /* no escape is shorter than the character it encodes */
  char *text = g_try_malloc (*n), *out = text;
  if (text == NULL)
    return NULL;
  while (*p != '"') {
    if (*p != '\\') {
      *out++ = *p++;
      continue;
    }
    const char escape = p[1], *found = strchr (escapes, escape);
    p += 2;
    if (escape == 'u')
      out += g_unichar_to_utf8 (unescape_unicode (&p), out);
    else
      *out++ = found ? meanings[found - escapes] : escape;
  }
  *out = '\0';
  *n = (gsize) (out - text);
  return text;
}

char *
dicenet_json_read_string (const char **at, GError **error)
{
  skip_valid_space (at);
  gsize n;
  g_autofree char *text = unescape (at, &n);

  skip_valid_space (at);
  *at += **at == ':';
  if (text == NULL)
    dicenet_no_memory (error, n, "text", DICENET_MORE_MEMORY);
  else if (strlen (text) != n)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "expected a text without U+0000");
  else
    return g_steal_pointer (&text);
  return NULL;
}

char *
dicenet_json_read_number (const char **at)
{
  skip_valid_space (at);
  if (**at != '-' && !g_ascii_isdigit (**at))
    return NULL;
  const gsize n = strspn (*at, "-+.eE0123456789");
  *at += n;
  return g_strndup (*at - n, n);
}

/* --- writing --- */

char *
dicenet_json_quote (const char *text)
{
  g_return_val_if_fail (text != NULL, NULL);

  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new ("\"");
  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    if (*p == '"' || *p == '\\')
      g_string_append_c (out, '\\');
    put_character (out, g_utf8_get_char (p));
  }
  return g_string_free (g_string_append_c (out, '"'), FALSE);
}

#define MAX_EXCERPT 120
#define MAX_PATH    4096 /* Linux's PATH_MAX */

static char *
excerpt (const char *text, guint most)
{
  const gsize n = strlen (text);
  /* A character has at most four bytes. */
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) MIN (n, 4 * ((gsize) most + 1)));
  GString *out = g_string_new (NULL);
  const char *p = valid;

  for (guint i = 0; *p && i < most; i++, p = g_utf8_next_char (p))
    put_character (out, g_utf8_get_char (p));
  if (*p)
    g_string_append_printf (out, "... (%" G_GSIZE_FORMAT " bytes)", n);
  return g_string_free (out, FALSE);
}

char *
dicenet_text_excerpt (const char *text)
{
  g_return_val_if_fail (text != NULL, NULL);

  return excerpt (text, MAX_EXCERPT);
}

char *
dicenet_path_excerpt (const char *path)
{
  return excerpt (path, MAX_PATH);
}
