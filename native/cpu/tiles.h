// tiles.h: y = x * weight^T on matrix tiles (AMX). T is the instructions: kernels_amx.cpp has the machine's, a test has
// portable ones. Under isa=amx every linear with a bf16 weight comes here, one row or many, so that a row's result does
// not depend on the others: an element is the sum of its 32-product steps in order of K.
//
// Layout: x is the left operand, rounded to bf16, 16 tokens and 16 units (pairs of K) a tile: [token / 16][unit / 16]
// [16 tokens][16 units]. Panels of weights are the right one as they are: 16 units are a tile of [16 units][16 columns].
// Bound: 2 x 2 tiles load 4 tiles for 4 products; for one row, reading the weights.
// Not measured: no machine with AMX was at hand. Its arithmetic is tested by emulation.
#pragma once
#include <stdint.h>
#include <string.h>

#include "kernels.h"
#include "panels.h"

namespace {

using sb::cpu::kPanelRows;
using sb::cpu::kTileUnits;
using sb::cpu::Linear;

constexpr int kTileRows = 16;                           // tokens, units or columns
constexpr int kTileBytes = kTileUnits * 4;              // of a row
constexpr int kTileWords = kTileRows * kTileUnits;
static_assert(kPanelRows == kTileRows && kTileUnits == kTileRows);

// A block of up to 16 rows of x [rows, cols], rounded to bf16. What fills up the tiles is 0.
template <class Round>
void arrange_tiles(const float* x, int rows, int cols, uint32_t* out, Round round) {
  int units = sb::cpu::units_of(SB_BF16, cols);
  memset(out, 0, (size_t)units * kTileRows * 4);
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < cols; k++) {
      int unit = k / 2;
      uint32_t* word = out + unit / kTileUnits * kTileWords + i * kTileUnits + unit % kTileUnits;
      *word |= (uint32_t)round(x[(int64_t)i * cols + k]) << k % 2 * 16;
    }
  }
}

template <class T, int Tile>
void store_sums(const Linear& l, int m, int panel) {
  alignas(64) float sums[kTileWords];
  T::template store<Tile>(sums, kTileBytes);
  int n = panel * kPanelRows;
  for (int i = 0; i < kTileRows && m + i < l.M; i++) {
    float* y = l.y + (int64_t)(m + i) * l.N + n;
    for (int j = 0; j < kPanelRows && n + j < l.N; j++) {
      y[j] = sums[i * kPanelRows + j] + (l.bias ? l.bias[n + j] : 0);
    }
  }
}

// Two tiles of tokens from m on by two panels, where there are as many. Tiles 0-3 are sums, 4-5 tokens, 6-7 weights.
template <class T>
void linear_tiles_at(const Linear& l, int m, int panel, int panel_end) {
  const uint32_t* x = (const uint32_t*)l.x + (int64_t)m * l.units;
  const uint32_t* x2 = x + (int64_t)l.units * kTileRows;
  const uint32_t* w = (const uint32_t*)l.weight + (int64_t)panel * l.units * kPanelRows;
  const uint32_t* w2 = w + (int64_t)l.units * kPanelRows;
  bool tall = m + kTileRows < l.M, wide = panel + 1 < panel_end;
  T::template zero<0>();
  T::template zero<1>();
  T::template zero<2>();
  T::template zero<3>();
  for (int at = 0; at < l.units * kTileRows; at += kTileWords) {
    T::template load<4>(x + at, kTileBytes);
    T::template load<6>(w + at, kTileBytes);
    T::template multiply<0, 4, 6>();
    if (tall) {
      T::template load<5>(x2 + at, kTileBytes);
      T::template multiply<1, 5, 6>();
    }
    if (!wide) continue;
    T::template load<7>(w2 + at, kTileBytes);
    T::template multiply<2, 4, 7>();
    if (tall) T::template multiply<3, 5, 7>();
  }
  store_sums<T, 0>(l, m, panel);
  if (tall) store_sums<T, 1>(l, m + kTileRows, panel);
  if (wide) store_sums<T, 2>(l, m, panel + 1);
  if (wide && tall) store_sums<T, 3>(l, m + kTileRows, panel + 1);
}

template <class T>
void linear_tiles(const Linear& l, int begin, int end) {
  for (int panel = begin; panel < end; panel += 2) {
    for (int m = 0; m < l.M; m += 2 * kTileRows) linear_tiles_at<T>(l, m, panel, end);
  }
}

}  // namespace
