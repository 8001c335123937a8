// rows.h: the operations that go value by value or row by row.
//
// Layout: rows of fp32; tables and norms in the weights' type. Bound: reading and writing them in L2; together 2 to 3% of
// a step (SERVEBENCH_PROFILE), so none is fused into its neighbour.
#pragma once
#include "kernels.h"
#include "vec.h"

namespace {

// f(i, n) for each vector of `count` values; n < kWidth only at the last.
template <class Full, class Tail>
SB_INLINE void each_vector(int64_t count, Full full, Tail tail) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) full(i);
  if (i < count) tail(i, (int)(count - i));
}

void to_float(const void* source, int dtype, int64_t count, float* out) {
  if (dtype == SB_F32) {
    memcpy(out, source, (size_t)count * 4);
    return;
  }
  const uint16_t* s = (const uint16_t*)source;
  each_vector(
      count, [=](int64_t i) { store(out + i, widen(s + i)); },
      [=](int64_t i, int n) { store_n(out + i, widen_n(s + i, n), n); });
}

void to_bf16(const float* source, int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; i++) out[i] = to_bf16(source[i]);
}

void rmsnorm_group(const float* x, const float* weight, float eps, int g, float* y) {
  F squares = {};
  each_vector(
      g, [&](int64_t i) { squares = fma(load(x + i), load(x + i), squares); },
      [&](int64_t i, int n) { squares = fma(load_n(x + i, n), load_n(x + i, n), squares); });
  F scale = set1(1.0f / sqrtf(sum(squares) / (float)g + eps));
  each_vector(
      g, [=](int64_t i) { store(y + i, load(x + i) * scale * load(weight + i)); },
      [=](int64_t i, int n) { store_n(y + i, load_n(x + i, n) * scale * load_n(weight + i, n), n); });
}

void rmsnorm(const float* x, const float* weight, float eps, int groups, int g, float* y) {
  for (int i = 0; i < groups; i++) rmsnorm_group(x + (int64_t)i * g, weight, eps, g, y + (int64_t)i * g);
}

void rope(const float* x, const float* angles, int heads, int head_dim, int half, float* y) {
  const float* cosines = angles;
  const float* sines = angles + half;
  for (int h = 0; h < heads; h++, x += head_dim, y += head_dim) {
    const float* x2 = x + half;
    float* y2 = y + half;
    each_vector(
        half,
        [=](int64_t i) {
          F a = load(x + i), b = load(x2 + i), c = load(cosines + i), s = load(sines + i);
          store(y + i, a * c - b * s);
          store(y2 + i, b * c + a * s);
        },
        [=](int64_t i, int n) {
          F a = load_n(x + i, n), b = load_n(x2 + i, n), c = load_n(cosines + i, n), s = load_n(sines + i, n);
          store_n(y + i, a * c - b * s, n);
          store_n(y2 + i, b * c + a * s, n);
        });
    memcpy(y + 2 * half, x + 2 * half, (size_t)(head_dim - 2 * half) * 4);
  }
}

SB_INLINE F silu(F x) { return x / (set1(1.0f) + exp(-x)); }

void silu_mul(const float* gate, const float* up, int64_t count, float* y) {
  each_vector(
      count, [=](int64_t i) { store(y + i, silu(load(gate + i)) * load(up + i)); },
      [=](int64_t i, int n) { store_n(y + i, silu(load_n(gate + i, n)) * load_n(up + i, n), n); });
}

void add(const float* a, const float* b, int64_t count, float* y) {
  each_vector(
      count, [=](int64_t i) { store(y + i, load(a + i) + load(b + i)); },
      [=](int64_t i, int n) { store_n(y + i, load_n(a + i, n) + load_n(b + i, n), n); });
}

void random_values(sb_random_key key, uint32_t begin, int64_t count, float scale, float mean, int dtype, void* out) {
  if (dtype == SB_F32) {
    float* floats = (float*)out;
    for (int64_t i = 0; i < count; i++) {
      floats[i] = sb_random_unit(sb_random_bits(key, begin + (uint32_t)i)) * scale + mean;
    }
  } else {
    uint16_t* halves = (uint16_t*)out;
    for (int64_t i = 0; i < count; i++) {
      halves[i] = to_bf16(sb_random_unit(sb_random_bits(key, begin + (uint32_t)i)) * scale + mean);
    }
  }
}

}  // namespace
