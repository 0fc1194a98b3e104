/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-kernels.h"

/* Inlined with constants for everything but the pointers and the width, so that the compiler sees fixed strides. */
static inline G_ALWAYS_INLINE void
unpack_components (const guint8 *restrict src, guint32 *restrict dst, guint width, guint step, guint r, guint g,
                   guint b)
{
  for (gsize i = 0; i < width; i++)
    dst[i] = src[step * i + r] | (guint32) src[step * i + g] << 8 | (guint32) src[step * i + b] << 16;
}

#define UNPACK_RGB(name, step, r, g, b)                                                                                \
  static void unpack_##name (const guint8 *src, guint32 *dst, guint width)                                             \
  {                                                                                                                    \
    unpack_components (src, dst, width, step, r, g, b);                                                                \
  }

UNPACK_RGB (rgb, 3, 0, 1, 2)
UNPACK_RGB (bgr, 3, 2, 1, 0)
UNPACK_RGB (rgbx, 4, 0, 1, 2)
UNPACK_RGB (bgrx, 4, 2, 1, 0)
UNPACK_RGB (xrgb, 4, 1, 2, 3)
UNPACK_RGB (xbgr, 4, 3, 2, 1)

static inline G_ALWAYS_INLINE void
upsample_chroma (const guint8 *restrict near, const guint8 *restrict far, guint16 *restrict dst, guint n, guint step)
{
  gsize last = n - 1;

  for (gsize i = 0; i < last; i++) {
    guint here = 3 * near[step * i] + far[step * i];
    guint next = 3 * near[step * (i + 1)] + far[step * (i + 1)];
    dst[2 * i] = (guint16) (2 * here);
    dst[2 * i + 1] = (guint16) (here + next);
  }
  dst[2 * last] = dst[2 * last + 1] = (guint16) (2 * (3 * near[step * last] + far[step * last]));
}

#define UPSAMPLE_CHROMA(name, step)                                                                                    \
  static void upsample_##name (const guint8 *near, const guint8 *far, guint16 *dst, guint n)                           \
  {                                                                                                                    \
    upsample_chroma (near, far, dst, n, step);                                                                         \
  }

UPSAMPLE_CHROMA (planar, 1)
UPSAMPLE_CHROMA (pairs, 2)
UPSAMPLE_CHROMA (packed, 4)

static inline G_ALWAYS_INLINE guint32
to_byte (gint value)
{
  return (guint8) CLAMP (value >> DICENET_YUV_BITS, 0, 255);
}

/* The 16-bit types let compilers take multiplications that every CPU has for vectors. */
static inline G_ALWAYS_INLINE guint32
to_rgb (const DicenetYuvFactors *k, gint y, gint u, gint v)
{
  gint16 luma = (gint16) (y - k->y_offset);
  gint16 cb = (gint16) (u - DICENET_NEUTRAL_CHROMA);
  gint16 cr = (gint16) (v - DICENET_NEUTRAL_CHROMA);
  gint grey = luma * k->y + (1 << (DICENET_YUV_BITS - 1));

  return to_byte (grey + cr * k->r_v) | to_byte (grey + cb * k->g_u + cr * k->g_v) << 8 |
         to_byte (grey + cb * k->b_u) << 16;
}

static inline G_ALWAYS_INLINE void
unpack_yuv (const DicenetYuvFactors *factors, const guint8 *restrict y, const guint16 *restrict u,
            const guint16 *restrict v, guint32 *restrict dst, guint width, guint step)
{
  const DicenetYuvFactors k = *factors;

  for (gsize i = 0; i < width; i++)
    dst[i] = to_rgb (&k, y[step * i], u[i], v[i]);
}

static void
unpack_yuv_planar (const DicenetYuvFactors *factors, const guint8 *y, const guint16 *u, const guint16 *v, guint32 *dst,
                   guint width)
{
  unpack_yuv (factors, y, u, v, dst, width, 1);
}

static void
unpack_yuv_packed (const DicenetYuvFactors *factors, const guint8 *y, const guint16 *u, const guint16 *v, guint32 *dst,
                   guint width)
{
  unpack_yuv (factors, y, u, v, dst, width, 2);
}

/* clang-format off */
#define RGB_LAYOUT(name) { .n_planes = 1, .unpack_rgb = unpack_##name }

static const DicenetPixelLayout layouts[] = {
  [DICENET_PIXEL_FORMAT_RGB] = RGB_LAYOUT (rgb),
  [DICENET_PIXEL_FORMAT_BGR] = RGB_LAYOUT (bgr),
  [DICENET_PIXEL_FORMAT_RGBX] = RGB_LAYOUT (rgbx),
  [DICENET_PIXEL_FORMAT_BGRX] = RGB_LAYOUT (bgrx),
  [DICENET_PIXEL_FORMAT_XRGB] = RGB_LAYOUT (xrgb),
  [DICENET_PIXEL_FORMAT_XBGR] = RGB_LAYOUT (xbgr),
  [DICENET_PIXEL_FORMAT_RGBA] = RGB_LAYOUT (rgbx),
  [DICENET_PIXEL_FORMAT_BGRA] = RGB_LAYOUT (bgrx),
  [DICENET_PIXEL_FORMAT_ARGB] = RGB_LAYOUT (xrgb),
  [DICENET_PIXEL_FORMAT_ABGR] = RGB_LAYOUT (xbgr),
  [DICENET_PIXEL_FORMAT_GRAY8] = { .n_planes = 1, .unpack_yuv = unpack_yuv_planar },
  [DICENET_PIXEL_FORMAT_NV12] = { .n_planes = 2, .unpack_yuv = unpack_yuv_planar,
    .upsample_chroma = upsample_pairs, .chroma_shift = 1, .u = { 1, 0 }, .v = { 1, 1 } },
  [DICENET_PIXEL_FORMAT_NV21] = { .n_planes = 2, .unpack_yuv = unpack_yuv_planar,
    .upsample_chroma = upsample_pairs, .chroma_shift = 1, .u = { 1, 1 }, .v = { 1, 0 } },
  [DICENET_PIXEL_FORMAT_I420] = { .n_planes = 3, .unpack_yuv = unpack_yuv_planar,
    .upsample_chroma = upsample_planar, .chroma_shift = 1, .u = { 1, 0 }, .v = { 2, 0 } },
  [DICENET_PIXEL_FORMAT_YV12] = { .n_planes = 3, .unpack_yuv = unpack_yuv_planar,
    .upsample_chroma = upsample_planar, .chroma_shift = 1, .u = { 2, 0 }, .v = { 1, 0 } },
  [DICENET_PIXEL_FORMAT_YUY2] = { .n_planes = 1, .unpack_yuv = unpack_yuv_packed, .y_offset = 0,
    .upsample_chroma = upsample_packed, .u = { 0, 1 }, .v = { 0, 3 } },
  [DICENET_PIXEL_FORMAT_UYVY] = { .n_planes = 1, .unpack_yuv = unpack_yuv_packed, .y_offset = 1,
    .upsample_chroma = upsample_packed, .u = { 0, 0 }, .v = { 0, 2 } },
};
/* clang-format on */

const DicenetPixelLayout *
dicenet_pixel_layout_get (DicenetPixelFormat format)
{
  if ((guint) format >= G_N_ELEMENTS (layouts) || layouts[format].n_planes == 0)
    return NULL;
  return &layouts[format];
}
