// mock.cpp: a server that generates nothing and is exact about when. One thread: it writes each event when it is due
// and puts the time of the write into it, so that a client can tell its own lateness from the server's.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../common/error.h"
#include "../common/memory.h"
#include "../common/options.h"
#include "bytes.h"
#include "histogram.h"
#include "net.h"
#include "poller.h"

namespace sn {
namespace {

using sb::Array;
using sb::fail;

constexpr size_t kRequestBytesMax = 64u << 20;
constexpr size_t kReadBytes = 256 * 1024;
constexpr int kStampBytes = 17;
// A wait ends this much early, and the rest is spent polling: sleeps end late.
constexpr int64_t kPollNs = 60000;
// Events between two looks at the sockets.
constexpr int kBurst = 64;

enum Fault { kNone, kError500, kEmpty, kReset, kCut, kStall, kGarbage, kErrorEvent, kFaults };
const char* const fault_names[kFaults] = {"", "error_500", "empty", "reset", "cut", "stall", "garbage", "error_event"};

struct MockOptions {
  sockaddr_in address;
  int64_t ttft_ns, itl_ns;
  int tokens, per_write;
  bool lockstep;
  uint32_t seed;
  int faults[kFaults];
};

// A connection, and the reply that it is getting.
struct Connection {
  int fd;
  Bytes request;
  Bytes unsent;
  int place = -1;       // among all connections
  bool replying = false, streamed = false, closes = false;
  int tokens = 0, sent = 0, stop_at = 0;
  Fault fault = kNone;
  int64_t due = 0;
  int scheduled = -1;   // place in the heap

  void destroy() {
    ::close(fd);
    request.release();
    unsent.release();
    free(this);
  }
};

// Connections by the time of their next event. Knows where each stands, so that one can be taken out.
class Schedule {
 public:
  Connection* first() { return heap_.count > 0 ? heap_[0] : nullptr; }
  bool push(Connection* c) {
    if (!heap_.push(c)) return false;
    c->scheduled = heap_.count - 1;
    rise(c->scheduled);
    return true;
  }
  void remove(Connection* c) {
    int i = c->scheduled;
    if (i < 0) return;
    c->scheduled = -1;
    Connection* last = heap_[--heap_.count];
    if (last == c) return;
    place(i, last);
    rise(i);
    sink(last->scheduled);
  }
  void release() { heap_.release(); }

 private:
  void place(int i, Connection* c) {
    heap_[i] = c;
    c->scheduled = i;
  }
  void rise(int i) {
    Connection* c = heap_[i];
    for (; i > 0 && c->due < heap_[(i - 1) / 2]->due; i = (i - 1) / 2) place(i, heap_[(i - 1) / 2]);
    place(i, c);
  }
  void sink(int i) {
    Connection* c = heap_[i];
    for (;;) {
      int child = 2 * i + 1;
      if (child + 1 < heap_.count && heap_[child + 1]->due < heap_[child]->due) child++;
      if (child >= heap_.count || heap_[child]->due >= c->due) break;
      place(i, heap_[child]);
      i = child;
    }
    place(i, c);
  }
  Array<Connection*> heap_;
};

class Mock {
 public:
  Bytes parts[SN_PARTS];

  int open(const MockOptions& options) {
    options_ = options;
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto* address = reinterpret_cast<const sockaddr*>(&options_.address);
    if (bind(listener_, address, sizeof options_.address) != 0 || listen(listener_, 4096) != 0) {
      return fail("cannot listen on port %d: %s", ntohs(options_.address.sin_port), strerror(errno));
    }
    buffer_ = static_cast<uint8_t*>(malloc(kReadBytes));
    if (!buffer_ || !poller_.open() || !poller_.add(listener_, &listener_, EPOLLIN)) return fail("cannot poll");
    return 0;
  }

  int start() {
    sockaddr_in bound;
    socklen_t bytes = sizeof bound;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &bytes);
    started_ = pthread_create(&thread_, nullptr, [](void* self) -> void* {
      static_cast<Mock*>(self)->run();
      return nullptr;
    }, this) == 0;
    return started_ ? ntohs(bound.sin_port) : fail("cannot start the thread");
  }

  void stop() {
    __atomic_store_n(&stopping_, true, __ATOMIC_RELEASE);
    poller_.ring();
    if (started_) pthread_join(thread_, nullptr);
    while (all_.count > 0) drop(all_[0]);
    if (listener_ >= 0) ::close(listener_);
    poller_.close();
    schedule_.release();
    all_.release();
    chunk_.release();
    arrivals_.release();
    for (Bytes& part : parts) part.release();
    free(buffer_);
  }

 private:
  void run() {
    Poller::sharpen();
    while (!__atomic_load_n(&stopping_, __ATOMIC_ACQUIRE)) {
      bool more = send_due();
      int ready = poller_.wait(more ? 0 : wait_ns());
      for (int i = 0; i < ready; i++) handle(poller_.events[i]);
    }
  }

  int64_t wait_ns() {
    Connection* first = schedule_.first();
    if (!first) return -1;
    int64_t left = first->due - now_ns() - kPollNs;
    return left > 0 ? left : 0;
  }

  // ---- requests ----

  void handle(const epoll_event& event) {
    if (event.data.ptr == nullptr) return poller_.silence();
    if (event.data.ptr == &listener_) return accept_all();
    auto* c = static_cast<Connection*>(event.data.ptr);
    if (event.events & EPOLLOUT && !flush(c)) return;
    if (event.events & ~(uint32_t)EPOLLOUT) read(c);
  }

  void accept_all() {
    for (int i = 0; i < kBurst; i++) {
      int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      // Flat out, the kernel may join small writes: a packet for each would measure the loopback device.
      int at_once = options_.itl_ns > 0;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
      auto* c = static_cast<Connection*>(malloc(sizeof(Connection)));
      if (!c) return (void)::close(fd);
      *c = Connection{.fd = fd, .request = {}, .unsent = {}};
      c->place = all_.count;
      if (!all_.push(c) || !poller_.add(fd, c, EPOLLIN)) return drop(c);
    }
  }

  void read(Connection* c) {
    ssize_t got = recv(c->fd, buffer_, kReadBytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      if (c->replying) abandoned_++;
      return drop(c);
    }
    if (!c->request.append(buffer_, got) || c->request.size > kRequestBytesMax) return drop(c);
    if (!c->replying) take_request(c);
  }

  void take_request(Connection* c) {
    auto* text = reinterpret_cast<const char*>(c->request.data);
    auto* blank = static_cast<const char*>(memmem(text, c->request.size, "\r\n\r\n", 4));
    if (!blank) return;
    size_t head = blank + 4 - text;
    size_t body = (size_t)number_after(text, head, "content-length:", 0);
    if (c->request.size < head + body) return;
    int64_t now = now_ns();
    c->closes = find(text, head, "connection: close") != nullptr;
    if (memcmp(text, "GET ", 4) == 0) answer_get(c, text + 4);
    else begin_reply(c, text + head, body, now);
    // What follows is the next request.
    memmove(c->request.data, c->request.data + head + body, c->request.size - head - body);
    c->request.size -= head + body;
  }

  void answer_get(Connection* c, const char* path) {
    if (strncmp(path, "/health", 7) == 0) return answer(c, "200 OK", "", 0);
    if (strncmp(path, "/mock", 5) != 0) return answer(c, "200 OK", parts[SN_MODELS].data, parts[SN_MODELS].size);
    Bytes figures;
    write_figures(&figures);
    answer(c, "200 OK", figures.data, figures.size);
    figures.release();
  }

  void write_figures(Bytes* out) {
    char text[512];
    rusage use;
    getrusage(RUSAGE_SELF, &use);
    int length = snprintf(text, sizeof text,
                          "{\"requests\":%lld,\"events\":%lld,\"abandoned\":%lld,\"late_p50_ns\":%lld,\"late_p99_ns\":%lld,"
                          "\"late_max_ns\":%lld,\"cpu_ns\":%lld,\"arrivals_ns\":[",
                          (long long)arrivals_.count, (long long)events_, (long long)abandoned_,
                          (long long)late_.quantile(0.5), (long long)late_.quantile(0.99), (long long)late_.most(),
                          (long long)thread_cpu_ns());
    out->append(text, length);
    for (int i = 0; i < arrivals_.count; i++) {
      length = snprintf(text, sizeof text, i ? ",%lld" : "%lld", (long long)arrivals_[i]);
      out->append(text, length);
    }
    out->append("]}", 2);
    late_ = {};
    events_ = abandoned_ = 0;
    arrivals_.count = 0;
  }

  void answer(Connection* c, const char* status, const void* body, size_t size) {
    char head[160];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                          status, size);
    chunk_.size = 0;
    chunk_.append(head, length);
    chunk_.append(body, size);
    if (send_chunk(c) && c->closes) drop(c);
  }

  void begin_reply(Connection* c, const char* body, size_t size, int64_t now) {
    arrivals_.push(now);
    // Each wire format has a name of its own for it.
    static const char* const names[] = {"\"max_tokens\":", "\"max_completion_tokens\":", "\"max_new_tokens\":",
                                        "\"n_predict\":"};
    int64_t asked = 16;
    for (const char* name : names) asked = number_after(body, size, name, asked);
    c->tokens = options_.tokens > 0 ? options_.tokens : (int)asked;
    c->streamed = find(body, size, "\"stream\": true") || find(body, size, "\"stream\":true");
    c->fault = draw_fault();
    c->stop_at = c->fault == kNone ? INT32_MAX : c->tokens / 2;
    c->sent = 0;
    c->replying = true;
    if (c->fault == kError500) {
      c->replying = false;
      const char text[] = "{\"error\":{\"message\":\"the mock was told to fail\"}}";
      return answer(c, "500 Internal Server Error", text, sizeof text - 1);
    }
    c->due = on_grid(now + options_.ttft_ns + (c->streamed ? 0 : (int64_t)(c->tokens - 1) * options_.itl_ns));
    if (!schedule_.push(c)) drop(c);
  }

  Fault draw_fault() {
    uint32_t h = (options_.seed + (uint32_t)requests_++) * 0x9e3779b1u;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    int drawn = (int)((h ^ (h >> 16)) % 1000);
    for (int fault = kError500; fault < kFaults; fault++) {
      drawn -= options_.faults[fault];
      if (drawn < 0) return (Fault)fault;
    }
    return kNone;
  }

  int64_t on_grid(int64_t due) const {
    if (!options_.lockstep || options_.itl_ns == 0) return due;
    return (due + options_.itl_ns - 1) / options_.itl_ns * options_.itl_ns;
  }

  // ---- replies ----

  // True when a burst was cut short.
  bool send_due() {
    for (int i = 0; i < kBurst; i++) {
      Connection* c = schedule_.first();
      if (!c) return false;
      int64_t now = now_ns();
      if (c->due > now) return false;
      schedule_.remove(c);
      if (c->unsent.size > 0) c->due = now;  // the client does not read: no sense in making more
      late_.add(now - c->due);
      if (c->streamed) send_events(c);
      else send_whole(c);
    }
    return true;
  }

  void send_whole(Connection* c) {
    c->replying = false;
    if (c->fault != kNone) return drop(c);
    Bytes body;
    body.append(parts[SN_WHOLE_BEFORE].data, parts[SN_WHOLE_BEFORE].size);
    for (int i = 0; i < c->tokens; i++) add_stamp(&body);
    body.append(parts[SN_WHOLE_AFTER].data, parts[SN_WHOLE_AFTER].size);
    events_++;
    answer(c, "200 OK", body.data, body.size);
    body.release();
  }

  // The events that are due together; the head before the first, the end behind the last.
  void send_events(Connection* c) {
    chunk_.size = 0;
    if (c->sent == 0) {
      const char head[] =
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
      chunk_.append(head, sizeof head - 1);
    }
    int left = (c->tokens < c->stop_at ? c->tokens : c->stop_at) - c->sent;
    int count = left < options_.per_write ? left : options_.per_write;
    if (count > 0) add_events(count);
    c->sent += count;
    events_ += count;
    bool last = c->sent == c->tokens, broken = c->sent == c->stop_at;
    if (broken) return break_off(c);
    if (last) {
      add_chunk(parts[SN_LAST]);
      chunk_.append("0\r\n\r\n", 5);
      c->replying = false;
    }
    if (!send_chunk(c)) return;
    if (!last) {
      c->due = options_.itl_ns == 0 ? now_ns() : c->due + options_.itl_ns;
      if (!schedule_.push(c)) drop(c);
    } else if (c->closes && c->unsent.size == 0) {
      drop(c);
    } else if (c->request.size > 0) {
      take_request(c);
    }
  }

  void add_events(int count) {
    const Bytes& before = parts[SN_EVENT_BEFORE];
    const Bytes& after = parts[SN_EVENT_AFTER];
    begin_chunk((before.size + kStampBytes + after.size) * count);
    for (int i = 0; i < count; i++) {
      chunk_.append(before.data, before.size);
      add_stamp(&chunk_);
      chunk_.append(after.data, after.size);
    }
    chunk_.append("\r\n", 2);
  }
  void add_chunk(const Bytes& body) {
    if (body.size == 0) return;
    begin_chunk(body.size);
    chunk_.append(body.data, body.size);
    chunk_.append("\r\n", 2);
  }
  void begin_chunk(size_t size) {
    char text[18] = {}, *at = text + sizeof text;
    *--at = '\n';
    *--at = '\r';
    do *--at = "0123456789abcdef"[size & 15];
    while (size >>= 4);
    chunk_.append(at, text + sizeof text - at);
  }

  static void add_stamp(Bytes* out) {
    uint8_t* at = out->grow(kStampBytes);
    if (!at) return;
    at[0] = ' ';
    uint64_t now = (uint64_t)now_ns();
    for (int i = kStampBytes - 1; i > 0; i--, now /= 10) at[i] = (uint8_t)('0' + now % 10);
  }

  void break_off(Connection* c) {
    c->replying = false;
    if (c->fault == kGarbage) chunk_.append("12\r\ndata: {\"broken\": [\r\n", 24);
    if (c->fault == kErrorEvent) add_chunk(parts[SN_ERROR_EVENT]);
    if (c->fault == kEmpty || c->fault == kErrorEvent || c->fault == kGarbage) chunk_.append("0\r\n\r\n", 5);
    if (!send_chunk(c)) return;
    if (c->fault == kStall) return;  // until the client gives up
    if (c->fault == kReset) {
      linger now = {1, 0};
      setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (c->fault == kReset || c->fault == kCut) drop(c);
  }

  // Sends chunk_; what the kernel does not take waits. False: the connection is gone.
  bool send_chunk(Connection* c) {
    if (c->unsent.size > 0) return c->unsent.append(chunk_.data, chunk_.size) || (drop(c), false);
    ssize_t sent = send(c->fd, chunk_.data, chunk_.size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      abandoned_++;
      return drop(c), false;
    }
    if (sent < 0) sent = 0;
    if ((size_t)sent == chunk_.size) return true;
    if (!c->unsent.append(chunk_.data + sent, chunk_.size - sent)) return drop(c), false;
    poller_.change(c->fd, c, EPOLLIN | EPOLLOUT);
    return true;
  }

  bool flush(Connection* c) {
    ssize_t sent = send(c->fd, c->unsent.data, c->unsent.size, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || (drop(c), false);
    c->unsent.size -= sent;
    memmove(c->unsent.data, c->unsent.data + sent, c->unsent.size);
    if (c->unsent.size > 0) return true;
    poller_.change(c->fd, c, EPOLLIN);
    if (c->replying || !c->closes) return true;
    return drop(c), false;
  }

  void drop(Connection* c) {
    schedule_.remove(c);
    Connection* last = all_[--all_.count];
    all_[c->place] = last;
    last->place = c->place;
    c->destroy();
  }

  // ---- text ----

  // In any case, and without a zero at the end.
  static const char* find(const char* text, size_t size, const char* wanted) {
    size_t length = strlen(wanted);
    for (size_t i = 0; i + length <= size; i++) {
      if ((text[i] | 0x20) == (wanted[0] | 0x20) && strncasecmp(text + i, wanted, length) == 0) return text + i;
    }
    return nullptr;
  }
  // The number behind the last `name`; prompts come first.
  static int64_t number_after(const char* text, size_t size, const char* name, int64_t otherwise) {
    const char* end = text + size;
    const char* last = nullptr;
    for (const char* at = text; (at = find(at, end - at, name)); at++) last = at;
    if (!last) return otherwise;
    last += strlen(name);
    while (last < end && *last == ' ') last++;
    int64_t number = 0;
    for (; last < end && *last >= '0' && *last <= '9'; last++) number = number * 10 + *last - '0';
    return number;
  }

  MockOptions options_;
  int listener_ = -1;
  pthread_t thread_;
  bool started_ = false, stopping_ = false;
  Poller poller_;
  Schedule schedule_;
  Array<Connection*> all_;
  uint8_t* buffer_ = nullptr;
  Bytes chunk_;
  // Since the figures were last asked for.
  Histogram late_;
  Array<int64_t> arrivals_;
  int64_t events_ = 0, abandoned_ = 0;
  int64_t requests_ = 0;
};

constexpr int kMocksMax = 16;
Mock* mocks[kMocksMax];
pthread_mutex_t mocks_mutex = PTHREAD_MUTEX_INITIALIZER;

Mock* mock_of(const char* function, int handle) {
  Mock* mock = handle >= 0 && handle < kMocksMax ? mocks[handle] : nullptr;
  if (!mock) fail("%s: %d is not an open mock", function, handle);
  return mock;
}

int parse_options(const char* text, MockOptions* options) {
  sb::Options given;
  int port = 0, ttft_us = 0, itl_us = 0, tokens = 0, per_write = 1, lockstep = 0, seed = 0;
  if (given.parse(text) < 0 || given.take_int("port", 0, 65535, &port) < 0 ||
      given.take_int("ttft_us", 0, INT32_MAX, &ttft_us) < 0 || given.take_int("itl_us", 0, INT32_MAX, &itl_us) < 0 ||
      given.take_int("tokens", 0, INT32_MAX, &tokens) < 0 || given.take_int("per_write", 1, 4096, &per_write) < 0 ||
      given.take_int("lockstep", 0, 1, &lockstep) < 0 || given.take_int("seed", 0, INT32_MAX, &seed) < 0) {
    return -1;
  }
  *options = {};
  for (int fault = kError500; fault < kFaults; fault++) {
    if (given.take_int(fault_names[fault], 0, 1000, &options->faults[fault]) < 0) return -1;
  }
  const char* address = given.take_text("address");
  if (!address) address = "127.0.0.1";
  if (inet_pton(AF_INET, address, &options->address.sin_addr) != 1) {
    return fail("option address: expected an IPv4 address, got \"%s\"", address);
  }
  options->address.sin_family = AF_INET;
  options->address.sin_port = htons((uint16_t)port);
  options->ttft_ns = (int64_t)ttft_us * 1000;
  options->itl_ns = (int64_t)itl_us * 1000;
  options->tokens = tokens;
  options->per_write = per_write;
  options->lockstep = lockstep == 1;
  options->seed = (uint32_t)seed;
  return given.refuse_rest();
}

}  // namespace
}  // namespace sn

using namespace sn;

int32_t sn_mock_open(const char* text) {
  MockOptions options;
  if (parse_options(text, &options) < 0) return -1;
  auto* mock = static_cast<Mock*>(malloc(sizeof(Mock)));
  if (!mock) return fail("sn_mock_open: no memory");
  *mock = Mock();
  pthread_mutex_lock(&mocks_mutex);
  int handle = 0;
  while (handle < kMocksMax && mocks[handle]) handle++;
  bool free_place = handle < kMocksMax;
  if (free_place) mocks[handle] = mock;
  pthread_mutex_unlock(&mocks_mutex);
  if (free_place && mock->open(options) == 0) return handle;
  if (free_place) sn_mock_close(handle);
  else free(mock), fail("sn_mock_open: more than %d mocks", kMocksMax);
  return -1;
}

int32_t sn_mock_part(int32_t handle, int32_t part, const uint8_t* bytes, int32_t length) {
  Mock* mock = mock_of("sn_mock_part", handle);
  if (!mock) return -1;
  if (part < 0 || part >= SN_PARTS) return fail("sn_mock_part: %d is no part", part);
  mock->parts[part].size = 0;
  return mock->parts[part].append(bytes, length) ? 0 : fail("sn_mock_part: no memory");
}

int32_t sn_mock_start(int32_t handle) {
  Mock* mock = mock_of("sn_mock_start", handle);
  return mock ? mock->start() : -1;
}

int32_t sn_mock_close(int32_t handle) {
  Mock* mock = mock_of("sn_mock_close", handle);
  if (!mock) return -1;
  pthread_mutex_lock(&mocks_mutex);
  mocks[handle] = nullptr;
  pthread_mutex_unlock(&mocks_mutex);
  mock->stop();
  free(mock);
  return 0;
}
