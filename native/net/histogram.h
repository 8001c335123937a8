// histogram.h: counts of durations in buckets whose width is an eighth of their size, so that a quantile is known to
// 12 percent at any scale.
#pragma once
#include <stdint.h>

namespace sn {

class Histogram {
 public:
  int64_t most = 0;

  void add(int64_t ns) {
    if (ns < 0) ns = 0;
    if (ns > most) most = ns;
    buckets_[bucket(ns)]++;
    count_++;
  }
  void add(const Histogram& other) {
    for (int i = 0; i < kBuckets; i++) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    if (other.most > most) most = other.most;
  }
  // The upper end of the bucket in which the quantile lies; 0 without values.
  int64_t quantile(double q) const {
    int64_t left = (int64_t)(q * (double)count_);
    for (int i = 0; i < kBuckets; i++) {
      left -= buckets_[i];
      if (left < 0 && count_ > 0) return upper(i) < most ? upper(i) : most;
    }
    return most;
  }

 private:
  static constexpr int kBuckets = 64 * 8;

  static int bucket(int64_t ns) {
    if (ns < 8) return (int)ns;
    int octave = 63 - __builtin_clzll((uint64_t)ns);
    return (octave - 2) * 8 + (int)(ns >> (octave - 3) & 7);
  }
  static int64_t upper(int i) {
    if (i < 8) return i;
    return (int64_t)(8 + i % 8 + 1) << (i / 8 - 1);
  }

  int64_t buckets_[kBuckets] = {};
  int64_t count_ = 0;
};

}  // namespace sn
