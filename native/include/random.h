/*
 * random.h: the values of sb_random, the same on every backend. Only integer operations and two fp32 operations
 * (a product, then a sum, not fused), so that compilers cannot differ.
 */
#ifndef SERVEBENCH_RANDOM_H
#define SERVEBENCH_RANDOM_H

#include <stdint.h>

#ifndef SB_HOST_DEVICE
#define SB_HOST_DEVICE
#endif

/* What does not depend on the index: computed once for each run of 2^32 values. */
struct sb_random_key {
  uint32_t add, flip;
};

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
SB_HOST_DEVICE static inline struct sb_random_key sb_random_key_of(int64_t seed, uint32_t index_high) {
  uint64_t z = (uint64_t)seed + 0x9e3779b97f4a7c15u * (1u + (uint64_t)index_high);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  struct sb_random_key key = {(uint32_t)z, (uint32_t)(z >> 32)};
  return key;
}

/* A 32-bit mixing function ("lowbias32" of Wellons' hash prospector) over the low half of the index. */
SB_HOST_DEVICE static inline uint32_t sb_random_bits(struct sb_random_key key, uint32_t index_low) {
  uint32_t x = (index_low + key.add) ^ key.flip;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* In (-1, 1): an odd multiple of 2^-24. */
SB_HOST_DEVICE static inline float sb_random_unit(uint32_t bits) {
  return (float)(((int32_t)bits >> 8) * 2 + 1) * 0x1p-24f;
}

/* The value is sb_random_unit * (float)(std * sqrt(3)) + (float)mean. */
#define SB_RANDOM_SQRT3 1.7320508075688772

#endif
