// histogram.h: counts of durations in buckets whose width is an eighth of their size, so that a quantile is known to
// 12 percent at any scale. One thread adds; others may read meanwhile.
#pragma once
#include <stdint.h>

namespace sn {

class Histogram {
 public:
  int64_t most() const { return load(most_); }

  void add(int64_t ns) {
    if (ns < 0) ns = 0;
    if (ns > most_) store(most_, ns);
    int64_t& held = buckets_[bucket(ns)];
    store(held, held + 1);
    store(count_, count_ + 1);
  }
  void add(const Histogram& other) {
    for (int i = 0; i < kBuckets; i++) buckets_[i] += load(other.buckets_[i]);
    count_ += load(other.count_);
    if (other.most() > most_) most_ = other.most();
  }
  // The upper end of the bucket in which the quantile lies; 0 without values.
  int64_t quantile(double q) const {
    int64_t left = (int64_t)(q * (double)count_);
    for (int i = 0; i < kBuckets; i++) {
      left -= buckets_[i];
      if (left < 0 && count_ > 0) return upper(i) < most_ ? upper(i) : most_;
    }
    return most_;
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

  static int64_t load(const int64_t& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); }
  static void store(int64_t& value, int64_t now) { __atomic_store_n(&value, now, __ATOMIC_RELAXED); }

  int64_t buckets_[kBuckets] = {};
  int64_t count_ = 0, most_ = 0;
};

}  // namespace sn
