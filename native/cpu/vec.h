// vec.h: a vector of kWidth floats on the instruction set that this file is compiled for. Arithmetic, comparison
// and selection are GCC's vector extensions; the rest is here. Everything is private to its translation unit: code
// of one instruction set must not be shared with another's.
#pragma once
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float F __attribute__((vector_size(4 * kWidth)));
typedef int32_t I __attribute__((vector_size(4 * kWidth)));

#define SB_INLINE static inline __attribute__((always_inline))

SB_INLINE F set1(float f) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(f);
#elif defined(__AVX2__)
  return _mm256_set1_ps(f);
#else
  return _mm_set1_ps(f);
#endif
}
SB_INLINE F load(const float* p) {
  F v;
  memcpy(&v, p, sizeof v);
  return v;
}
SB_INLINE void store(float* p, F v) { memcpy(p, &v, sizeof v); }

SB_INLINE I lanes() {
  I v = {};
  for (int i = 0; i < kWidth; i++) v[i] = i;
  return v;
}
// The first n lanes of v, the others from `rest`.
SB_INLINE F first_n(F v, int n, F rest) { return lanes() < n ? v : rest; }

// Whether any lane of a comparison holds.
SB_INLINE bool any(I mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return _mm_movemask_ps((__m128)mask) != 0;
#endif
}

// The larger; b where either is NaN, so that a chain max(x, m) drops NaN in x and max(m, x) keeps it.
SB_INLINE F max(F a, F b) { return a > b ? a : b; }
SB_INLINE F min(F a, F b) { return a < b ? a : b; }

SB_INLINE F fma(F a, F b, F c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

// n < kWidth values; the other lanes are 0.
SB_INLINE F load_n(const float* p, int n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  F v = {};
  memcpy(&v, p, (size_t)n * 4);
  return v;
#endif
}
SB_INLINE void store_n(float* p, F v, int n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#else
  memcpy(p, &v, (size_t)n * 4);
#endif
}

// bf16 to fp32.
SB_INLINE F widen(const uint16_t* p) {
#if defined(__AVX512F__)
  __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
#elif defined(__AVX2__)
  __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
#else
  __m128i bits = _mm_loadl_epi64((const __m128i*)p);
  return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), bits));
#endif
}
SB_INLINE F widen_n(const uint16_t* p, int n) {
  uint16_t padded[kWidth] = {};
  memcpy(padded, p, (size_t)n * 2);
  return widen(padded);
}

// One fp32 value to bf16, to nearest, ties to even; NaN stays NaN.
SB_INLINE uint16_t to_bf16(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (uint16_t)(f != f ? bits >> 16 | 0x40 : rounded);
}

// ---- over the lanes: lane i with lane i + kWidth/2, and so on down to 1 ----

typedef float F4 __attribute__((vector_size(16)));

// Halves added until four lanes are left.
SB_INLINE F4 fold(F v) {
#if defined(__AVX512F__)
  __m256 half = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
  return _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
#elif defined(__AVX2__)
  return _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
#else
  return v;
#endif
}
SB_INLINE float sum(F v) {
  F4 f = fold(v);
  f += (F4)_mm_shuffle_ps(f, f, 0xee);
  return f[0] + f[1];
}
SB_INLINE float max_lane(F v) {
#if defined(__AVX512F__)
  __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 quad = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__AVX2__)
  __m128 quad = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
#else
  __m128 quad = v;
#endif
  quad = _mm_max_ps(quad, _mm_movehl_ps(quad, quad));
  return _mm_cvtss_f32(_mm_max_ss(quad, _mm_shuffle_ps(quad, quad, 1)));
}

// ---- exp ----

// e^x within 1.1 units in the last place (Cephes' polynomial; measured on [-87, 88.7]); 0 below -104, infinity above
// 88.73, NaN for NaN.
SB_INLINE F exp(F x) {
  x = max(set1(-104.0f), x);
  x = min(set1(89.0f), x);
  const F magic = set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  F shifted = fma(x, set1(1.44269504f), magic);
  F n = shifted - magic;
  F r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  F p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p, r * r, r) + set1(1.0f);
  // 2^n in two factors, each in range.
  I k = (I)shifted - (I)magic;
  I half = k >> 1;
  return p * (F)((half + 127) << 23) * (F)((k - half + 127) << 23);
}

}  // namespace
