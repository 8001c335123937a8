// linear.h: y = x * weight^T in dot form. Each output has one accumulator vector that walks K in steps of the
// vector width; tiles of several rows and columns only share loads, so an output never depends on the tile it is in.
//
// Layout: weights as checkpoints have them, [out][in] in the mapped file: nothing is packed or copied.
// Bound: one dot product instruction a cycle for many rows, reading the weights for few. The sum over the lanes at the
// end is 1 part in 8 of K = 576 and 1 in 30 of K = 2048.
// Tried (AVX-512 BF16, Zen 4, GFLOP/s of one core, whose peak is 234):
//   512 rows, K = 8192: 4 x 4 tiles over whole rows, of which 8 outgrow L1, 128-136; in slices of 4 KiB, the next one
//     fetched, 187; slices of 2 KiB 176, of 1 KiB 164. K = 2048, one slice: 200-210.
//   16 rows, K = 2048, weights in memory: nothing fetched ahead 110, the next columns during the first of four tiles 134,
//     during all four 140, into L1 instead of L2 109.
//   16 rows, both cores at once, K = 2048: as it is 166, every other line fetched 157, as non-temporal 132; chunks of 1 or
//     4 MiB instead of 256 KiB no faster. K = 8192: whole rows 137, slices 144.
//   Copying a file's weights to memory of the process: no faster (their tensors are too small for huge pages).
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
// Widened as it is read; the rest is fp32.
struct Bf16Weight : Fp32Weight {
  using W = uint16_t;
  SB_INLINE F w(const W* p) { return widen(p); }
  SB_INLINE F w_n(const W* p, int n) { return widen_n(p, n); }
};
#endif

constexpr int kColumns = 4;                                    // of a tile
constexpr int kRows = kWidth == 16 ? 4 : kWidth == 8 ? 3 : 2;  // most rows of a tile: what the registers hold
constexpr int64_t kBlockBytes = 256 << 10;                     // of x rows that stay in L2
constexpr int64_t kSliceBytes = 4 << 10;  // of a row: two tiles' rows of this size share L1
constexpr int kSliceRows = 8 * kRows;     // that go through a slice together
constexpr int kSliceColumns = 32;

// sum[i * kColumns + j] for the rows x[i] and the columns w[j], from 0 or, where `Continues`, from what it holds.
// Meanwhile fetches `Ahead` runs of K weights from `ahead` on.
template <class P, int R, int C, int Ahead, bool Continues>
SB_INLINE void dots(const typename P::X* const* x, const typename P::W* const* w, const typename P::W* ahead, int K,
                    F* sum) {
  F acc[R][C];
  for (int i = 0; i < R; i++) {
    for (int j = 0; j < C; j++) acc[i][j] = Continues ? sum[i * kColumns + j] : F{};
  }
  int k = 0;
  for (; k + P::step <= K; k += P::step) {
    for (int i = 0; i < Ahead * P::step; i += 64 / (int)sizeof(*ahead)) {
      _mm_prefetch((const char*)(ahead + (int64_t)k * Ahead + i), _MM_HINT_T1);
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

// Sums over the lanes of a tile's accumulators.
template <int R>
SB_INLINE void store_tile(const Linear& l, int m, int n, int columns, const F* sum) {
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

// Rows m .. m + R of x, columns n .. n + columns of the weight; columns beyond the last repeat it and are not stored.
template <class P, int R>
struct Operands {
  const typename P::X* x[R];
  const typename P::W* w[kColumns];

  SB_INLINE Operands of(const Linear& l, int m, int n, int columns, int k) {
    Operands out;
    for (int i = 0; i < R; i++) out.x[i] = (const typename P::X*)l.x + (int64_t)(m + i) * l.x_stride + k;
    for (int j = 0; j < kColumns; j++) {
      out.w[j] = (const typename P::W*)l.weight + (int64_t)(n + (j < columns ? j : columns - 1)) * l.K + k;
    }
    return out;
  }
};

// Meanwhile fetches the weights of `Ahead` columns from `next` on.
template <class P, int R, int Ahead>
SB_INLINE void linear_tile(const Linear& l, int m, int n, int columns, int next) {
  auto o = Operands<P, R>::of(l, m, n, columns, 0);
  F sum[R * kColumns];
  if constexpr (R == 1) {
    // Bound by memory, and one run of it is read faster than several side by side.
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; j++) dots<P, 1, 1, 0, false>(o.x, o.w + j, nullptr, l.K, sum + j);
  } else {
    dots<P, R, kColumns, Ahead, false>(o.x, o.w, (const typename P::W*)l.weight + (int64_t)next * l.K, l.K, sum);
  }
  store_tile<R>(l, m, n, columns, sum);
}

// Where the thread reads after the columns n .. n + kColumns of its chunk: there, or in the chunk that it takes next.
SB_INLINE int next_columns(const Linear& l, int n, int n_end) {
  int next = n + 2 * kColumns <= n_end ? n + kColumns : n_end + l.skip;
  return next + kColumns <= l.N ? next : n;
}

// One set of columns for `rows` rows. The next ones are fetched meanwhile, as evenly as the tiles allow: otherwise
// memory would wait while few rows are computed.
template <class P>
__attribute__((noinline)) void linear_rows(const Linear& l, int m, int rows, int n, int columns, int next) {
  int tiles = rows / kRows;
  for (int i = 0; i < tiles; i++, m += kRows) {
    if (tiles >= kColumns) {
      if (i < kColumns) {
        linear_tile<P, kRows, 1>(l, m, n, columns, next + i);
      } else {
        linear_tile<P, kRows, 0>(l, m, n, columns, 0);
      }
    } else if (tiles > 1) {
      linear_tile<P, kRows, 2>(l, m, n, columns, next + (i & 1) * 2);
    } else {
      linear_tile<P, kRows, kColumns>(l, m, n, columns, next);
    }
  }
  int rest = rows % kRows;
  if (rest == 1) linear_tile<P, 1, 0>(l, m, n, columns, 0);
  if (kRows > 2 && rest == 2) linear_tile<P, 2, 0>(l, m, n, columns, 0);
  if (kRows > 3 && rest == 3) linear_tile<P, 3, 0>(l, m, n, columns, 0);
}

// `rows` rows and up to kSliceColumns columns, whole tiles, slice by slice of K. Each of the first tiles of a piece of
// weights fetches one column of the next piece.
template <class P>
__attribute__((noinline)) void linear_slices(const Linear& l, int m, int rows, int n, int n_end) {
  constexpr int kSlice = kSliceBytes / sizeof(typename P::X), kTile = kRows * kColumns;
  F sums[kSliceRows * kSliceColumns];
  for (int k = 0; k < l.K; k += kSlice) {
    int size = l.K - k < kSlice ? l.K - k : kSlice;
    F* sum = sums;
    for (int j = n; j < n_end; j += kColumns) {
      bool last = j + kColumns >= n_end, ends = k + kSlice >= l.K;
      int next = !last ? j + kColumns : ends ? next_columns(l, j, n_end) : n;
      const auto* piece = (const typename P::W*)l.weight + (int64_t)next * l.K + (!last ? k : ends ? 0 : k + kSlice);
      for (int i = 0; i < rows; i += kRows, sum += kTile) {
        auto o = Operands<P, kRows>::of(l, m + i, j, kColumns, k);
        const auto* ahead = piece + (int64_t)(i / kRows) * l.K;
        bool fetches = i < kRows * kColumns;
        if (k == 0) {
          if (fetches) dots<P, kRows, kColumns, 1, false>(o.x, o.w, ahead, size, sum);
          else dots<P, kRows, kColumns, 0, false>(o.x, o.w, nullptr, size, sum);
        } else if (fetches) {
          dots<P, kRows, kColumns, 1, true>(o.x, o.w, ahead, size, sum);
        } else {
          dots<P, kRows, kColumns, 0, true>(o.x, o.w, nullptr, size, sum);
        }
      }
    }
  }
  const F* sum = sums;
  for (int j = n; j < n_end; j += kColumns) {
    for (int i = m; i < m + rows; i += kRows, sum += kTile) store_tile<kRows>(l, i, j, kColumns, sum);
  }
}

// A block of x stays in L2 while the chunk's columns pass, four at a time from L1.
template <class P>
void linear_block(const Linear& l, int m, int rows, int n_begin, int n_end) {
  for (int n = n_begin; n < n_end; n += kColumns) {
    linear_rows<P>(l, m, rows, n, n_end - n < kColumns ? n_end - n : kColumns, next_columns(l, n, n_end));
  }
}

template <class P>
void linear_chunk(const Linear& l, int n_begin, int n_end) {
  int m = 0;
  if (l.K * (int64_t)sizeof(typename P::X) > kSliceBytes) {
    int whole = n_begin + (n_end - n_begin) / kColumns * kColumns;
    while (l.M - m >= kRows * kColumns) {
      int rows = (l.M - m < kSliceRows ? l.M - m : kSliceRows) / kRows * kRows;
      for (int n = n_begin; n < whole; n += kSliceColumns) {
        linear_slices<P>(l, m, rows, n, n + kSliceColumns < whole ? n + kSliceColumns : whole);
      }
      if (whole < n_end) linear_block<P>(l, m, rows, whole, n_end);
      m += rows;
    }
  }
  int block = (int)(kBlockBytes / ((int64_t)l.x_stride * (int)sizeof(typename P::X))) / kRows * kRows;
  if (block < kRows) block = kRows;
  for (; m < l.M; m += block) linear_block<P>(l, m, l.M - m < block ? l.M - m : block, n_begin, n_end);
}

void linear(const Linear& l, int n_begin, int n_end) {
  if (l.weight_dtype == SB_BF16) {
    linear_chunk<Bf16Weight>(l, n_begin, n_end);
  } else {
    linear_chunk<Fp32Weight>(l, n_begin, n_end);
  }
}

}  // namespace
