/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "band.h"
#include "gemm.h"
#include "simd.h"

/* Winograd's minimal filtering F(2 x 2, 3 x 3): 2 x 2 outputs from a tile of 4 x 4 inputs with 16 products instead of
 * 36 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015). For each of the 16 elements of a
 * transformed tile, there is one matrix product over channels, for many tiles at a time. */

#define TILE 16

/* Consecutive tiles of one row of tiles, stored in a panel from @slot on. */
typedef struct {
  unsigned row, column, n, slot;
} Segment;

typedef struct {
  Segment segments[NR];
  unsigned n_segments, n; /* tiles */
  float *inputs;          /* [TILE][channels][NR], each followed by a register of padding */
  size_t input_floats;    /* floats per element of the transformed tile */
} Panel;

static void
find_segments (Panel *panel, size_t tile, size_t end, unsigned across)
{
  const size_t stop = end - tile < NR ? end : tile + NR;

  panel->n_segments = 0;
  panel->n = (unsigned) (stop - tile);
  for (unsigned slot = 0; tile < stop;) {
    const unsigned column = (unsigned) (tile % across);
    const unsigned n = stop - tile < across - column ? (unsigned) (stop - tile) : across - column;
    panel->segments[panel->n_segments++] = (Segment){ (unsigned) (tile / across), column, n, slot };
    slot += n;
    tile += n;
  }
}

/* B' d B of one register of tiles. The inputs are four rows of even and odd columns. */
INLINE void
transform_inputs (const float *even, const float *odd, size_t row_floats, float *out, size_t out_floats)
{
  vf t[4][4];

  UNROLL
  for (int c = 0; c < 4; c++) {
    const float *p = (c % 2 ? even : odd) + c / 2;
    const vf d0 = load (p - (c % 2 ? 0 : 1)), d1 = load (p + row_floats - (c % 2 ? 0 : 1)),
             d2 = load (p + 2 * row_floats - (c % 2 ? 0 : 1)), d3 = load (p + 3 * row_floats - (c % 2 ? 0 : 1));
    t[0][c] = d0 - d2;
    t[1][c] = d1 + d2;
    t[2][c] = d2 - d1;
    t[3][c] = d1 - d3;
  }
  UNROLL
  for (int r = 0; r < 4; r++) {
    store (out + (size_t) (4 * r) * out_floats, t[r][0] - t[r][2]);
    store (out + (size_t) (4 * r + 1) * out_floats, t[r][1] + t[r][2]);
    store (out + (size_t) (4 * r + 2) * out_floats, t[r][2] - t[r][1]);
    store (out + (size_t) (4 * r + 3) * out_floats, t[r][1] - t[r][3]);
  }
}

/* Segments must be processed in order: stores of whole registers are overwritten by the next segment. */
static void
enter_panel (const Band *band, unsigned first_row, unsigned channels, const Panel *panel)
{
  for (unsigned c = 0; c < channels; c++) {
    for (unsigned i = 0; i < panel->n_segments; i++) {
      const Segment *s = &panel->segments[i];
      const float *even = band->rows + c * band->channel_floats + 2 * (size_t) (s->row - first_row) * band->row_floats +
                          DICENET_PAD + s->column;
      float *out = panel->inputs + (size_t) c * NR + s->slot;
      for (unsigned j = 0; j < s->n; j += VL)
        transform_inputs (even + j, even + band->row_floats / 2 + j, band->row_floats, out + j, panel->input_floats);
    }
  }
}

/* A' m A of one register of tiles. The outputs are rows of even and odd columns. */
INLINE void
transform_outputs (const float *sums, vf out[2][2])
{
  vf t[2][4];

  UNROLL
  for (int c = 0; c < 4; c++) {
    const float *p = sums + c * DICENET_BLOCK * NR;
    const vf m0 = load (p), m1 = load (p + 4 * DICENET_BLOCK * NR), m2 = load (p + 8 * DICENET_BLOCK * NR),
             m3 = load (p + 12 * DICENET_BLOCK * NR);
    t[0][c] = m0 + m1 + m2;
    t[1][c] = m1 - m2 - m3;
  }
  UNROLL
  for (int r = 0; r < 2; r++) {
    out[r][0] = t[r][0] + t[r][1] + t[r][2];
    out[r][1] = t[r][1] - t[r][2] - t[r][3];
  }
}

/* One channel of one segment; @sums are those of its first tile. */
static void
finish_segment (const DicenetPlanes *y, const DicenetConv *conv, unsigned channel, const Segment *s, const float *sums)
{
  const Epilogue e = epilogue (conv, channel);

  for (unsigned j = 0; j < s->n; j += VL) {
    const size_t column = 2 * (size_t) (s->column + j), tiles = s->n - j < VL ? s->n - j : VL;
    const size_t n = y->w - column < 2 * tiles ? y->w - column : 2 * tiles;
    vf out[2][2];
    transform_outputs (sums + j, out);
    for (unsigned r = 0; r < 2 && 2 * s->row + r < y->h; r++) {
      const vf even = activate (out[r][0], &e), odd = activate (out[r][1], &e);
      float *to = dicenet_plane (y, channel) + (size_t) (2 * s->row + r) * y->w + column;
      store_part (to, zip_low (even, odd), n);
      if (n > VL)
        store_part (to + VL, zip_high (even, odd), n - VL);
    }
  }
}

/* All channels of a group. */
static void
panel_outputs (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned channels, const Panel *panel)
{
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_conv_blocks (y->c, conv->groups);
  const unsigned wide = (panel->n + VL - 1) / VL;
  float sums[TILE * DICENET_BLOCK * NR + VL] __attribute__ ((aligned (64)));

  for (unsigned b = 0; b < blocks; b++) {
    const unsigned first = b * DICENET_BLOCK, left = group_out - first,
                   count = left < DICENET_BLOCK ? left : DICENET_BLOCK;
    const float *w = conv->weight + ((size_t) group * blocks + b) * TILE * channels * DICENET_BLOCK;
    for (size_t k = 0; k < TILE; k++) {
      const Inputs inputs = { panel->inputs + k * panel->input_floats, NULL, channels, NR };
      gemm_block (w + k * channels * DICENET_BLOCK, &inputs, count, wide, NULL, sums + k * DICENET_BLOCK * NR);
    }
    for (unsigned r = 0; r < count; r++)
      for (unsigned i = 0; i < panel->n_segments; i++)
        finish_segment (y, conv, group * group_out + first + r, &panel->segments[i],
                        sums + r * NR + panel->segments[i].slot);
  }
}

void
KERNEL (conv_winograd) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                        unsigned end, float *scratch)
{
  const unsigned channels = x->c / conv->groups, across = (y->w + 1) / 2;
  const unsigned height = dicenet_band_rows (channels, across, 2);
  Band band = { .row_floats = dicenet_band_row (across, 2), .step = 2 };
  Panel panel = { .inputs = scratch, .input_floats = (size_t) channels * NR + VL };

  band.rows = scratch + TILE * panel.input_floats;
  for (unsigned group = 0; group < conv->groups; group++) {
    for (unsigned i = begin; i < end; i += height) {
      const unsigned stop = end - i < height ? end : i + height;
      band.n_rows = 2 * (stop - i) + 2;
      band.channel_floats = band.n_rows * band.row_floats;
      memset (band.rows, 0, (channels * band.channel_floats + NR) * sizeof *band.rows);
      enter_band (x, group * channels, channels, 2 * (long) i - 1, &band);
      for (size_t tile = (size_t) i * across; tile < (size_t) stop * across; tile += NR) {
        find_segments (&panel, tile, (size_t) stop * across, across);
        enter_panel (&band, i, channels, &panel);
        panel_outputs (y, conv, group, channels, &panel);
      }
    }
  }
}
