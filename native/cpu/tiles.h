// tiles.h: y = x * weight^T on matrix tiles (AMX). T is the instructions: kernels_amx.cpp has the machine's, a test has
// portable ones. Under isa=amx every linear with a bf16 weight comes here, one row or many, so that a row's result does
// not depend on the others: an element is the sum of its 32-product steps in order of K.
//
// Layout: weights as checkpoints have them are the left operand, 16 columns of y a tile; x is the right one, rounded to
// bf16 with the values of 16 tokens side by side: [token / 16][K / 32][16 pairs of k][16 tokens][2]. Nothing is packed
// but x; what a tile gives is y transposed.
// Bound: 2 x 2 tiles load 4 tiles for 4 products; for one row, reading the weights.
// Not measured: no machine with AMX was at hand. Its arithmetic is tested by emulation.
#pragma once
#include <stdint.h>
#include <string.h>

#include "kernels.h"

namespace {

using sb::cpu::Linear;

constexpr int kTileRows = 16;  // of a tile: weights' rows, pairs of k, tokens
constexpr int kTileK = 32;     // bf16 values in a row of a tile

// Rounds the rows [begin, end) of x [rows, cols] to bf16 in the tiles' layout; `begin` is a multiple of kTileRows. What
// fills up the last tiles is 0.
template <class Round>
void pack_tiles(const float* x, int cols, int begin, int end, int stride, uint16_t* out, Round round) {
  for (int block = begin; block < end; block += kTileRows) {
    uint16_t* tiles = out + (int64_t)block * stride;
    memset(tiles, 0, (size_t)stride * kTileRows * 2);
    for (int m = block; m < end && m < block + kTileRows; m++) {
      const float* row = x + (int64_t)m * cols;
      for (int k = 0; k < cols; k++) tiles[(k / 2 * kTileRows + m - block) * 2 + k % 2] = round(row[k]);
    }
  }
}

// A step of weights that ends at N or K within the tile, filled up with zeros.
inline void copy_weights(const Linear& l, int n, int k, uint16_t* tile) {
  int rows = l.N - n < kTileRows ? l.N - n : kTileRows, size = l.K - k < kTileK ? l.K - k : kTileK;
  memset(tile, 0, kTileRows * kTileK * 2);
  for (int i = 0; i < rows; i++) {
    memcpy(tile + i * kTileK, (const uint16_t*)l.weight + (int64_t)(n + i) * l.K + k, (size_t)size * 2);
  }
}

template <class T, int Tile>
void load_weights(const Linear& l, int n, int k, uint16_t* edge) {
  if (n + kTileRows <= l.N && k + kTileK <= l.K) {
    T::template load<Tile>((const uint16_t*)l.weight + (int64_t)n * l.K + k, (int64_t)l.K * 2);
  } else {
    copy_weights(l, n, k, edge);
    T::template load<Tile>(edge, kTileK * 2);
  }
}

template <class T, int Tile>
void store_sums(const Linear& l, int m, int n, int n_end) {
  alignas(64) float sums[kTileRows * kTileRows];
  T::template store<Tile>(sums, kTileRows * 4);
  for (int i = 0; i < kTileRows && n + i < n_end; i++) {
    float bias = l.bias ? l.bias[n + i] : 0;
    for (int j = 0; j < kTileRows && m + j < l.M; j++) {
      l.y[(int64_t)(m + j) * l.N + n + i] = sums[i * kTileRows + j] + bias;
    }
  }
}

// Two tiles of columns from n on for two of tokens from m on, where there are as many. Tiles 0-3 are sums, 4-5 weights,
// 6-7 tokens.
template <class T>
void linear_tiles_at(const Linear& l, int m, int n, int n_end) {
  alignas(64) uint16_t edge[kTileRows * kTileK];
  const uint16_t* x = (const uint16_t*)l.x + (int64_t)m * l.x_stride;
  const uint16_t* x2 = x + (int64_t)kTileRows * l.x_stride;
  int n2 = n + kTileRows, m2 = m + kTileRows;
  bool wide = n2 < n_end, tall = m2 < l.M;
  T::template zero<0>();
  T::template zero<1>();
  T::template zero<2>();
  T::template zero<3>();
  for (int k = 0; k < l.K; k += kTileK, x += kTileRows * kTileK, x2 += kTileRows * kTileK) {
    T::template load<6>(x, kTileK * 2);
    if (tall) T::template load<7>(x2, kTileK * 2);
    load_weights<T, 4>(l, n, k, edge);
    T::template multiply<0, 4, 6>();
    if (tall) T::template multiply<1, 4, 7>();
    if (!wide) continue;
    load_weights<T, 5>(l, n2, k, edge);
    T::template multiply<2, 5, 6>();
    if (tall) T::template multiply<3, 5, 7>();
  }
  store_sums<T, 0>(l, m, n, n_end);
  if (tall) store_sums<T, 1>(l, m2, n, n_end);
  if (wide) store_sums<T, 2>(l, m, n2, n_end);
  if (wide && tall) store_sums<T, 3>(l, m2, n2, n_end);
}

template <class T>
void linear_tiles(const Linear& l, int n_begin, int n_end) {
  for (int n = n_begin; n < n_end; n += 2 * kTileRows) {
    for (int m = 0; m < l.M; m += 2 * kTileRows) linear_tiles_at<T>(l, m, n, n_end);
  }
}

}  // namespace
