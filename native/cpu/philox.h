// philox.h: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), the stream of every draw.
#pragma once
#include <stdint.h>

namespace {

// Uniform in [0, 1) with 53 bits, from the first two words at counter {position, 0, 0, 0}.
inline double philox_uniform(uint32_t key0, uint32_t key1, uint32_t position) {
  uint32_t c0 = position, c1 = 0, c2 = 0, c3 = 0;
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
    c0 = n0;
    c1 = (uint32_t)p1;
    c2 = n2;
    c3 = (uint32_t)p0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return ((c0 >> 5) * 67108864.0 + (c1 >> 6)) * 0x1p-53;
}

}  // namespace
