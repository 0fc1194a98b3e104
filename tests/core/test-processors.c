/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "base/threads.h"

/* Processor limits of control groups, read from files in the kernel's format below a folder. */

static char *root;

/* Writes ROOT/@path, and creates parent folders. */
static void
put (const char *path, const char *text)
{
  g_autofree char *file = g_build_filename (root, path, NULL), *folder = g_path_get_dirname (file);

  ck_assert_int_eq (g_mkdir_with_parents (folder, 0700), 0);
  ck_assert (g_file_set_contents (file, text, -1, NULL));
}

static void
begin (const char *groups, const char *mounts)
{
  root = test_folder_new ();
  put ("proc/self/cgroup", groups);
  put ("proc/self/mountinfo", mounts);
}

static void
quota_1 (const char *folder, const char *quota, const char *period)
{
  g_autofree char *quota_path = g_build_filename (folder, "cpu.cfs_quota_us", NULL),
                  *period_path = g_build_filename (folder, "cpu.cfs_period_us", NULL);
  put (quota_path, quota);
  put (period_path, period);
}

static void
expect (guint quota)
{
  ck_assert_uint_eq (dicenet_processor_quota (root), quota);
}

static void
end (void)
{
  test_folder_remove (root);
}

#define MOUNT_2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_1 "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"

START_TEST (version_2)
{
  begin ("0::/user.slice/job\n", MOUNT_2);
  expect (G_MAXUINT); /* controller disabled */
  put ("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  expect (G_MAXUINT);
  put ("sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
  expect (3); /* rounded up */
  put ("sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
  expect (2); /* the parent group has a lower limit */
  put ("sys/fs/cgroup/other/cpu.max", "100000 100000\n");
  expect (2); /* not the group of this process */
  put ("sys/fs/cgroup/user.slice/job/cpu.max", "1000 100000\n");
  expect (1);
  end ();
}
END_TEST

START_TEST (version_1)
{
  begin ("5:cpuset:/\n4:cpu,cpuacct:/job/part\n3:memory:/elsewhere\n",
         "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" MOUNT_1);
  expect (G_MAXUINT);
  quota_1 ("sys/fs/cgroup/cpu,cpuacct/job/part", "-1\n", "100000\n");
  expect (G_MAXUINT);
  quota_1 ("sys/fs/cgroup/cpu,cpuacct/job/part", "450000\n", "100000\n");
  expect (5);
  quota_1 ("sys/fs/cgroup/cpu,cpuacct/job", "100000\n", "50000\n");
  expect (2);
  quota_1 ("sys/fs/cgroup/cpu,cpuacct/elsewhere", "50000\n", "50000\n");
  expect (2);
  end ();
}
END_TEST

/* Version 2 without controllers next to version 1, and vice versa. */
START_TEST (hybrid)
{
  begin ("4:cpu:/job\n0::/unit\n", "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                   "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                   "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  quota_1 ("sys/fs/cgroup/cpuset/job", "100000\n", "100000\n"); /* never exist in practice; must not be read */
  expect (G_MAXUINT);
  quota_1 ("sys/fs/cgroup/cpu/job", "300000\n", "100000\n");
  expect (3);
  put ("sys/fs/cgroup/unified/unit/cpu.max", "200000 100000\n");
  expect (2);
  end ();
}
END_TEST

/* In its own namespace, a group is the root; without a namespace, the mounted part of the hierarchy starts at it. */
START_TEST (container)
{
  begin ("0::/\n", MOUNT_2);
  put ("sys/fs/cgroup/cpu.max", "150000 100000\n");
  expect (2);
  end ();

  begin ("4:cpu,cpuacct:/docker/0123\n",
         "33 31 0:30 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n");
  quota_1 ("sys/fs/cgroup/cpu,cpuacct", "150000\n", "100000\n");
  expect (2);
  put ("proc/self/cgroup", "4:cpu,cpuacct:/docker/0123/part\n");
  quota_1 ("sys/fs/cgroup/cpu,cpuacct/part", "100000\n", "100000\n");
  expect (1);
  put ("proc/self/cgroup", "4:cpu,cpuacct:/docker/01234\n"); /* a different group with the same prefix */
  expect (G_MAXUINT);
  end ();
}
END_TEST

START_TEST (unusual_folder)
{
  begin ("0::/a b\n", "30 23 0:26 / /with\\040space\\134 rw - cgroup2 none rw\n");
  put ("with space\\/a b/cpu.max", "200000 100000\n");
  expect (2);
  end ();
}
END_TEST

START_TEST (malformed)
{
  static const char *const numbers[] = { "",          "\n",       "max",      "100000",    "100000 ", "100000\n100000",
                                         "-1 100000", "0 100000", "100000 0", "100000 -1", "x y",     " 1 1" };
  static const char *const mounts[] = { "",
                                        "\n\n",
                                        "30",
                                        "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw",
                                        "30 - cgroup2 cgroup2 rw",
                                        "30 23 0:26 / /sys/fs/cgroup rw - cgroup2",
                                        "30 23 0:26 / /sys/fs/cgroup\\ rw - cgroup2 cgroup2 rw",
                                        " - - - - - - - - " };
  static const char *const groups[] = { "",       "\n",  "0",   "0:",           "0::",          "::",
                                        "0::job", ":::", "0:/", "0::/../other", "0::/job/../x", "0:cpu:/job" };

  begin ("0::/job\n", MOUNT_2);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    put ("sys/fs/cgroup/job/cpu.max", numbers[i]);
    expect (G_MAXUINT);
  }
  put ("sys/fs/cgroup/job/cpu.max", "18446744073709551615 1\n");
  expect (G_MAXUINT);
  put ("sys/fs/cgroup/job/cpu.max", "100000 99999999999999999999\n");
  expect (1);
  for (guint i = 0; i < G_N_ELEMENTS (mounts); i++) {
    put ("proc/self/mountinfo", mounts[i]);
    expect (G_MAXUINT);
  }
  put ("proc/self/mountinfo", MOUNT_2);
  expect (1);
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++) {
    put ("proc/self/cgroup", groups[i]);
    expect (G_MAXUINT);
  }
  end ();
}
END_TEST

START_TEST (none)
{
  root = test_folder_new ();
  expect (G_MAXUINT);
  put ("proc/self/cgroup", "0::/\n");
  expect (G_MAXUINT);
  end ();
}
END_TEST

/* Many mounts are read, but there is an upper limit. */
START_TEST (many_mounts)
{
  g_autoptr (GString) mounts = g_string_new (NULL);

  for (guint i = 0; i < 5000; i++)
    g_string_append_printf (mounts, "%u 1 0:1 / /mnt/%u rw - overlay overlay rw\n", i, i);
  g_string_append (mounts, MOUNT_2);
  begin ("0::/\n", mounts->str);
  put ("sys/fs/cgroup/cpu.max", "100000 100000\n");
  expect (1);
  g_autofree char *line = g_strnfill (8 << 20, 'x');
  g_string_prepend (mounts, line);
  put ("proc/self/mountinfo", mounts->str);
  expect (G_MAXUINT);
  end ();
}
END_TEST

TEST_MAIN ("processors", version_2, version_1, hybrid, container, unusual_folder, malformed, none, many_mounts)
