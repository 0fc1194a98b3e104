/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reports the synchronisation by GLib's and GStreamer's locks and reference counts to ThreadSanitizer: the libraries
 * are not built with it, so it would report a race on everything that they protect. These functions interpose the
 * libraries' own, and call them. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include <dlfcn.h>
#include <gst/gst.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

#define NEXT(name)                                                                                                     \
  static __typeof__ (&name) next;                                                                                      \
  if (!__atomic_load_n (&next, __ATOMIC_RELAXED))                                                                      \
  __atomic_store_n (&next, (__typeof__ (&name)) dlsym (RTLD_NEXT, #name), __ATOMIC_RELAXED)

#define LOCK(lock, unlock, try_lock, Type)                                                                             \
  void lock (Type *self)                                                                                               \
  {                                                                                                                    \
    NEXT (lock);                                                                                                       \
    next (self);                                                                                                       \
    __tsan_acquire (self);                                                                                             \
  }                                                                                                                    \
  void unlock (Type *self)                                                                                             \
  {                                                                                                                    \
    NEXT (unlock);                                                                                                     \
    __tsan_release (self);                                                                                             \
    next (self);                                                                                                       \
  }                                                                                                                    \
  gboolean try_lock (Type *self)                                                                                       \
  {                                                                                                                    \
    NEXT (try_lock);                                                                                                   \
    const gboolean locked = next (self);                                                                               \
    if (locked)                                                                                                        \
      __tsan_acquire (self);                                                                                           \
    return locked;                                                                                                     \
  }

/* Only one thread at a time gives up a reference that is not the last: whoever gives up the last one then acquires what
 * all others released. The order of relaxed operations is none that ThreadSanitizer would take for synchronisation.
 * Giving up may give up more. */
static char is_held;
static __thread guint depth;

static void
hold (void)
{
  if (depth++ == 0)
    while (__atomic_exchange_n (&is_held, 1, __ATOMIC_RELAXED))
      g_thread_yield ();
}

static void
let_go (void)
{
  if (--depth == 0)
    __atomic_store_n (&is_held, 0, __ATOMIC_RELAXED);
}

#define UNREF(unref, Type, Counted, count)                                                                             \
  void unref (Type self)                                                                                               \
  {                                                                                                                    \
    NEXT (unref);                                                                                                      \
    hold ();                                                                                                           \
    __tsan_release (self);                                                                                             \
    if (g_atomic_int_get (&((Counted *) self)->count) > 1) {                                                           \
      next (self);                                                                                                     \
      let_go ();                                                                                                       \
      return;                                                                                                          \
    }                                                                                                                  \
    let_go ();                                                                                                         \
    __tsan_acquire (self);                                                                                             \
    next (self);                                                                                                       \
  }

/* Macros in GLib's headers that hide the functions. */
#undef g_mutex_lock
#undef g_mutex_unlock
#undef g_mutex_trylock
#undef g_rec_mutex_lock
#undef g_rec_mutex_unlock
#undef g_rec_mutex_trylock
#undef g_cond_wait
#undef g_once_init_enter
#undef g_once_init_leave

LOCK (g_mutex_lock, g_mutex_unlock, g_mutex_trylock, GMutex)
LOCK (g_rec_mutex_lock, g_rec_mutex_unlock, g_rec_mutex_trylock, GRecMutex)
UNREF (g_object_unref, gpointer, GObject, ref_count)
UNREF (gst_object_unref, gpointer, GObject, ref_count)
UNREF (gst_mini_object_unref, GstMiniObject *, GstMiniObject, refcount)

/* Who has the only reference may write, after what all others have done with theirs. */
gboolean
gst_mini_object_is_writable (const GstMiniObject *self)
{
  NEXT (gst_mini_object_is_writable);
  const gboolean writable = next (self);
  if (writable)
    __tsan_acquire ((void *) self);
  return writable;
}

/* As the library does it, whose own call of gst_mini_object_unref() does not come by here. */
GstMiniObject *
gst_mini_object_make_writable (GstMiniObject *self)
{
  if (gst_mini_object_is_writable (self))
    return self;
  GstMiniObject *copy = gst_mini_object_copy (self);
  gst_mini_object_unref (self);
  return copy;
}

gboolean (g_atomic_ref_count_dec) (grefcount *self)
{
  NEXT (g_atomic_ref_count_dec);
  __tsan_release (self);
  const gboolean last = next (self);
  __tsan_acquire (self);
  return last;
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  NEXT (g_cond_wait);
  __tsan_release (mutex);
  next (cond, mutex);
  __tsan_acquire (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end)
{
  NEXT (g_cond_wait_until);
  __tsan_release (mutex);
  const gboolean signalled = next (cond, mutex, end);
  __tsan_acquire (mutex);
  return signalled;
}

gboolean (g_once_init_enter) (volatile void *location)
{
  NEXT (g_once_init_enter);
  const gboolean first = next (location);
  __tsan_acquire ((void *) location);
  return first;
}

void (g_once_init_leave) (volatile void *location, gsize result)
{
  NEXT (g_once_init_leave);
  __tsan_release ((void *) location);
  next (location, result);
}
