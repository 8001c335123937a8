// pool.h: fork and join over the threads of a CPU device.
#pragma once
#include <pthread.h>
#include <stdint.h>

namespace sb::cpu {

// `chunks` calls of body(context, chunk, thread), shared out as threads come free.
using Body = void (*)(void* context, int chunk, int thread);

// Thread 0 is the caller of `run`; one caller at a time (it takes `lock`). Idle threads spin for some
// microseconds, then sleep.
class Pool {
 public:
  bool start(int threads);
  void stop();
  int threads() const { return threads_; }
  void run(int chunks, Body body, void* context);

  // f(begin, end, thread) over [0, count) in chunks of `grain`.
  template <class F>
  void each(int count, int grain, F f) {
    struct Context {
      F& f;
      int count, grain;
    } context{f, count, grain};
    auto body = [](void* opaque, int chunk, int thread) {
      Context& c = *static_cast<Context*>(opaque);
      int begin = chunk * c.grain;
      c.f(begin, begin + c.grain < c.count ? begin + c.grain : c.count, thread);
    };
    run((count + grain - 1) / grain, body, &context);
  }

 private:
  static void* worker(void* argument);
  void work(int thread);
  void sleep();

  // {job number, chunks, next chunk}: whoever advances `next` owns that chunk, and with it the job's fields.
  uint64_t state_ = 0;
  Body body_ = nullptr;
  void* context_ = nullptr;
  int first_ = 0;        // added to the chunk numbers of the job
  int done_ = 0;         // chunks of the job that have ended
  uint32_t wakes_ = 0;   // futex
  int sleepers_ = 0;
  bool stopping_ = false;
  int threads_ = 1;
  int started_ = 0;
  struct Worker {
    Pool* pool;
    int index;
    pthread_t thread;
  };
  Worker* workers_ = nullptr;
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
};

}  // namespace sb::cpu
