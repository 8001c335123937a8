// delta.h: a line as its difference from the line before. Some servers repeat the whole reply in every event; kept as it
// came, a reply of n tokens would take memory of the order of n * n.
#pragma once
#include "bytes.h"

namespace sn {

// Copies so many bytes of the line before, then takes `literal` bytes that follow this step, then leaves out `skip`
// bytes of the line before.
struct DeltaStep {
  uint32_t copy;
  uint32_t literal;
  uint32_t skip;
};

class Delta {
 public:
  // Appends the steps that make `line` of `before`. False: no memory.
  static bool append(Bytes* out, const uint8_t* before, size_t before_size, const uint8_t* line, size_t size) {
    size_t p = 0, q = 0;
    while (q < size) {
      size_t same = common(before + p, before_size - p, line + q, size - q);
      p += same;
      q += same;
      DeltaStep step = meet(before + p, before_size - p, line + q, size - q);
      step.copy = (uint32_t)same;
      if (!out->append(&step, sizeof step) || !out->append(line + q, step.literal)) return false;
      p += step.skip;
      q += step.literal;
    }
    return true;
  }

 private:
  // Lines have met again when so many bytes are the same.
  static constexpr size_t kSame = 8;
  // A token or a few come in between; a count changes.
  static constexpr size_t kLiteralMax = 256, kSkipMax = 16;

  static size_t common(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size) {
    size_t most = a_size < b_size ? a_size : b_size, i = 0;
    for (uint64_t x, y; i + 8 <= most; i += 8) {
      memcpy(&x, a + i, 8);
      memcpy(&y, b + i, 8);
      if (x != y) return i + (size_t)(__builtin_ctzll(x ^ y) / 8);
    }
    while (i < most && a[i] == b[i]) i++;
    return i;
  }

  // The nearest place where both go on alike; where there is none, the rest of the line is literal.
  static DeltaStep meet(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size) {
    for (size_t distance = 1; distance <= kLiteralMax; distance++) {
      for (size_t skip = 0; skip <= kSkipMax && skip <= distance; skip++) {
        size_t literal = distance - skip;
        if (skip + kSame > a_size || literal + kSame > b_size) continue;
        if (memcmp(a + skip, b + literal, kSame) == 0) return {0, (uint32_t)literal, (uint32_t)skip};
      }
    }
    return {0, (uint32_t)b_size, 0};
  }
};

}  // namespace sn
