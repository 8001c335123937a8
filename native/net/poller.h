// poller.h: epoll with waits of nanoseconds, and a doorbell that other threads ring.
#pragma once
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

namespace sn {

class Poller {
 public:
  static constexpr int kEventsMax = 512;
  epoll_event events[kEventsMax];

  bool open() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    bell_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return epoll_ >= 0 && bell_ >= 0 && add(bell_, nullptr, EPOLLIN);
  }
  void close() {
    if (epoll_ >= 0) ::close(epoll_);
    if (bell_ >= 0) ::close(bell_);
    epoll_ = bell_ = -1;
  }

  // To be called once by the thread that waits: the kernel's default slack makes waits up to 50 us late.
  static void sharpen() { prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); }

  bool add(int fd, void* tag, uint32_t what) { return control(EPOLL_CTL_ADD, fd, tag, what); }
  bool change(int fd, void* tag, uint32_t what) { return control(EPOLL_CTL_MOD, fd, tag, what); }

  void ring() {
    uint64_t one = 1;
    (void)!write(bell_, &one, sizeof one);
  }
  void silence() {
    uint64_t rung;
    (void)!read(bell_, &rung, sizeof rung);
  }

  // Waits until something happens, at most `wait_ns` (negative: for ever); returns the number of events.
  int wait(int64_t wait_ns) {
    int count;
    if (wait_ns == 0 || no_pwait2_) {
      int64_t ms = wait_ns < 0 ? -1 : wait_ns / 1000000;
      count = epoll_wait(epoll_, events, kEventsMax, (int)ms);
    } else {
      timespec limit = {wait_ns / kSecond, wait_ns % kSecond};
      count = (int)syscall(SYS_epoll_pwait2, epoll_, events, kEventsMax, wait_ns < 0 ? nullptr : &limit, nullptr, 0);
      if (count < 0 && errno == ENOSYS) {  // before Linux 5.11: whole milliseconds, the rest is spent polling
        no_pwait2_ = true;
        return 0;
      }
    }
    return count < 0 ? 0 : count;
  }

 private:
  bool control(int operation, int fd, void* tag, uint32_t what) {
    epoll_event event = {};
    event.events = what;
    event.data.ptr = tag;
    return epoll_ctl(epoll_, operation, fd, &event) == 0;
  }

  int epoll_ = -1, bell_ = -1;
  bool no_pwait2_ = false;
};

}  // namespace sn
