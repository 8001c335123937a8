// clock.h: the one clock of all stamps.
#pragma once
#include <stdint.h>
#include <time.h>

namespace sn {

constexpr int64_t kSecond = 1000000000;

inline int64_t ns_of(const timespec& t) { return t.tv_sec * kSecond + t.tv_nsec; }

inline int64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  clock_gettime(clock, &t);
  return ns_of(t);
}

// CPU time of the calling thread.
inline int64_t thread_cpu_ns() { return now_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace sn
