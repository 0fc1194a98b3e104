/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include "threads.h"

/* The share of processors that a control group allows: cpu.max holds "QUOTA PERIOD" in microseconds, or "max PERIOD".
 * G_MAXUINT where it does not limit. */
static guint
quota_of (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "cpu.max", NULL), *text = NULL;
  char *end;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return G_MAXUINT;
  const guint64 quota = g_ascii_strtoull (text, &end, 10), period = g_ascii_strtoull (end, NULL, 10);
  if (end == text || quota == 0 || period == 0)
    return G_MAXUINT;
  return (guint) CLAMP ((quota + period - 1) / period, 1, G_MAXUINT);
}

/* The least of this process's group and all above it. In a container's own namespace its group is the root. */
static guint
group_quota (void)
{
  static const char root[] = "/sys/fs/cgroup";
  g_autofree char *groups = NULL;
  guint quota = quota_of (root);

  if (!g_file_get_contents ("/proc/self/cgroup", &groups, NULL, NULL))
    return quota;
  char *group = g_str_has_prefix (groups, "0::/") ? groups : strstr (groups, "\n0::/");
  if (group == NULL)
    return quota;
  group = strchr (group, '/');
  group[strcspn (group, "\n")] = '\0';
  for (char *last; (last = strrchr (group, '/')) != NULL; *last = '\0') {
    g_autofree char *folder = g_strconcat (root, group, NULL);
    quota = MIN (quota, quota_of (folder));
  }
  return quota;
}

guint
dicenet_processors (void)
{
  static gsize processors;

  if (g_once_init_enter (&processors))
    g_once_init_leave (&processors, MIN (g_get_num_processors (), group_quota ()));
  return (guint) processors;
}
