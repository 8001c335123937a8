// receiver.h: reads sockets, and tells when what was read had come in.
//
// The kernel stamps packets as they arrive (SO_TIMESTAMPNS), so that it does not show in a stamp how long the bytes lay
// there before their turn came: with a thousand streams that is milliseconds. Of packets that are read together it tells
// the stamp of the last. Its stamps are of the wall clock; here they become those of the monotonic one.
#pragma once
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

namespace sn {

class Receiver {
 public:
  // Asks for stamps of what comes in over a socket.
  static void open(int fd) {
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  }

  // To be called now and then before `receive`: finds how far the wall clock is ahead. It may have been set meanwhile.
  void align() {
    for (int tries = 0; tries < kTriesMax; tries++) {
      int64_t before = now_ns(), wall = now_ns(CLOCK_REALTIME), after = now_ns();
      ahead_ = wall - before - (after - before) / 2;
      if (after - before < kInterruptedNs) return;
    }
  }

  // As recv(). `at` is set to when the last byte came in, which was not before `not_before`: by the kernel's stamp, or
  // without one to the present time. `now` is that in any case.
  ssize_t receive(int fd, void* data, size_t size, int64_t not_before, int64_t* at, int64_t* now) {
    alignas(cmsghdr) char control[128];
    iovec part = {data, size};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(fd, &message, 0);
    *at = *now = now_ns();
    if (got <= 0) return got;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) return got;
    timespec wall;
    memcpy(&wall, CMSG_DATA(header), sizeof wall);
    int64_t stamp = ns_of(wall) - ahead_;
    // Outside of these bounds the wall clock was set between the stamp and now.
    if (stamp >= not_before - kInterruptedNs && stamp < *now) *at = stamp > not_before ? stamp : not_before;
    return got;
  }

 private:
  static constexpr int kTriesMax = 3;
  // Between two looks at the clock; if it took longer, something came between.
  static constexpr int64_t kInterruptedNs = 1000;

  int64_t ahead_ = 0;  // of the wall clock, in ns
};

}  // namespace sn
