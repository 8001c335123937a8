// linear.h: y = x * weight^T in dot form. Each output has one accumulator vector that walks K in steps of the
// vector width; tiles of several rows and columns only share loads, so an output never depends on the tile it is in.
#pragma once
#include "kernels.h"
#include "vec.h"

namespace {

using sb::cpu::Linear;

// How x and weight are read. `mac` adds the products of one step to an accumulator.
struct Fp32Weight {
  using X = float;
  using W = float;
  static constexpr int step = kWidth;
  SB_INLINE F x(const X* p) { return load(p); }
  SB_INLINE F x_n(const X* p, int n) { return load_n(p, n); }
  SB_INLINE F w(const W* p) { return load(p); }
  SB_INLINE F w_n(const W* p, int n) { return load_n(p, n); }
  SB_INLINE F mac(F sum, F x, F w) { return fma(x, w, sum); }
};

#if defined(__AVX512BF16__)
// Both in bf16: vdpbf16ps multiplies pairs and adds both products in fp32.
struct Bf16Weight {
  using X = uint16_t;
  using W = uint16_t;
  static constexpr int step = 2 * kWidth;
  SB_INLINE __m512bh x(const X* p) { return (__m512bh)_mm512_loadu_si512(p); }
  SB_INLINE __m512bh x_n(const X* p, int) { return x(p); }  // padded with zeros
  SB_INLINE __m512bh w(const W* p) { return (__m512bh)_mm512_loadu_si512(p); }
  SB_INLINE __m512bh w_n(const W* p, int n) {
    return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
  }
  SB_INLINE F mac(F sum, __m512bh x, __m512bh w) { return _mm512_dpbf16_ps(sum, x, w); }
};
#else
struct Bf16Weight {
  using X = float;
  using W = uint16_t;
  static constexpr int step = kWidth;
  SB_INLINE F x(const X* p) { return load(p); }
  SB_INLINE F x_n(const X* p, int n) { return load_n(p, n); }
  SB_INLINE F w(const W* p) { return widen(p); }
  SB_INLINE F w_n(const W* p, int n) { return widen_n(p, n); }
  SB_INLINE F mac(F sum, F x, F w) { return fma(x, w, sum); }
};
#endif

constexpr int kColumns = 4;                                    // of a tile
constexpr int kRows = kWidth == 16 ? 4 : kWidth == 8 ? 3 : 2;  // most rows of a tile: what the registers hold
constexpr int64_t kBlockBytes = 256 << 10;  // of x rows that stay in L2

// sum[i * kColumns + j] for the rows x[i] and the columns w[j]. Meanwhile fetches C columns at `ahead`, if any.
template <class P, int R, int C, bool Ahead>
SB_INLINE void dots(const typename P::X* const* x, const typename P::W* const* w, const typename P::W* ahead, int K,
                    F* sum) {
  F acc[R][C];
  for (int i = 0; i < R; i++) {
    for (int j = 0; j < C; j++) acc[i][j] = F{};
  }
  int k = 0;
  for (; k + P::step <= K; k += P::step) {
    if constexpr (Ahead) {
      for (int i = 0; i < C * P::step; i += 64 / (int)sizeof(*ahead)) _mm_prefetch(ahead + k * C + i, _MM_HINT_T1);
    }
    decltype(P::x(x[0])) xs[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) xs[i] = P::x(x[i] + k);
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) {
      auto ws = P::w(w[j] + k);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] = P::mac(acc[i][j], xs[i], ws);
    }
  }
  if (k < K) {
    for (int j = 0; j < C; j++) {
      auto ws = P::w_n(w[j] + k, K - k);
      for (int i = 0; i < R; i++) acc[i][j] = P::mac(acc[i][j], P::x_n(x[i] + k, K - k), ws);
    }
  }
  for (int i = 0; i < R; i++) {
    for (int j = 0; j < C; j++) sum[i * kColumns + j] = acc[i][j];
  }
}

// Columns n .. n + columns of row m.
SB_INLINE void store_columns(const Linear& l, int m, int n, int columns, F4 sums) {
  float* y = l.y + (int64_t)m * l.N + n;
  if (l.bias) {
    F4 bias = {};
    memcpy(&bias, l.bias + n, (size_t)columns * 4);
    sums += bias;
  }
  if (columns == kColumns) {
    _mm_storeu_ps(y, sums);
  } else {
    memcpy(y, &sums, (size_t)columns * 4);
  }
}

// Rows m .. m + R of columns n .. n + columns; columns beyond the last repeat it and are not stored.
template <class P, int R, bool Ahead>
SB_INLINE void linear_tile(const Linear& l, int m, int n, int columns) {
  const typename P::X* x[R];
  const typename P::W* w[kColumns];
  F sum[R * kColumns];
  for (int i = 0; i < R; i++) x[i] = (const typename P::X*)l.x + (int64_t)(m + i) * l.x_stride;
  for (int j = 0; j < kColumns; j++) {
    w[j] = (const typename P::W*)l.weight + (int64_t)(n + (j < columns ? j : columns - 1)) * l.K;
  }
  if constexpr (R == 1) {
    // Bound by memory, and one run of it is read faster than several side by side.
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; j++) dots<P, 1, 1, false>(x, w + j, nullptr, l.K, sum + j);
  } else {
    dots<P, R, kColumns, Ahead>(x, w, w[0] + (int64_t)kColumns * l.K, l.K, sum);
  }
  int i = 0;
#if defined(__AVX512F__)
  for (; i + 4 <= R; i += 4) {
    F y = sum_each(sum + i * kColumns);
    store_columns(l, m + i, n, columns, _mm512_extractf32x4_ps(y, 0));
    store_columns(l, m + i + 1, n, columns, _mm512_extractf32x4_ps(y, 1));
    store_columns(l, m + i + 2, n, columns, _mm512_extractf32x4_ps(y, 2));
    store_columns(l, m + i + 3, n, columns, _mm512_extractf32x4_ps(y, 3));
  }
#endif
  for (; i < R; i++) {
    const F* s = sum + i * kColumns;
    store_columns(l, m + i, n, columns, sums(s[0], s[1], s[2], s[3]));
  }
}

// One set of columns for `rows` rows. Those that follow are fetched during the first tile (`Ahead`): otherwise memory
// would wait while few rows are computed.
template <class P, bool Ahead>
__attribute__((noinline)) void linear_rows(const Linear& l, int m, int rows, int n, int columns) {
  if (rows >= kRows) {
    linear_tile<P, kRows, Ahead>(l, m, n, columns);
    m += kRows;
    rows -= kRows;
  }
  for (; rows >= kRows; rows -= kRows, m += kRows) linear_tile<P, kRows, false>(l, m, n, columns);
  if (rows == 1) linear_tile<P, 1, false>(l, m, n, columns);
  if (kRows > 2 && rows == 2) linear_tile<P, 2, Ahead>(l, m, n, columns);
  if (kRows > 3 && rows == 3) linear_tile<P, 3, Ahead>(l, m, n, columns);
}

// A block of x stays in L2 while the chunk's columns pass, four at a time from L1.
template <class P>
void linear_chunk(const Linear& l, int n_begin, int n_end) {
  int64_t row_bytes = (int64_t)l.x_stride * sizeof(typename P::X);
  int block = (int)(kBlockBytes / row_bytes) / kRows * kRows;
  if (block < kRows) block = kRows;
  for (int m = 0; m < l.M; m += block) {
    int rows = l.M - m < block ? l.M - m : block;
    for (int n = n_begin; n < n_end; n += kColumns) {
      if (n + 2 * kColumns <= n_end) {
        linear_rows<P, true>(l, m, rows, n, kColumns);
      } else {
        linear_rows<P, false>(l, m, rows, n, n_end - n < kColumns ? n_end - n : kColumns);
      }
    }
  }
}

void linear(const Linear& l, int n_begin, int n_end) {
  if (l.weight_dtype == SB_BF16) {
    linear_chunk<Bf16Weight>(l, n_begin, n_end);
  } else {
    linear_chunk<Fp32Weight>(l, n_begin, n_end);
  }
}

}  // namespace
