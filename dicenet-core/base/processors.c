/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "threads.h"

/* The CPU quota of control groups. A system has the version 2 hierarchy, a version 1 hierarchy with the controller
 * "cpu", or both, with the controller in one of them. /proc/self/cgroup has this process's group in each hierarchy,
 * /proc/self/mountinfo the mount points. Paths in both are relative to the process's namespaces. */

#define NO_QUOTA   G_MAXUINT
#define MAX_TEXT   (1 << 20) /* enough for a machine with thousands of mounts */
#define MAX_NUMBER 64

/* Reads at most the first @size bytes of a file, which may change or grow meanwhile; NULL if it cannot be opened, or if
 * out of memory. */
static char *
read_text (const char *path, gsize size)
{
  FILE *file = fopen (path, "re");

  if (file == NULL)
    return NULL;
  char *text = g_try_malloc (size + 1);
  if (text != NULL)
    text[fread (text, 1, size, file)] = '\0';
  fclose (file);
  return text;
}

static char *
read_number (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  return read_text (path, MAX_NUMBER);
}

/* FALSE if it is not an unsigned number: "max" or -1. */
static gboolean
parse (const char *text, const char **end, guint64 *out)
{
  char *after;

  if (text == NULL || !g_ascii_isdigit (*text))
    return FALSE;
  *out = g_ascii_strtoull (text, &after, 10);
  *end = after;
  return *out > 0;
}

static guint
whole_processors (guint64 quota, guint64 period)
{
  return (guint) MIN ((quota - 1) / period + 1, NO_QUOTA);
}

/* cpu.max contains "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static guint
quota_2 (const char *folder)
{
  g_autofree char *text = read_number (folder, "cpu.max");
  const char *end;
  guint64 quota, period;

  if (!parse (text, &end, &quota) || *end != ' ' || !parse (end + 1, &end, &period))
    return NO_QUOTA;
  return whole_processors (quota, period);
}

/* Two files with a number of microseconds each; the quota is -1 if there is no limit. */
static guint
quota_1 (const char *folder)
{
  g_autofree char *quota_text = read_number (folder, "cpu.cfs_quota_us"),
                  *period_text = read_number (folder, "cpu.cfs_period_us");
  const char *end;
  guint64 quota, period;

  if (!parse (quota_text, &end, &quota) || !parse (period_text, &end, &period))
    return NO_QUOTA;
  return whole_processors (quota, period);
}

/* The lowest quota of @group and its ancestors, whose folders are below @mounted. */
static guint
least_quota (const char *mounted, char *group, gboolean is_2)
{
  guint least = NO_QUOTA;
  char *last;

  do {
    g_autofree char *folder = g_strconcat (mounted, group, NULL);
    least = MIN (least, is_2 ? quota_2 (folder) : quota_1 (folder));
    last = strrchr (group, '/');
    if (last)
      *last = '\0';
  } while (last);
  return least;
}

static gboolean
has_word (const char *list, const char *word)
{
  g_auto (GStrv) words = g_strsplit (list, ",", 0);
  return g_strv_contains ((const char *const *) words, word);
}

/* The path of the group, or NULL. Lines are "NUMBER:CONTROLLERS:PATH"; CONTROLLERS is empty for version 2. */
static char *
group_of (const char *groups, gboolean is_2)
{
  g_auto (GStrv) lines = g_strsplit (groups, "\n", 0);

  for (guint i = 0; lines[i] != NULL; i++) {
    g_auto (GStrv) parts = g_strsplit (lines[i], ":", 3);
    if (g_strv_length (parts) == 3 && parts[2][0] == '/' && (is_2 ? *parts[1] == '\0' : has_word (parts[1], "cpu")))
      return g_strdup (parts[2]);
  }
  return NULL;
}

/* The part of @group below the folder @top of the hierarchy, "" for @top itself; NULL if it is not inside @top: a group
 * outside the namespace has a path that begins with "/..". */
static char *
below (const char *group, const char *top)
{
  const gsize length = g_str_equal (top, "/") ? 0 : strlen (top);

  if (strncmp (group, top, length) != 0 || (group[length] != '\0' && group[length] != '/') || strstr (group, "/.."))
    return NULL;
  return g_strdup (g_str_equal (group + length, "/") ? "" : group + length);
}

/* Spaces in names are written as \040; backslashes are escaped in the same way. */
static char *
unescape (const char *name)
{
  return g_str_has_suffix (name, "\\") ? g_strdup (name) : g_strcompress (name);
}

/* A line of mountinfo: "ID PARENT DEVICE TOP FOLDER OPTIONS [MORE...] - TYPE SOURCE OPTIONS". NO_QUOTA unless it mounts
 * a hierarchy that contains this process's group. */
static guint
quota_of_mount (const char *root, const char *line, const char *groups)
{
  const char *separator = strstr (line, " - ");

  if (separator == NULL)
    return NO_QUOTA;
  g_auto (GStrv) mount = g_strsplit (line, " ", 6), type = g_strsplit (separator + 3, " ", 3);
  if (g_strv_length (mount) < 6 || g_strv_length (type) < 3)
    return NO_QUOTA;
  const gboolean is_2 = g_str_equal (type[0], "cgroup2");
  if (!is_2 && !(g_str_equal (type[0], "cgroup") && has_word (type[2], "cpu")))
    return NO_QUOTA;
  g_autofree char *group = group_of (groups, is_2);
  g_autofree char *top = unescape (mount[3]), *folder = unescape (mount[4]);
  g_autofree char *path = group ? below (group, top) : NULL;
  g_autofree char *mounted = g_strconcat (root, folder, NULL);
  return path ? least_quota (mounted, path, is_2) : NO_QUOTA;
}

guint
dicenet_processor_quota (const char *root)
{
  g_autofree char *groups_path = g_build_filename (root, "proc/self/cgroup", NULL),
                  *mounts_path = g_build_filename (root, "proc/self/mountinfo", NULL);
  g_autofree char *groups = read_text (groups_path, MAX_TEXT), *mounts = read_text (mounts_path, MAX_TEXT);
  guint quota = NO_QUOTA;

  if (groups == NULL || mounts == NULL)
    return NO_QUOTA;
  g_auto (GStrv) lines = g_strsplit (mounts, "\n", 0);
  for (guint i = 0; lines[i] != NULL; i++)
    quota = MIN (quota, quota_of_mount (root, lines[i], groups));
  return quota;
}

guint
dicenet_processors (void)
{
  static gsize processors;

  if (g_once_init_enter (&processors))
    g_once_init_leave (&processors, MIN (g_get_num_processors (), dicenet_processor_quota ("/")));
  return (guint) processors;
}
