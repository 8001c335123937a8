// clock.h: the one clock of all stamps.
#pragma once
#include <stdint.h>
#include <time.h>

namespace sn {

constexpr int64_t kSecond = 1000000000;

inline int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

// CPU time of the calling thread.
inline int64_t thread_cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

}  // namespace sn
