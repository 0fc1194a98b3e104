/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <gmodule.h>
#include "../file/find.h"
#include "../file/json.h"
#include "backend.h"

/* Loads the CUDA backend from a separate module, so that the library does not depend on CUDA and also works without it.
 * The module contains CUDA's runtime, which loads the driver. */

/* Path of a module to use instead of the installed one, for builds that are not installed. */
#define VARIABLE  "DICENET_CUDA_MODULE"
#define FILE_NAME "libdicenet-cuda.so"

static const DicenetBackendOps *
find_backend (const char *path, GError **error)
{
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  gpointer symbol;

  if (module == NULL) {
    g_autofree char *shown = dicenet_path_excerpt (path), *reason = dicenet_path_excerpt (g_module_error ());
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND, "%s cannot be opened: %s", shown, reason);
    return NULL;
  }
  if (g_module_symbol (module, DICENET_BACKEND_SYMBOL, &symbol)) {
    const DicenetBackendOps *backend = symbol;
    if (backend->version == DICENET_BACKEND_VERSION) {
      g_module_make_resident (module); /* CUDA does not support being unloaded */
      return backend;
    }
  }
  g_autofree char *shown = dicenet_path_excerpt (path);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
               "%s belongs to another version of this library: install both from the same build", shown);
  g_module_close (module);
  return NULL;
}

static const DicenetBackendOps *
open_module (GError **error)
{
  const char *other = g_getenv (VARIABLE);
  g_autofree char *folder = dicenet_installed (DICENET_MODULE_DIR);
  g_autofree char *installed = g_build_filename (folder, FILE_NAME, NULL);

  if (other || g_file_test (installed, G_FILE_TEST_EXISTS))
    return find_backend (other ? other : installed, error);
  g_autofree char *shown = dicenet_path_excerpt (installed);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
               "%s is not there: this installation has no CUDA backend. Build with -Dcuda=enabled (which needs nvcc), "
               "or use backend=cpu, or backend=auto, which takes the CPU by itself",
               shown);
  return NULL;
}

static const DicenetBackendOps *
get_backend (GError **error)
{
  static GMutex lock;
  static const DicenetBackendOps *backend;

  g_mutex_lock (&lock);
  if (backend == NULL)
    backend = open_module (error);
  const DicenetBackendOps *found = backend;
  g_mutex_unlock (&lock);
  return found;
}

static DicenetExecutor *
open_backend (const DicenetNetwork *program, const DicenetDeviceOptions *target, GError **error)
{
  const DicenetBackendOps *backend = get_backend (error);
  return backend ? backend->open (program, target, error) : NULL;
}

const DicenetBackendOps dicenet_backend_cuda = {
  .version = DICENET_BACKEND_VERSION,
  .kind = DICENET_BACKEND_CUDA,
  .name = "cuda",
  .open = open_backend,
};
