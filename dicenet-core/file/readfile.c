/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "readfile.h"
#include "json.h"

#include <dicenet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

static gboolean
fail (const DicenetFile *self, const char *what, int code, GError **error)
{
  g_autofree char *shown = dicenet_path_excerpt (self->path);

  g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: %s: %s", shown, what, g_strerror (code));
  return FALSE;
}

static gboolean
fail_changed (const DicenetFile *self, GError **error)
{
  g_autofree char *shown = dicenet_path_excerpt (self->path);

  g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN,
               "%s: was changed while it was read: try again when it is whole. A file that is renamed to its name when "
               "it is whole can be read at any time",
               shown);
  return FALSE;
}

gboolean
dicenet_file_open (DicenetFile *self, const char *path, GError **error)
{
  *self = (DicenetFile){ .fd = -1, .path = path };
  self->fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (self->fd < 0 || fstat (self->fd, &self->info) != 0)
    return fail (self, "cannot be opened", errno, error);
  if (S_ISREG (self->info.st_mode))
    return TRUE;
  g_autofree char *shown = dicenet_path_excerpt (path);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: expected a file, found %s", shown,
               S_ISDIR (self->info.st_mode) ? "a folder" : "something that is not a regular file");
  return FALSE;
}

gboolean
dicenet_file_rewind (DicenetFile *self, GError **error)
{
  return lseek (self->fd, 0, SEEK_SET) == 0 || fail (self, "cannot be read", errno, error);
}

gboolean
dicenet_file_read (DicenetFile *self, void *out, gsize n, GError **error)
{
  for (gsize done = 0; done < n;) {
    const gssize got = read (self->fd, (char *) out + done, n - done);
    if (got == 0)
      return fail_changed (self, error);
    if (got < 0 && errno != EINTR)
      return fail (self, "cannot be read", errno, error);
    done += got > 0 ? (gsize) got : 0;
  }
  return TRUE;
}

gboolean
dicenet_file_is_unchanged (const DicenetFile *self, GError **error)
{
  struct stat now;

  if (fstat (self->fd, &now) != 0)
    return fail (self, "cannot be read", errno, error);
  return (now.st_size == self->info.st_size && now.st_mtim.tv_sec == self->info.st_mtim.tv_sec &&
          now.st_mtim.tv_nsec == self->info.st_mtim.tv_nsec) ||
         fail_changed (self, error);
}

void
dicenet_file_close (DicenetFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}
