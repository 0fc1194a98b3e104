/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/stat.h>

G_BEGIN_DECLS

/* Reads regular files whole. They are not mapped: a file that is rewritten in place would change under its reader, or
 * kill it with SIGBUS. */

typedef struct {
  int fd;
  const char *path; /* the caller's */
  struct stat info; /* when it was opened */
} DicenetFile;

/* %FALSE with @error set (OPEN) if it can't be opened or is no regular file. Never waits for a FIFO's writer. */
gboolean dicenet_file_open (DicenetFile *self, const char *path, GError **error);

/* Back to its beginning. */
gboolean dicenet_file_rewind (DicenetFile *self, GError **error);

/* The next @n bytes. %FALSE with @error set (OPEN) if there are fewer by now. */
gboolean dicenet_file_read (DicenetFile *self, void *out, gsize n, GError **error);

/* %FALSE with @error set (OPEN) if somebody wrote to it since it was opened: what was read may be of two versions. */
gboolean dicenet_file_is_unchanged (const DicenetFile *self, GError **error);

void dicenet_file_close (DicenetFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DicenetFile, dicenet_file_close)

G_END_DECLS
