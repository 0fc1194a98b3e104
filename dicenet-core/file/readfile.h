/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/stat.h>

G_BEGIN_DECLS

/* Reads whole regular files. They are not mapped, because a mapped file that is modified meanwhile changes in memory,
 * and raises SIGBUS when truncated. */

typedef struct {
  int fd;
  const char *path; /* owned by the caller */
  struct stat info; /* when the file was opened */
} DicenetFile;

/* %FALSE with @error set (OPEN) if the file can't be opened or is not a regular file. Never blocks on a FIFO. */
gboolean dicenet_file_open (DicenetFile *self, const char *path, GError **error);

/* Seeks to the beginning. */
gboolean dicenet_file_rewind (DicenetFile *self, GError **error);

/* Reads the next @n bytes. %FALSE with @error set (OPEN) if the file has become shorter. */
gboolean dicenet_file_read (DicenetFile *self, void *out, gsize n, GError **error);

/* %FALSE with @error set (OPEN) if the file was modified after it was opened: what was read may be a mix of two
 * versions. */
gboolean dicenet_file_is_unchanged (const DicenetFile *self, GError **error);

void dicenet_file_close (DicenetFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DicenetFile, dicenet_file_close)

G_END_DECLS
