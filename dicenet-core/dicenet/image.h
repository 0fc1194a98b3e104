/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DICENET_MIN_SIZE:
 *
 * Minimum inference width and height, in pixels.
 */
#define DICENET_MIN_SIZE 32

/**
 * DICENET_MAX_SIZE:
 *
 * Maximum inference width and height, in pixels.
 */
#define DICENET_MAX_SIZE 4096

/**
 * dicenet_parse_size:
 * @text: "WIDTHxHEIGHT"
 * @width: (out): width in pixels
 * @height: (out): height in pixels
 *
 * Parses an inference size.
 *
 * Returns: %TRUE if both are whole numbers from %DICENET_MIN_SIZE to %DICENET_MAX_SIZE; otherwise neither is set
 */
DICENET_API gboolean dicenet_parse_size (const char *text, guint *width, guint *height);

/**
 * DicenetPixelFormat:
 * @DICENET_PIXEL_FORMAT_UNKNOWN: none
 * @DICENET_PIXEL_FORMAT_RGB: R, G, B
 * @DICENET_PIXEL_FORMAT_BGR: B, G, R
 * @DICENET_PIXEL_FORMAT_RGBX: R, G, B, unused
 * @DICENET_PIXEL_FORMAT_BGRX: B, G, R, unused
 * @DICENET_PIXEL_FORMAT_XRGB: unused, R, G, B
 * @DICENET_PIXEL_FORMAT_XBGR: unused, B, G, R
 * @DICENET_PIXEL_FORMAT_RGBA: R, G, B, alpha
 * @DICENET_PIXEL_FORMAT_BGRA: B, G, R, alpha
 * @DICENET_PIXEL_FORMAT_ARGB: alpha, R, G, B
 * @DICENET_PIXEL_FORMAT_ABGR: alpha, B, G, R
 * @DICENET_PIXEL_FORMAT_GRAY8: luma
 * @DICENET_PIXEL_FORMAT_NV12: planes of Y and of interleaved U and V
 * @DICENET_PIXEL_FORMAT_NV21: planes of Y and of interleaved V and U
 * @DICENET_PIXEL_FORMAT_I420: planes of Y, U and V
 * @DICENET_PIXEL_FORMAT_YV12: planes of Y, V and U, in this order
 * @DICENET_PIXEL_FORMAT_YUY2: Y, U, Y, V
 * @DICENET_PIXEL_FORMAT_UYVY: U, Y, V, Y
 *
 * Memory layout of a picture. Names and layouts are those of GstVideoFormat and FourCC; 8 bits per sample. Alpha is
 * ignored: colours are used as stored. U and V are half as wide as Y, and half as high where they are planes.
 */
typedef enum {
  DICENET_PIXEL_FORMAT_UNKNOWN,
  DICENET_PIXEL_FORMAT_RGB,
  DICENET_PIXEL_FORMAT_BGR,
  DICENET_PIXEL_FORMAT_RGBX,
  DICENET_PIXEL_FORMAT_BGRX,
  DICENET_PIXEL_FORMAT_XRGB,
  DICENET_PIXEL_FORMAT_XBGR,
  DICENET_PIXEL_FORMAT_RGBA,
  DICENET_PIXEL_FORMAT_BGRA,
  DICENET_PIXEL_FORMAT_ARGB,
  DICENET_PIXEL_FORMAT_ABGR,
  DICENET_PIXEL_FORMAT_GRAY8,
  DICENET_PIXEL_FORMAT_NV12,
  DICENET_PIXEL_FORMAT_NV21,
  DICENET_PIXEL_FORMAT_I420,
  DICENET_PIXEL_FORMAT_YV12,
  DICENET_PIXEL_FORMAT_YUY2,
  DICENET_PIXEL_FORMAT_UYVY,
} DicenetPixelFormat;

/**
 * DicenetColorMatrix:
 * @DICENET_COLOR_MATRIX_BT601: ITU-R BT.601, Kr = 0.299, Kb = 0.114
 * @DICENET_COLOR_MATRIX_BT709: ITU-R BT.709, Kr = 0.2126, Kb = 0.0722
 *
 * Coefficients of the conversion from Y'CbCr to R'G'B'. Ignored for RGB formats.
 */
typedef enum {
  DICENET_COLOR_MATRIX_BT601,
  DICENET_COLOR_MATRIX_BT709,
} DicenetColorMatrix;

/**
 * DicenetColorRange:
 * @DICENET_COLOR_RANGE_LIMITED: luma 16..235, chroma 16..240 (video)
 * @DICENET_COLOR_RANGE_FULL: 0..255 (JPEG)
 *
 * The range of Y'CbCr samples and of GRAY8. Ignored for RGB formats, which are always full range.
 */
typedef enum {
  DICENET_COLOR_RANGE_LIMITED,
  DICENET_COLOR_RANGE_FULL,
} DicenetColorRange;

/**
 * DicenetMemory:
 * @DICENET_MEMORY_SYSTEM: memory of the process
 * @DICENET_MEMORY_DEVICE: memory of the session's device, in the session's context (dicenet_options_set_context())
 *
 * The kind of memory that holds a picture.
 */
typedef enum {
  DICENET_MEMORY_SYSTEM,
  DICENET_MEMORY_DEVICE,
} DicenetMemory;

/**
 * DicenetImage:
 * @format: layout of the pixels
 * @matrix: colour matrix, for Y'CbCr formats
 * @range: sample range, for Y'CbCr formats and GRAY8
 * @width: width in pixels, 1 to 32767
 * @height: height in pixels, 1 to 32767
 * @planes: first byte of the first row of each plane, in the format's order; borrowed and read-only
 * @strides: for each plane, bytes from one row to the next; may be larger than a row, and may be negative
 * @memory: the memory that @planes point to. Device memory must be completely written before the call: the library does
 *   not synchronise
 *
 * A picture in the caller's memory, which must stay valid and unchanged during the call that it is passed to. Unused
 * fields must be zero: later versions may use them. Chroma planes of 4:2:0 and 4:2:2 formats have (width + 1) / 2 columns
 * and, for 4:2:0, (height + 1) / 2 rows.
 */
typedef struct {
  DicenetPixelFormat format;
  DicenetColorMatrix matrix;
  DicenetColorRange range;
  guint width;
  guint height;
  const guint8 *planes[4];
  gint strides[4];
  DicenetMemory memory;

  /*< private >*/
  gpointer reserved[4];
} DicenetImage;

G_END_DECLS
