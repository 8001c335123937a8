// client.cpp: the load client. Each thread owns its sockets: it sends what is due, reads what has come, with the time
// at which it came, and hands finished exchanges over. Nothing that JavaScript does stands between an arrival and its
// stamp.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../common/error.h"
#include "../common/memory.h"
#include "events.h"
#include "histogram.h"
#include "http.h"
#include "net.h"
#include "../common/options.h"
#include "poller.h"
#include "receiver.h"

namespace sn {
namespace {

using sb::Array;
using sb::fail;

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kErrorTextMax = 2000;
// A wait ends this much early, and the rest is spent polling: sleeps end late.
constexpr int64_t kPollNs = 60000;
// Sends between two looks at the sockets, so that a burst of thousands does not hold up what comes in.
constexpr int kBurst = 32;
// When so many sockets were ready at once, more is read at a time and seldomer: a wake-up costs more than a read, and
// stamps are the kernel's.
constexpr int kManyReady = 4;
constexpr int64_t kRestNs = 200000;
constexpr int kNice = -10;
// A look that took so long had to wait.
constexpr int64_t kWaitedNs = 20000;
// Told once of what comes: see Worker::read_all.
constexpr uint32_t kWatched = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

struct ClientOptions {
  sockaddr_storage address;
  socklen_t address_bytes;
  int threads;
  bool keep_alive;
  int max_in_flight;
  int64_t send_for_ns;  // 0: no end
  int64_t timeout_ns;
  Path text;
};

// One request and its reply.
struct Exchange {
  int index = 0;
  int fd = -1;
  int failure = SN_SUCCESS;
  int error = 0;
  int active = -1;          // place among the active ones
  bool reused = false;      // over a kept connection
  int64_t due = 0;          // from the start on; the following are times of the clock, 0 until they come
  int64_t ready = 0, sent = 0, connected = 0, written = 0, first_byte = 0, end = 0;
  uint8_t* request = nullptr;
  int request_bytes = 0, request_done = 0;
  ResponseReader response;
  Events events;
  Bytes error_text;
  Exchange* next = nullptr;

  static Exchange* create(int index, const uint8_t* bytes, int length, int64_t due) {
    auto* exchange = static_cast<Exchange*>(malloc(sizeof(Exchange)));
    auto* copy = static_cast<uint8_t*>(malloc(length > 0 ? length : 1));
    if (!exchange || !copy) {
      free(exchange);
      free(copy);
      return nullptr;
    }
    *exchange = Exchange();
    memcpy(copy, bytes, length);
    exchange->index = index;
    exchange->due = due;
    exchange->request = copy;
    exchange->request_bytes = length;
    return exchange;
  }
  void forget_request() {
    free(request);
    request = nullptr;
  }
  void destroy() {
    forget_request();
    response.release();
    events.release();
    error_text.release();
    free(this);
  }
};

// First in, first out.
struct Queue {
  Exchange* first = nullptr;
  Exchange* last = nullptr;

  void push(Exchange* exchange) {
    exchange->next = nullptr;
    if (last) last->next = exchange;
    else first = exchange;
    last = exchange;
  }
  Exchange* pop() {
    Exchange* exchange = first;
    if (exchange) first = exchange->next;
    if (!first) last = nullptr;
    return exchange;
  }
};

// A heap: the exchange that is due first, and of those the one with the lowest index.
class Schedule {
 public:
  bool empty() const { return heap_.count == 0; }
  Exchange* first() { return heap_[0]; }

  bool push(Exchange* exchange) {
    if (!heap_.push(exchange)) return false;
    int i = heap_.count - 1;
    while (i > 0 && before(heap_[i], heap_[(i - 1) / 2])) {
      swap(i, (i - 1) / 2);
      i = (i - 1) / 2;
    }
    return true;
  }
  Exchange* pop() {
    Exchange* exchange = heap_[0];
    heap_[0] = heap_[--heap_.count];
    for (int i = 0;;) {
      int least = i;
      for (int child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.count; child++) {
        if (before(heap_[child], heap_[least])) least = child;
      }
      if (least == i) return exchange;
      swap(i, least);
      i = least;
    }
  }
  void release() { heap_.release(); }

 private:
  static bool before(const Exchange* a, const Exchange* b) {
    return a->due != b->due ? a->due < b->due : a->index < b->index;
  }
  void swap(int i, int j) {
    Exchange* moved = heap_[i];
    heap_[i] = heap_[j];
    heap_[j] = moved;
  }
  Array<Exchange*> heap_;
};

// What all threads of a client share.
struct Shared {
  ClientOptions options;
  int64_t start = 0;  // atomic; 0: not yet
  int in_flight = 0;  // atomic; counted only under a limit
  int64_t freed = 0;  // atomic; when a place was last given back
  int64_t sent = 0, ended = 0, lines = 0, bytes = 0, retried = 0;  // atomic

  bool enter() {
    if (options.max_in_flight == 0) return true;
    int now = __atomic_load_n(&in_flight, __ATOMIC_RELAXED);
    while (now < options.max_in_flight) {
      if (__atomic_compare_exchange_n(&in_flight, &now, now + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return true;
    }
    return false;
  }
  void leave(int64_t at) {
    if (options.max_in_flight == 0) return;
    __atomic_store_n(&freed, at, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&in_flight, 1, __ATOMIC_ACQ_REL);
  }
};

inline void count(int64_t& counter, int64_t more) { __atomic_add_fetch(&counter, more, __ATOMIC_RELAXED); }

class Worker {
 public:
  // Figures for a display, written by this worker's thread alone.
  Histogram wait;  // of bytes to be read
  Histogram late;  // of stamps, at most

  int64_t cpu_ns() {
    clockid_t clock;
    return pthread_getcpuclockid(thread_, &clock) == 0 ? now_ns(clock) : 0;
  }

  bool start(Shared* shared) {
    shared_ = shared;
    buffer_ = static_cast<uint8_t*>(malloc(kReadBytes));
    if (!buffer_ || !poller_.open()) return false;
    started_ = pthread_create(&thread_, nullptr, [](void* self) -> void* {
      static_cast<Worker*>(self)->run();
      return nullptr;
    }, this) == 0;
    return started_;
  }
  void stop() {
    if (started_) {
      set(stopping_);
      pthread_join(thread_, nullptr);
    }
    for (Exchange* exchange; (exchange = submitted_.pop());) exchange->destroy();
    for (Exchange* exchange; (exchange = finished_.pop());) exchange->destroy();
    schedule_.release();
    active_.release();
    idle_.release();
    poller_.close();
    free(buffer_);
  }

  void submit(Exchange* exchange) {
    pthread_mutex_lock(&mutex_);
    bool first = submitted_.first == nullptr;
    submitted_.push(exchange);
    pthread_mutex_unlock(&mutex_);
    if (first) poller_.ring();
  }
  void wake() { poller_.ring(); }
  void cancel() { set(cancelled_); }
  void await_cancelled() {
    while (!__atomic_load_n(&gave_up_, __ATOMIC_ACQUIRE)) usleep(100);
  }
  // Something left: one that waits here may go.
  void nudge() {
    if (__atomic_load_n(&has_waiting_, __ATOMIC_ACQUIRE)) poller_.ring();
  }
  Exchange* take() {
    pthread_mutex_lock(&mutex_);
    Exchange* exchange = finished_.pop();
    pthread_mutex_unlock(&mutex_);
    return exchange;
  }
  Worker* next = nullptr;  // in a ring of all workers of the client

 private:
  void run() {
    Poller::sharpen();
    // Where it may, it goes before the compiler and the collector of JavaScript, who have no schedule to keep.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), kNice);
    int ready = 0;
    while (!__atomic_load_n(&stopping_, __ATOMIC_ACQUIRE)) {
      take_submitted();
      if (__atomic_load_n(&cancelled_, __ATOMIC_ACQUIRE)) {
        give_up();
        __atomic_store_n(&gave_up_, true, __ATOMIC_RELEASE);
      }
      bool more = send_due();
      go_first(start() > 0 && !schedule_.empty());
      if (!more && ready >= kManyReady) rest();
      int64_t looked = now_ns();
      ready = poller_.wait(more ? 0 : wait_ns());
      int64_t woken = now_ns();
      // What is ready came after the last look; if it had to be waited for, not before the first that is read.
      since_ = woken - looked < kWaitedNs ? woken_ : 0;
      woken_ = woken;
      if (ready > 0) receiver_.align();
      for (int i = 0; i < ready; i++) {
        // Many reads take longer than a send may be late. But where many are due at once, none is on time, and reads go on.
        if (i > 0 && !more && is_due()) more = send_due();
        handle(poller_.events[i], woken);
      }
      if (woken - checked_ > kSecond) check(woken);
    }
    give_up();
    for (int i = 0; i < idle_.count; i++) ::close(idle_[i]);
  }

  // While it has times of sends to keep it goes before all other threads, where it may. Not longer: a server on the same
  // machine would have to stop for each of its events, and stamps are exact without.
  void go_first(bool first) {
    if (first == goes_first_) return;
    sched_param priority = {first ? 1 : 0};
    pthread_setschedparam(pthread_self(), first ? SCHED_FIFO : SCHED_OTHER, &priority);
    goes_first_ = first;
  }

  void rest() {
    int64_t left = wait_ns();
    timespec time = {0, left >= 0 && left < kRestNs ? left : kRestNs};
    if (time.tv_nsec > 0) nanosleep(&time, nullptr);
  }

  void set(bool& flag) {
    __atomic_store_n(&flag, true, __ATOMIC_RELEASE);
    poller_.ring();
  }

  void take_submitted() {
    pthread_mutex_lock(&mutex_);
    Queue arrived = submitted_;
    submitted_ = {};
    pthread_mutex_unlock(&mutex_);
    for (Exchange* exchange; (exchange = arrived.pop());) {
      if (!schedule_.push(exchange)) finish(exchange, SN_NO_MEMORY);
    }
  }

  // ---- sending ----

  // True when a burst was cut short.
  bool send_due() {
    if (time_is_up()) hand_back_unsent();
    for (int sends = 0; sends < kBurst; sends++) {
      if (!waiting_.first) {
        if (!is_due()) return false;
        waiting_.push(schedule_.pop());
      }
      if (!shared_->enter()) {
        while (is_due()) waiting_.push(schedule_.pop());
        __atomic_store_n(&has_waiting_, true, __ATOMIC_RELEASE);
        return false;
      }
      Exchange* exchange = waiting_.pop();
      exchange->ready = start() + exchange->due;
      int64_t freed = has_waiting_ ? __atomic_load_n(&shared_->freed, __ATOMIC_RELAXED) : 0;
      if (freed > exchange->ready) exchange->ready = freed;
      begin(exchange);
      if (!waiting_.first) __atomic_store_n(&has_waiting_, false, __ATOMIC_RELEASE);
    }
    return true;
  }

  bool time_is_up() {
    int64_t send_for = shared_->options.send_for_ns;
    return send_for > 0 && start() > 0 && now_ns() - start() >= send_for;
  }
  void hand_back_unsent() {
    while (!schedule_.empty()) finish(schedule_.pop(), SN_UNSENT);
    for (Exchange* exchange; (exchange = waiting_.pop());) finish(exchange, SN_UNSENT);
  }

  int64_t start() const { return __atomic_load_n(&shared_->start, __ATOMIC_ACQUIRE); }
  bool is_due() { return start() > 0 && !schedule_.empty() && start() + schedule_.first()->due <= now_ns(); }

  int64_t wait_ns() {
    int64_t most = active_.count > 0 ? kSecond : -1;  // for timeouts
    if (waiting_.first || schedule_.empty() || start() == 0) return most;
    int64_t left = start() + schedule_.first()->due - now_ns() - kPollNs;
    if (left <= 0) return 0;
    return most > 0 && most < left ? most : left;
  }

  void begin(Exchange* exchange) {
    exchange->active = active_.count;
    exchange->sent = now_ns();
    count(shared_->sent, 1);
    if (!active_.push(exchange)) return finish(exchange, SN_NO_MEMORY);
    if (idle_.count > 0) {
      exchange->fd = idle_[--idle_.count];
      exchange->reused = true;
      if (!poller_.change(exchange->fd, exchange, kWatched)) return finish(exchange, SN_CONNECT, errno);
      write(exchange);
      return;
    }
    connect(exchange);
  }

  void connect(Exchange* exchange) {
    const ClientOptions& options = shared_->options;
    auto* address = reinterpret_cast<const sockaddr*>(&options.address);
    exchange->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (exchange->fd < 0) return finish(exchange, SN_CONNECT, errno);
    int on = 1;
    setsockopt(exchange->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Receiver::open(exchange->fd);
    bool open = ::connect(exchange->fd, address, options.address_bytes) == 0;
    if (!open && errno != EINPROGRESS) return finish(exchange, SN_CONNECT, errno);
    if (!poller_.add(exchange->fd, exchange, kWatched)) return finish(exchange, SN_CONNECT, errno);
    if (!open) return;
    exchange->connected = now_ns();
    write(exchange);
  }

  // False: the connection did not come about, or is lost again.
  bool connected(Exchange* exchange, int64_t at) {
    int error = 0;
    socklen_t bytes = sizeof error;
    getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error) return finish(exchange, SN_CONNECT, error), false;
    exchange->connected = at;
    return write(exchange);
  }

  // Sends what the kernel takes of the request. False: the connection is lost.
  bool write(Exchange* exchange) {
    while (exchange->request_done < exchange->request_bytes) {
      ssize_t sent = send(exchange->fd, exchange->request + exchange->request_done,
                          exchange->request_bytes - exchange->request_done, MSG_NOSIGNAL);
      if (sent >= 0) {
        exchange->request_done += (int)sent;
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return true;
      return lost(exchange, errno), false;
    }
    exchange->written = now_ns();
    return true;
  }

  // ---- receiving ----

  void handle(const epoll_event& event, int64_t woken) {
    if (event.data.ptr == nullptr) return poller_.silence();
    if ((uintptr_t)event.data.ptr & 1) return close_idle((int)((uintptr_t)event.data.ptr >> 1));
    auto* exchange = static_cast<Exchange*>(event.data.ptr);
    if (exchange->connected == 0 && !exchange->reused) {
      if (!connected(exchange, woken)) return;
    } else if (exchange->request_done < exchange->request_bytes) {
      if (!write(exchange)) return;
    }
    if (event.events & ~(uint32_t)EPOLLOUT) read_all(exchange, event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
  }

  // Reads to the end of what is there, since the poller tells of it only once; where the server has closed, to the end.
  void read_all(Exchange* exchange, bool closed) {
    Left left;
    do left = read(exchange);
    while (left == kMore || (left == kNothing && closed));
  }

  enum Left { kNothing, kMore, kOver };

  // What is left to be read.
  Left read(Exchange* exchange) {
    int64_t at, now;
    int64_t not_before = exchange->end ? exchange->end : exchange->sent;
    ssize_t got = receiver_.receive(exchange->fd, buffer_, kReadBytes, not_before, &at, &now);
    if (got < 0) {
      if (errno == EINTR) return kMore;
      if (errno != EAGAIN) lost(exchange, errno);
      return kOver;
    }
    if (got == 0) {
      closed(exchange, at);
      return kOver;
    }
    count(shared_->bytes, got);
    if (exchange->first_byte == 0) exchange->first_byte = at;
    exchange->end = at;
    if (!digest(exchange, got, at, now)) return kOver;
    return (size_t)got == kReadBytes ? kMore : kNothing;
  }

  // Takes what was read. False: the exchange has ended.
  bool digest(Exchange* exchange, size_t size, int64_t at, int64_t now) {
    Sink sink = {*this, exchange, at};
    uint32_t before = exchange->events.texts;
    bool sound = exchange->response.feed(buffer_, size, sink);
    judge(exchange->events.texts - before, at, now);
    if (!sound) finish(exchange, SN_MALFORMED);
    else if (sink.no_memory) finish(exchange, SN_NO_MEMORY);
    else if (exchange->response.done()) end_reply(exchange, at);
    else return true;
    return false;
  }

  // How late the stamp of a read may be. Several texts may have come one after the other, and have the last one's stamp.
  void judge(uint32_t texts, int64_t at, int64_t now) {
    if (since_ == 0) since_ = at;
    bool stamped = at < now;
    wait.add(now - (stamped ? at : since_));
    late.add(stamped && texts < 2 ? 0 : at - since_);
  }

  struct Sink {
    Worker& worker;
    Exchange* exchange;
    int64_t at;
    bool no_memory = false;

    void body(const uint8_t* data, size_t size) {
      if (exchange->response.status == 200) {
        uint32_t before = exchange->events.count;
        if (!exchange->events.feed(data, size, at, worker.shared_->options.text)) no_memory = true;
        count(worker.shared_->lines, exchange->events.count - before);
      } else {
        size_t room = kErrorTextMax - exchange->error_text.size;
        if (!exchange->error_text.append(data, size < room ? size : room)) no_memory = true;
      }
    }
  };

  void closed(Exchange* exchange, int64_t at) {
    if (exchange->first_byte == 0) return lost(exchange, 0);
    if (exchange->response.close()) return end_reply(exchange, at);
    finish(exchange, SN_CUT_OFF);
  }

  // The connection is gone. One that was kept may have been closed just as it was used: that is no failure yet.
  void lost(Exchange* exchange, int error) {
    if (exchange->reused && exchange->first_byte == 0) {
      ::close(exchange->fd);
      exchange->reused = false;
      exchange->request_done = 0;
      count(shared_->retried, 1);
      return connect(exchange);
    }
    if (error) finish(exchange, SN_BROKEN, error);
    else finish(exchange, SN_UNANSWERED);
  }

  void end_reply(Exchange* exchange, int64_t at) {
    bool complete = exchange->response.status != 200 || exchange->events.end(at, shared_->options.text);
    finish(exchange, complete ? SN_SUCCESS : SN_NO_MEMORY);
  }

  void finish(Exchange* exchange, int failure, int error = 0) {
    exchange->failure = failure;
    exchange->error = error;
    if (exchange->end == 0) exchange->end = now_ns();
    bool keep = shared_->options.keep_alive && failure == SN_SUCCESS && exchange->response.keeps_alive;
    if (exchange->fd >= 0 && !(keep && keep_connection(exchange->fd))) ::close(exchange->fd);
    exchange->fd = -1;
    exchange->forget_request();
    if (exchange->active >= 0) {
      Exchange* last = active_[--active_.count];
      active_[exchange->active] = last;
      last->active = exchange->active;
      shared_->leave(exchange->end);
      for (Worker* other = next; other != this; other = other->next) other->nudge();
    }
    count(shared_->ended, 1);
    pthread_mutex_lock(&mutex_);
    finished_.push(exchange);
    pthread_mutex_unlock(&mutex_);
  }

  // ---- kept connections ----

  bool keep_connection(int fd) {
    auto tag = (uintptr_t)fd << 1 | 1;
    return idle_.push(fd) && poller_.change(fd, reinterpret_cast<void*>(tag), EPOLLIN);
  }
  // The server has closed it; unless it was taken for a request since the event came, which then fails by itself.
  void close_idle(int fd) {
    for (int i = 0; i < idle_.count; i++) {
      if (idle_[i] != fd) continue;
      idle_[i] = idle_[--idle_.count];
      ::close(fd);
      return;
    }
  }

  // ---- now and then ----

  void give_up() {
    while (active_.count > 0) finish(active_[active_.count - 1], SN_INTERRUPTED);
    while (!schedule_.empty()) schedule_.pop()->destroy();
    for (Exchange* exchange; (exchange = waiting_.pop());) exchange->destroy();
  }

  void check(int64_t now) {
    checked_ = now;
    for (int i = active_.count - 1; i >= 0; i--) {
      if (now - active_[i]->sent > shared_->options.timeout_ns) finish(active_[i], SN_TIMEOUT);
    }
  }

  Shared* shared_ = nullptr;
  pthread_t thread_;
  bool started_ = false;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;  // guards the next two
  Queue submitted_, finished_;
  bool cancelled_ = false, gave_up_ = false, stopping_ = false, has_waiting_ = false;  // atomic
  // The thread's own.
  Poller poller_;
  Receiver receiver_;
  Schedule schedule_;
  Queue waiting_;  // due, but the limit is reached
  Array<Exchange*> active_;
  Array<int> idle_;
  uint8_t* buffer_ = nullptr;
  int64_t checked_ = 0;
  int64_t woken_ = 0;   // by the last look at the sockets
  int64_t since_ = 0;   // when the first of what is ready may have come
  bool goes_first_ = false;
};

struct Client {
  Shared shared;
  Worker* workers = nullptr;
  int started = 0;
  int place = 0;            // of the worker to ask next for what has finished
  Exchange* taken = nullptr;
};

constexpr int kClientsMax = 64;
Client* clients[kClientsMax];
pthread_mutex_t clients_mutex = PTHREAD_MUTEX_INITIALIZER;

Client* client_of(const char* function, int handle) {
  Client* client = handle >= 0 && handle < kClientsMax ? clients[handle] : nullptr;
  if (!client) fail("%s: %d is not an open client", function, handle);
  return client;
}

int parse_address(const char* text, int port, ClientOptions* options) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&options->address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&options->address);
  if (text && inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    options->address_bytes = sizeof *v4;
  } else if (text && inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    options->address_bytes = sizeof *v6;
  } else {
    return fail("option address: expected an IP address, got \"%s\"", text ? text : "nothing");
  }
  return 0;
}

int parse_options(const char* text, ClientOptions* options) {
  sb::Options given;
  int port = 0, threads = 1, keep_alive = 0, in_flight = 0, send_for_ms = 0, timeout_ms = INT32_MAX;
  if (given.parse(text) < 0 || given.take_int("port", 1, 65535, &port) < 0 ||
      given.take_int("threads", 1, 64, &threads) < 0 || given.take_int("keep_alive", 0, 1, &keep_alive) < 0 ||
      given.take_int("max_in_flight", 0, INT32_MAX, &in_flight) < 0 ||
      given.take_int("send_for_ms", 0, INT32_MAX, &send_for_ms) < 0 ||
      given.take_int("timeout_ms", 1, INT32_MAX, &timeout_ms) < 0 ||
      parse_address(given.take_text("address"), port, options) < 0) {
    return -1;
  }
  const char* path = given.take_text("text");
  if (!path || !options->text.parse(path)) {
    return fail("option text: expected a path such as choices.0.text, got \"%s\"", path ? path : "nothing");
  }
  options->threads = threads;
  options->keep_alive = keep_alive == 1;
  options->max_in_flight = in_flight;
  options->send_for_ns = (int64_t)send_for_ms * 1000000;
  options->timeout_ns = (int64_t)timeout_ms * 1000000;
  return given.refuse_rest();
}

// A limit of open files that the system lets us have is no reason for a failed request.
void raise_file_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void destroy(Client* client) {
  for (int i = 0; i < client->started; i++) client->workers[i].stop();
  if (client->taken) client->taken->destroy();
  free(client->workers);
  free(client);
}

// Whether the reply is one whose lines count.
bool has_lines(const Exchange* exchange) {
  return exchange->response.status == 200 && exchange->failure != SN_MALFORMED;
}

// Puts a line before the body of another reply: what its status line says, or, without the body, what is wrong.
void describe_error(Exchange* exchange) {
  const char* reason = exchange->response.problem ? exchange->response.problem : exchange->response.reason;
  Bytes body = exchange->error_text;
  exchange->error_text = {};
  exchange->error_text.append(reason, strlen(reason));
  exchange->error_text.append("\n", 1);
  if (!exchange->response.problem) exchange->error_text.append(body.data, body.size);
  body.release();
}

bool start_workers(Client* client) {
  int threads = client->shared.options.threads;
  client->workers = static_cast<Worker*>(malloc(sizeof(Worker) * threads));
  if (!client->workers) return false;
  for (int i = 0; i < threads; i++) {
    Worker& worker = client->workers[i];
    worker = Worker();
    worker.next = &client->workers[(i + 1) % threads];
  }
  while (client->started < threads) {
    Worker& worker = client->workers[client->started++];
    if (!worker.start(&client->shared)) return false;
  }
  return true;
}

}  // namespace
}  // namespace sn

using namespace sn;

int32_t sn_abi_version(void) { return SN_ABI_VERSION; }

int32_t sn_error(char* out, int32_t capacity) {
  return snprintf(out, capacity, "%s", sb::last_error());
}

int32_t sn_client_open(const char* options) {
  auto* client = static_cast<Client*>(malloc(sizeof(Client)));
  if (!client) return fail("sn_client_open: no memory");
  *client = Client();
  if (parse_options(options, &client->shared.options) < 0) {
    free(client);
    return -1;
  }
  raise_file_limit();
  if (!start_workers(client)) {
    destroy(client);
    return fail("sn_client_open: cannot start the threads");
  }
  pthread_mutex_lock(&clients_mutex);
  int handle = 0;
  while (handle < kClientsMax && clients[handle]) handle++;
  if (handle < kClientsMax) clients[handle] = client;
  pthread_mutex_unlock(&clients_mutex);
  if (handle < kClientsMax) return handle;
  destroy(client);
  return fail("sn_client_open: more than %d clients", kClientsMax);
}

int32_t sn_client_submit(int32_t handle, int32_t index, const uint8_t* bytes, int32_t length, double due_ns) {
  Client* client = client_of("sn_client_submit", handle);
  if (!client) return -1;
  Exchange* exchange = Exchange::create(index, bytes, length, (int64_t)due_ns);
  if (!exchange) return fail("sn_client_submit: no memory");
  client->workers[(uint32_t)index % client->shared.options.threads].submit(exchange);
  return 0;
}

double sn_client_start(int32_t handle) {
  Client* client = client_of("sn_client_start", handle);
  if (!client) return -1;
  int64_t start = now_ns();
  __atomic_store_n(&client->shared.start, start, __ATOMIC_RELEASE);
  for (int i = 0; i < client->started; i++) client->workers[i].wake();
  return (double)start;
}

int32_t sn_client_cancel(int32_t handle) {
  Client* client = client_of("sn_client_cancel", handle);
  if (!client) return -1;
  for (int i = 0; i < client->started; i++) client->workers[i].cancel();
  for (int i = 0; i < client->started; i++) client->workers[i].await_cancelled();
  return 0;
}

int32_t sn_client_take(int32_t handle, double* summary) {
  Client* client = client_of("sn_client_take", handle);
  if (!client) return -1;
  if (client->taken) client->taken->destroy();
  client->taken = nullptr;
  int threads = client->shared.options.threads;
  for (int i = 0; i < threads && !client->taken; i++) {
    client->taken = client->workers[client->place].take();
    client->place = (client->place + 1) % threads;
  }
  Exchange* exchange = client->taken;
  if (!exchange) return 0;
  bool ok = has_lines(exchange);
  if (!ok) describe_error(exchange);
  const Bytes& body = ok ? exchange->events.entries : exchange->error_text;
  summary[SN_INDEX] = exchange->index;
  summary[SN_FAILURE] = exchange->failure;
  summary[SN_ERRNO] = exchange->error;
  summary[SN_STATUS] = exchange->response.status;
  auto since_start = [&](int64_t at) { return at ? (double)(at - client->shared.start) : -1; };
  summary[SN_DUE] = (double)exchange->due;
  summary[SN_READY] = since_start(exchange->ready);
  summary[SN_SENT] = since_start(exchange->sent);
  summary[SN_CONNECTED] = since_start(exchange->connected);
  summary[SN_WRITTEN] = since_start(exchange->written);
  summary[SN_FIRST_BYTE] = since_start(exchange->first_byte);
  summary[SN_END] = since_start(exchange->end);
  summary[SN_LINES] = ok ? exchange->events.count : 0;
  summary[SN_BYTES] = (double)body.size;
  return 1;
}

int32_t sn_client_stamps(int32_t handle, double* out) {
  Client* client = client_of("sn_client_stamps", handle);
  if (!client) return -1;
  if (!client->taken) return fail("sn_client_stamps: no exchange is taken");
  const Events& events = client->taken->events;
  for (uint32_t i = 0; i < events.count; i++) {
    int64_t at;
    memcpy(&at, events.stamps.data + i * sizeof at, sizeof at);
    out[i] = (double)(at - client->taken->sent) / kSecond;
  }
  return (int32_t)events.count;
}

int32_t sn_client_entries(int32_t handle, uint8_t* out) {
  Client* client = client_of("sn_client_entries", handle);
  if (!client) return -1;
  if (!client->taken) return fail("sn_client_entries: no exchange is taken");
  Exchange* exchange = client->taken;
  bool ok = has_lines(exchange);
  const Bytes& body = ok ? exchange->events.entries : exchange->error_text;
  if (body.size > 0) memcpy(out, body.data, body.size);
  return (int32_t)body.size;
}

int32_t sn_client_counters(int32_t handle, double* out) {
  Client* client = client_of("sn_client_counters", handle);
  if (!client) return -1;
  Shared& shared = client->shared;
  auto value = [](int64_t& counter) { return (double)__atomic_load_n(&counter, __ATOMIC_RELAXED); };
  out[SN_COUNT_SENT] = value(shared.sent);
  out[SN_COUNT_ENDED] = value(shared.ended);
  out[SN_COUNT_LINES] = value(shared.lines);
  out[SN_COUNT_BYTES] = value(shared.bytes);
  out[SN_COUNT_RETRIED] = value(shared.retried);
  out[SN_COUNT_CPU_NS] = 0;
  Histogram wait, late;
  for (int i = 0; i < client->started; i++) {
    wait.add(client->workers[i].wait);
    late.add(client->workers[i].late);
    out[SN_COUNT_CPU_NS] += (double)client->workers[i].cpu_ns();
  }
  auto write = [&](int place, const Histogram& of) {
    out[place] = (double)of.quantile(0.5);
    out[place + 1] = (double)of.quantile(0.99);
    out[place + 2] = (double)of.most();
  };
  write(SN_COUNT_WAIT, wait);
  write(SN_COUNT_LATE, late);
  return 0;
}

int32_t sn_client_close(int32_t handle) {
  Client* client = client_of("sn_client_close", handle);
  if (!client) return -1;
  pthread_mutex_lock(&clients_mutex);
  clients[handle] = nullptr;
  pthread_mutex_unlock(&clients_mutex);
  destroy(client);
  return 0;
}
