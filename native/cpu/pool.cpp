#include "pool.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/driver.h"

namespace sb::cpu {

// The fields of state_: 24 bits of job number, 20 of chunks, 20 of the next chunk.
constexpr int kChunkBits = 20;
constexpr int kMostChunks = (1 << kChunkBits) - 1;
static int next_of(uint64_t state) { return (int)(state & kMostChunks); }
static int chunks_of(uint64_t state) { return (int)(state >> kChunkBits & kMostChunks); }

constexpr int kSpins = 2000;  // of some 20 to 40 ns: longer than the serial parts between two operations

template <class T>
static T load(const T& x) { return __atomic_load_n(&x, __ATOMIC_SEQ_CST); }

bool Pool::start(int threads) {
  workers_ = static_cast<Worker*>(calloc(threads, sizeof(Worker)));
  if (!workers_) return false;
  threads_ = threads;
  for (int i = 1; i < threads; i++) {
    workers_[i] = {this, i, {}};
    if (!start_thread(&workers_[i].thread, "sb-cpu", worker, &workers_[i])) return false;
    started_ = i;
  }
  return true;
}

void Pool::stop() {
  __atomic_store_n(&stopping_, true, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&wakes_, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &wakes_, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
  for (int i = 1; i <= started_; i++) pthread_join(workers_[i].thread, nullptr);
  free(workers_);
}

// Takes chunks until none is left.
void Pool::work(int thread) {
  uint64_t state = load(state_);
  while (next_of(state) < chunks_of(state)) {
    if (!__atomic_compare_exchange_n(&state_, &state, state + 1, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
    body_(context_, first_ + next_of(state), thread);
    __atomic_fetch_add(&done_, 1, __ATOMIC_SEQ_CST);
    state = load(state_);
  }
}

void Pool::sleep() {
  uint32_t wakes = load(wakes_);
  __atomic_fetch_add(&sleepers_, 1, __ATOMIC_SEQ_CST);
  uint64_t state = load(state_);
  if (next_of(state) == chunks_of(state) && !load(stopping_)) {
    syscall(SYS_futex, &wakes_, FUTEX_WAIT_PRIVATE, wakes, nullptr, nullptr, 0);
  }
  __atomic_fetch_sub(&sleepers_, 1, __ATOMIC_SEQ_CST);
}

void* Pool::worker(void* argument) {
  Worker& self = *static_cast<Worker*>(argument);
  Pool& pool = *self.pool;
  int idle = 0;
  while (!load(pool.stopping_)) {
    uint64_t state = load(pool.state_);
    if (next_of(state) < chunks_of(state)) {
      pool.work(self.index);
      idle = 0;
    } else if (++idle < kSpins) {
      _mm_pause();
    } else {
      pool.sleep();
      idle = 0;
    }
  }
  return nullptr;
}

void Pool::run(int chunks, Body body, void* context) {
  if (chunks == 1 || threads_ == 1) {
    for (int i = 0; i < chunks; i++) body(context, i, 0);
    return;
  }
  pthread_mutex_lock(&lock_);
  for (int first = 0; first < chunks; first += kMostChunks) {
    // All chunks of the last job have ended, so nobody reads these.
    body_ = body;
    context_ = context;
    first_ = first;
    int count = chunks - first < kMostChunks ? chunks - first : kMostChunks;
    __atomic_store_n(&done_, 0, __ATOMIC_SEQ_CST);
    uint64_t job = (load(state_) >> 2 * kChunkBits) + 1;
    __atomic_store_n(&state_, job << 2 * kChunkBits | (uint64_t)count << kChunkBits, __ATOMIC_SEQ_CST);
    if (load(sleepers_)) {
      __atomic_fetch_add(&wakes_, 1, __ATOMIC_SEQ_CST);
      syscall(SYS_futex, &wakes_, FUTEX_WAKE_PRIVATE, count - 1, nullptr, nullptr, 0);
    }
    work(0);
    for (int spins = 0; load(done_) < count; spins++) {
      if (spins < kSpins) {
        _mm_pause();
      } else {
        sched_yield();  // the thread that has the last chunk may want this core
      }
    }
  }
  pthread_mutex_unlock(&lock_);
}

}  // namespace sb::cpu
