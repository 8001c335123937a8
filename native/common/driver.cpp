#include "driver.h"

#include <signal.h>
#include <time.h>

#include "backend.h"
#include "error.h"
#include "step.h"

namespace sb {

struct Driver {
  pthread_t thread;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t queued = PTHREAD_COND_INITIALIZER;
  pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
  Slot* head = nullptr;
  Slot* tail = nullptr;
  bool stopping = false;
};

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int execute(Program& p, Step& step) {
  if (resolve_ids(p, step) || resolve_adjustments(p, step)) return -1;
  derive_positions(step);
  return backend::execute(p, step);
}

static void run(Slot& slot) {
  Program& p = *slot.program;
  if (p.ended_ns) {
    int64_t idle_us = (now_ns() - p.ended_ns) / 1000;
    __atomic_store_n(&p.idle_us, idle_us < INT32_MAX ? (int32_t)idle_us : INT32_MAX, __ATOMIC_RELAXED);
  }
  p.previous_failed = execute(p, slot.step) != 0;
  slot.error[0] = 0;
  if (p.previous_failed) {
    strncpy(slot.error, last_error(), sizeof slot.error - 1);
    slot.error[sizeof slot.error - 1] = 0;
  } else if (p.sample_values) {
    for (int row = 0; row < slot.step.rows; row++) p.previous_tokens[row] = *slot.step.row_result(row);
  }
  p.ended_ns = now_ns();
}

static void* loop(void* argument) {
  Driver& d = *static_cast<Driver*>(argument);
  pthread_mutex_lock(&d.mutex);
  for (;;) {
    while (!d.head && !d.stopping) pthread_cond_wait(&d.queued, &d.mutex);
    Slot* slot = d.head;
    if (!slot) break;
    d.head = slot->next;
    pthread_mutex_unlock(&d.mutex);
    run(*slot);
    pthread_mutex_lock(&d.mutex);
    slot->done = true;
    pthread_cond_broadcast(&d.finished);
  }
  pthread_mutex_unlock(&d.mutex);
  return nullptr;
}

bool start_thread(pthread_t* thread, const char* name, void* (*body)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(thread, nullptr, body, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (started) pthread_setname_np(*thread, name);
  return started;
}

Driver* driver_start() {
  Driver* d = static_cast<Driver*>(malloc(sizeof(Driver)));
  if (!d) return nullptr;
  *d = Driver{};
  if (start_thread(&d->thread, "sb-driver", loop, d)) return d;
  free(d);
  return nullptr;
}

void driver_stop(Driver* d) {
  pthread_mutex_lock(&d->mutex);
  d->stopping = true;
  pthread_cond_signal(&d->queued);
  pthread_mutex_unlock(&d->mutex);
  pthread_join(d->thread, nullptr);
  free(d);
}

void driver_queue(Driver* d, Slot* slot) {
  slot->next = nullptr;
  slot->done = false;
  pthread_mutex_lock(&d->mutex);
  if (d->head) {
    d->tail->next = slot;
  } else {
    d->head = slot;
  }
  d->tail = slot;
  pthread_cond_signal(&d->queued);
  pthread_mutex_unlock(&d->mutex);
}

void driver_wait(Driver* d, const Slot* slot) {
  pthread_mutex_lock(&d->mutex);
  while (!slot->done) pthread_cond_wait(&d->finished, &d->mutex);
  pthread_mutex_unlock(&d->mutex);
}

}  // namespace sb
