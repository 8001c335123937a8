// linear.h: y = x * weight^T over panels of 16 columns of y. Each output is one lane of an accumulator that walks K in
// order, so it does not depend on the rows and columns beside it: nothing is summed across lanes.
//
// Layout: weights are packed once into panels (panels.h), [unit][16 rows]; a block of x alike, [unit][rows of the block],
// a unit of x being the one or two values that meet a unit of weights. Both are then read as one run each.
// Bound: one dot product instruction a cycle for 16 rows and more; for few rows, reading the weights.
// Tried (AVX-512 BF16, Zen 4, both cores at once, peak 465 GFLOP/s; 1 GiB of weights in huge pages, K = 2048):
//   16 rows: nothing fetched ahead 260; into L1 4 KiB ahead 373; into L2 4 KiB ahead 407, 8 to 32 KiB 420. With small
//     pages 5% to 20% less. Slices of K, so that x stays in L1, 378; two blocks of 8 rows by panels of 32 rows 346.
//     As rows [out][in], 4 x 4 outputs at once, the lanes summed at the end (what was here before) 330.
//   1 row: nothing fetched ahead 58 GB/s, as fast as reading alone; into L2 46, into L1 50 to 53. 4 rows: 47, into L2 50.
//   512 rows, weights and x in L2: 454, K = 8192 449; slices of K of 2048 no faster, of 512 432; 8, 12 and 14 rows by 2
//     panels, 8 by 3, 6 by 4 all slower. Small pages for x and y 411.
#pragma once
#include "kernels.h"
#include "panels.h"
#include "vec.h"

namespace {

using sb::cpu::kPanelRows;
using sb::cpu::kTileUnits;
using sb::cpu::Linear;

constexpr int kVectors = kPanelRows / kWidth;                         // of a unit of a panel
constexpr int kBlockRows = kWidth == 16 ? 16 : kWidth == 8 ? 6 : 3;  // whose accumulators the registers hold
constexpr int kAheadBytes = 8 << 10;  // how far ahead weights and x are fetched
constexpr int kFetchRows = 3;         // for fewer the processor fetches ahead fast enough, and more only delays it

// How x and weight are read. `add` adds the products of one unit: x[r] with each of the panel's rows.

struct Fp32Weight {
  using X = float;  // of a row of x, what meets a unit
  static constexpr int kUnitValues = 1;
  SB_INLINE void round(const float* x, int count, X* out) { memcpy(out, x, (size_t)count * 4); }
  template <int R>
  SB_INLINE void add(const X* x, const uint32_t* weight, F (&sum)[R][kVectors]) {
    F w[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) w[j] = load((const float*)weight + j * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) sum[i][j] = fma(set1(x[i]), w[j], sum[i][j]);
    }
  }
};

struct Pair {
  float low, high;
};

#if defined(__AVX512BF16__)
constexpr bool kRounds = true;
// Both in bf16: vdpbf16ps multiplies pairs and adds both products in fp32.
struct Bf16Weight {
  using X = uint32_t;
  static constexpr int kUnitValues = 2;
  SB_INLINE void round(const float* x, int count, X* out) {
    uint16_t* halves = (uint16_t*)out;
    for (int i = 0; i < count; i++) halves[i] = to_bf16(x[i]);
  }
  template <int R>
  SB_INLINE void add(const X* x, const uint32_t* weight, F (&sum)[R][1]) {
    __m512bh w = (__m512bh)_mm512_loadu_si512(weight);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) sum[i][0] = _mm512_dpbf16_ps(sum[i][0], (__m512bh)_mm512_set1_epi32((int)x[i]), w);
  }
};
#else
constexpr bool kRounds = false;
// Widened as it is read; the rest is fp32.
struct Bf16Weight {
  using X = Pair;
  static constexpr int kUnitValues = 2;
  SB_INLINE void round(const float* x, int count, X* out) { memcpy(out, x, (size_t)count * 4); }
  template <int R>
  SB_INLINE void add(const X* x, const uint32_t* weight, F (&sum)[R][kVectors]) {
    I pairs[kVectors];
    F w[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) pairs[j] = (I)load((const float*)weight + j * kWidth);
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) w[j] = (F)(pairs[j] << 16);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) sum[i][j] = fma(set1(x[i].low), w[j], sum[i][j]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) w[j] = (F)(pairs[j] & (int32_t)0xffff0000);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) sum[i][j] = fma(set1(x[i].high), w[j], sum[i][j]);
    }
  }
};
#endif

// A block of x: [unit][rows], tile by tile of units.
template <class P>
void arrange_block(const float* x, int rows, int cols, int units, typename P::X* out) {
  using X = typename P::X;
  constexpr int kValues = kTileUnits * P::kUnitValues;
  X tile[kBlockRows][kTileUnits] = {};
  for (int k = 0; k < units * P::kUnitValues; k += kValues, out += rows * kTileUnits) {
    int count = cols - k;
    if (count < kValues) memset(tile, 0, sizeof tile);
    for (int i = 0; i < rows; i++) {
      const float* row = x + (int64_t)i * cols + k;
      if (count >= kValues) P::round(row, kValues, tile[i]);
      else if (count > 0) P::round(row, count, tile[i]);
    }
    for (int u = 0; u < kTileUnits; u++) {
      for (int i = 0; i < rows; i++) out[u * rows + i] = tile[i][u];
    }
  }
}

void arrange(const float* x, int rows, int cols, int dtype, void* out) {
  int units = sb::cpu::units_of(dtype, cols);
  if (dtype == SB_BF16) {
    arrange_block<Bf16Weight>(x, rows, cols, units, (Bf16Weight::X*)out);
  } else {
    arrange_block<Fp32Weight>(x, rows, cols, units, (Fp32Weight::X*)out);
  }
}

// Of `columns` values, those in vector j; the other lanes are 0.
SB_INLINE F load_columns(const float* p, int columns, int j) {
  int left = columns - j * kWidth;
  return left >= kWidth ? load(p + j * kWidth) : left > 0 ? load_n(p + j * kWidth, left) : F{};
}
SB_INLINE void store_columns(float* p, int columns, int j, F v) {
  int left = columns - j * kWidth;
  if (left >= kWidth) store(p + j * kWidth, v);
  else if (left > 0) store_n(p + j * kWidth, v, left);
}

// R rows of x, a whole block, from row m on, by one panel.
template <class P, int R>
__attribute__((noinline)) void linear_tile(const Linear& l, int m, int panel) {
  const auto* x = (const typename P::X*)l.x + (int64_t)m * l.units;
  const uint32_t* w = (const uint32_t*)l.weight + (int64_t)panel * l.units * kPanelRows;
  int n = panel * kPanelRows, columns = l.N - n < kPanelRows ? l.N - n : kPanelRows;
  F sum[R][kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; j++) {
    F bias = l.bias ? load_columns(l.bias + n, columns, j) : F{};
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) sum[i][j] = bias;
  }
  for (int u = 0; u < l.units; u++, x += R, w += kPanelRows) {
    if (R >= kFetchRows) _mm_prefetch((const char*)w + kAheadBytes, _MM_HINT_T1);
    if (R == kBlockRows) _mm_prefetch((const char*)x + kAheadBytes, _MM_HINT_T1);
    P::template add<R>(x, w, sum);
  }
  float* y = l.y + (int64_t)m * l.N + n;
#pragma GCC unroll 16
  for (int i = 0; i < R; i++, y += l.N) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) store_columns(y, columns, j, sum[i][j]);
  }
}

// linear_tile of `rows` rows, at most R.
template <class P, int R>
void linear_rows(const Linear& l, int rows, int m, int panel) {
  if (rows == R) return linear_tile<P, R>(l, m, panel);
  if constexpr (R > 1) linear_rows<P, R - 1>(l, rows, m, panel);
}

template <class P>
void linear_panels(const Linear& l, int begin, int end) {
  for (int m = 0; m < l.M; m += kBlockRows) {
    int rows = l.M - m < kBlockRows ? l.M - m : kBlockRows;
    for (int panel = begin; panel < end; panel++) linear_rows<P, kBlockRows>(l, rows, m, panel);
  }
}

void linear(const Linear& l, int begin, int end) {
  if (l.weight_dtype == SB_BF16) {
    linear_panels<Bf16Weight>(l, begin, end);
  } else {
    linear_panels<Fp32Weight>(l, begin, end);
  }
}

}  // namespace
