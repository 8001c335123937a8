// bare.cpp: the least that a client can be, as a yardstick for the real one. It shares no code with it: one thread, no
// HTTP, no JSON; every "data:" in what it reads is an event, stamped with the time of the read.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/error.h"
#include "net.h"

namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr int kBatch = 512;

struct Stream {
  int fd;
  int events;
  bool written;
  double* out;
};

double clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct Run {
  const uint8_t* request;
  int32_t length, events;
  double start;
  int epoll;
  uint8_t* buffer;
  int open = 0, complete = 0;

  void begin(Stream* s, const sockaddr_in& address) {
    s->out[0] = clock_ns() - start;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) return;
    int on = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool connected = connect(s->fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (connected) write(s);
    watch(EPOLL_CTL_ADD, s, connected ? EPOLLIN : EPOLLOUT);
    open++;
  }
  // A request is small enough for the kernel to take it whole.
  void write(Stream* s) { s->written = send(s->fd, request, length, MSG_NOSIGNAL) == length; }

  void handle(Stream* s) {
    if (!s->written) {
      write(s);
      return watch(EPOLL_CTL_MOD, s, EPOLLIN);
    }
    ssize_t got = recv(s->fd, buffer, kReadBytes, 0);
    double at = clock_ns() - start;
    const uint8_t* end = buffer + (got > 0 ? got : 0);
    for (const uint8_t* data = buffer; (data = static_cast<const uint8_t*>(memmem(data, end - data, "data:", 5))); data += 5) {
      if (s->events < events) s->out[1 + s->events++] = at;
    }
    bool last = got >= 5 && memcmp(end - 5, "0\r\n\r\n", 5) == 0;
    if (got > 0 && !last) return;
    if (last) complete++;
    close(s->fd);
    open--;
  }

  void watch(int operation, Stream* s, uint32_t what) {
    epoll_event event = {};
    event.events = what;
    event.data.ptr = s;
    epoll_ctl(epoll, operation, s->fd, &event);
  }
};

}  // namespace

int32_t sn_bare_run(int32_t port, const uint8_t* request, int32_t length, int32_t streams, int32_t events, double* out) {
  auto* all = static_cast<Stream*>(calloc(streams, sizeof(Stream)));
  auto* buffer = static_cast<uint8_t*>(malloc(kReadBytes));
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (!all || !buffer || epoll < 0) return sb::fail("sn_bare_run: no memory");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Run run = {request, length, events, clock_ns(), epoll, buffer};
  for (int i = 0; i < streams; i++) {
    all[i].out = out + (size_t)i * (events + 1);
    run.begin(&all[i], address);
  }
  epoll_event ready[kBatch];
  while (run.open > 0) {
    int count = epoll_wait(epoll, ready, kBatch, -1);
    for (int i = 0; i < count; i++) run.handle(static_cast<Stream*>(ready[i].data.ptr));
  }
  close(epoll);
  free(buffer);
  free(all);
  return run.complete;
}
