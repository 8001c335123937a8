// api.cpp: the functions of servebench.h: handles, files, tensors, programs, tickets.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "driver.h"
#include "error.h"
#include "ops.h"
#include "step.h"

namespace sb {
namespace {

// Handles of the process: devices and programs. A freed place is used again.
template <class T, int N>
struct Table {
  T* entries[N];
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

  int add(T* entry) {
    pthread_mutex_lock(&mutex);
    int place = 0;
    while (place < N && entries[place]) place++;
    if (place < N) entries[place] = entry;
    pthread_mutex_unlock(&mutex);
    return place < N ? place : -1;
  }
  T* get(int handle) {
    if (handle < 0 || handle >= N) return nullptr;
    pthread_mutex_lock(&mutex);
    T* entry = entries[handle];
    pthread_mutex_unlock(&mutex);
    return entry;
  }
  void remove(int handle) {
    pthread_mutex_lock(&mutex);
    entries[handle] = nullptr;
    pthread_mutex_unlock(&mutex);
  }
};
Table<Device, 64> devices;
Table<Program, 1024> programs;

Device* device_of(const char* function, int handle) {
  Device* d = devices.get(handle);
  if (!d) fail("%s: %d is not an open device", function, handle);
  return d;
}
Program* program_of(const char* function, int handle) {
  Program* p = programs.get(handle);
  if (!p) fail("%s: %d is not a program", function, handle);
  return p;
}
Program* compiled_program(const char* function, int handle) {
  Program* p = program_of(function, handle);
  if (p && !p->compiled) return fail("%s: program %d is not compiled", function, handle), nullptr;
  return p;
}

int copy_text(const char* text, char* out, int32_t capacity) {
  if (!out || capacity < 1) return fail("expected a buffer of at least 1 byte, got %d", capacity);
  size_t length = strlen(text);
  if (length > (size_t)capacity - 1) length = capacity - 1;
  memcpy(out, text, length);
  out[length] = 0;
  return (int)length;
}

// ---- tensors ----

int check_shape(const char* function, int64_t dtype, int64_t rows, int64_t cols, Tensor* tensor) {
  if (dtype != SB_F32 && dtype != SB_BF16) {
    return fail("%s: dtype: expected %d or %d, got %lld", function, SB_F32, SB_BF16, (long long)dtype);
  }
  if (rows < 1 || rows > INT_MAX) return fail("%s: rows: expected 1..%d, got %lld", function, INT_MAX, (long long)rows);
  if (cols < 1 || cols > INT_MAX) return fail("%s: cols: expected 1..%d, got %lld", function, INT_MAX, (long long)cols);
  *tensor = {.dtype = (int)dtype, .rows = (int)rows, .cols = (int)cols, .data = nullptr, .owned = {}, .panels = nullptr};
  return 0;
}

int add_tensor(const char* function, Device& d, Tensor& tensor) {
  if (!d.tensors.push(tensor)) {
    tensor.owned.release();
    return fail("%s: out of memory", function);
  }
  d.memory_bytes += tensor.owned.bytes;
  return d.tensors.count - 1;
}

int map_file(const char* path, File* file) {
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("sb_map: cannot open %s: %s", path, strerror(errno));
  struct stat status;
  void* data = MAP_FAILED;
  if (fstat(fd, &status) == 0) {
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
      ::close(fd);
      return fail("sb_map: %s: expected a regular file that is not empty", path);
    }
    data = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  }
  int error = errno;
  ::close(fd);
  if (data == MAP_FAILED) return fail("sb_map: cannot map %s: %s", path, strerror(error));
  *file = {strdup(path), static_cast<const uint8_t*>(data), (size_t)status.st_size};
  return 0;
}

void close_device(Device* d) {
  if (d->driver) driver_stop(d->driver);
  backend::close(*d);
  for (Tensor& t : d->tensors) t.owned.release();
  for (File& f : d->files) {
    munmap(const_cast<uint8_t*>(f.data), f.bytes);
    free(f.path);
  }
  d->tensors.release();
  d->files.release();
  free(d);
}

int open_backend(Device& d, const char* text) {
  Options options;
  int rank = 0, world = 1;
  if (options.parse(text) || options.take_int("rank", 0, INT_MAX, &rank)) return -1;
  if (options.take_int("world", 1, INT_MAX, &world)) return -1;
  if (world != 1 || rank != 0) return fail("option world: tensor parallelism is not built: expected rank=0 world=1");
  if (backend::open(d, options)) return -1;
  if (options.refuse_rest()) return -1;
  d.driver = driver_start();
  return d.driver ? 0 : fail("sb_open: the system refuses another thread");
}

// ---- programs ----

int check_limits(const int32_t* limits, Limits* out) {
  static const char* const names[] = {"tokens", "requests", "logits rows", "pages", "page-table entries"};
  constexpr int most[] = {1 << 20, 1 << 20, 1 << 20, INT_MAX / SB_PAGE_TOKENS, 1 << 26};
  for (int i = 0; i < 5; i++) {
    if (limits[i] >= 1 && limits[i] <= most[i]) continue;
    return fail("sb_program: limit of %s: expected 1..%d, got %d", names[i], most[i], limits[i]);
  }
  *out = {limits[0], limits[1], limits[2], limits[3], limits[4]};
  return 0;
}

// Cuts one block into the arrays of a slot.
bool allocate_slot(Program& p, Slot& slot) {
  const Limits& m = p.limits;
  size_t words = step_words_max(m), results = result_words_max(m);
  if (!slot.memory.allocate(4 * (words + results + 2 * (size_t)m.tokens + 3 * (size_t)m.rows + 1))) return false;
  int32_t* at = reinterpret_cast<int32_t*>(slot.memory.data);
  auto take = [&at](size_t n) { return (at += n) - n; };
  slot.words = take(words);
  slot.step.results = take(results);
  slot.step.position = take(m.tokens);
  slot.step.kv_slot = take(m.tokens);
  slot.step.top_begin = take(m.rows + 1);
  slot.step.adjust_at = take(m.rows);
  slot.step.asked_at = take(m.rows);
  slot.program = &p;
  p.memory_bytes += slot.memory.bytes;
  return true;
}

// Room for a step's adjustments and asked tokens. No limit of the program says how long they can be, so it doubles
// when it must.
bool reserve_tail(Program& p, Slot& slot, size_t words) {
  size_t before = slot.tail_memory.bytes, bytes = 4 * words;
  if (bytes > before) {
    Memory larger;
    if (!larger.allocate(bytes > 2 * before ? bytes : 2 * before)) return false;
    slot.tail_memory.release();
    slot.tail_memory = larger;
    p.memory_bytes += larger.bytes - before;
    p.device->memory_bytes += larger.bytes - before;
  }
  return true;
}

// Copies the words of a step into its slot, the adjustments and asked tokens at their end apart.
int copy_step(Program& p, Slot& slot, const int32_t* step, int count) {
  bool has_header = count > SB_STEP_HEADER;
  int64_t adjustments = has_header ? step[5] : 0, asked = has_header ? step[6] : 0;
  if (adjustments < 0 || asked < 0 || adjustments + asked > count) {
    return fail("step: words of adjustments and of asked tokens: expected 0..%d together, got %lld and %lld", count,
                (long long)adjustments, (long long)asked);
  }
  size_t tail = (size_t)(adjustments + asked), fixed = (size_t)count - tail;
  size_t most = step_words_max(p.limits);
  if (count < 0 || fixed > most) {
    return fail("step: expected at most %zu words before the adjustments, got %d", most, count < 0 ? count : (int)fixed);
  }
  if (!reserve_tail(p, slot, tail)) return fail("step: out of memory for its adjustments");
  slot.step.adjust = reinterpret_cast<int32_t*>(slot.tail_memory.data);
  slot.step.asked = slot.step.adjust + adjustments;
  memcpy(slot.words, step, fixed * sizeof(int32_t));
  if (tail) memcpy(slot.step.adjust, step + fixed, tail * sizeof(int32_t));
  return 0;
}

// What a refused or freed compilation holds.
void release_compiled(Program& p) {
  backend::release(p);
  for (Slot& slot : p.slots) {
    slot.memory.release();
    slot.tail_memory.release();
  }
  for (Cache& cache : p.caches) cache.memory.release();
  free(p.previous_tokens);
  p.previous_tokens = nullptr;
  p.memory_bytes = 0;
}

int allocate_program(Program& p) {
  if (plan_memory(p)) return -1;
  p.previous_tokens = static_cast<int32_t*>(malloc(sizeof(int32_t) * p.limits.rows));
  if (!p.previous_tokens) return fail("sb_compile: out of memory");
  for (Slot& slot : p.slots) {
    if (!allocate_slot(p, slot)) return fail("sb_compile: out of memory for the steps");
  }
  return backend::compile(p);
}

Slot& slot_of(Program& p, uint64_t n) { return p.slots[n % SB_STEPS_MAX]; }
int ticket_of(uint64_t n) { return (int)(n % INT32_MAX) + 1; }

void free_program(Program* p) {
  for (uint64_t n = p->waited; n < p->started; n++) driver_wait(p->device->driver, &slot_of(*p, n));
  p->device->memory_bytes -= p->memory_bytes;
  p->device->programs--;
  release_compiled(*p);
  p->ops.release();
  p->values.release();
  p->caches.release();
  free(p);
}

}  // namespace
}  // namespace sb

using namespace sb;

extern "C" {

int32_t sb_abi_version(void) { return SB_ABI_VERSION; }

int32_t sb_error(char* out, int32_t capacity) { return copy_text(last_error(), out, capacity); }

int32_t sb_open(const char* options) {
  if (!options) return fail("sb_open: expected a text of options, got null");
  Device* d = static_cast<Device*>(calloc(1, sizeof(Device)));
  if (!d) return fail("sb_open: out of memory");
  if (open_backend(*d, options)) {
    close_device(d);
    return -1;
  }
  int handle = devices.add(d);
  if (handle >= 0) return handle;
  close_device(d);
  return fail("sb_open: too many open devices");
}

int32_t sb_close(int32_t device) {
  Device* d = device_of("sb_close", device);
  if (!d) return -1;
  if (d->programs) return fail("sb_close: expected all programs of the device to be freed, got %d left", d->programs);
  devices.remove(device);
  close_device(d);
  return 0;
}

int32_t sb_describe(int32_t device, char* out, int32_t capacity) {
  Device* d = device_of("sb_describe", device);
  if (!d) return -1;
  char text[256];
  snprintf(text, sizeof text, "{\"backend\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"memory_bytes\":%zu}",
           backend::name, backend::isa(*d), backend::threads(*d), d->memory_bytes);
  return copy_text(text, out, capacity);
}

int32_t sb_map(int32_t device, const char* path) {
  Device* d = device_of("sb_map", device);
  if (!d) return -1;
  if (!path) return fail("sb_map: expected a path, got null");
  File file;
  if (map_file(path, &file)) return -1;
  if (!d->files.push(file)) return fail("sb_map: out of memory");
  return d->files.count - 1;
}

int32_t sb_weight(int32_t device, int32_t file, const int64_t* where) {
  Device* d = device_of("sb_weight", device);
  Tensor tensor;
  if (!d) return -1;
  if (!where) return fail("sb_weight: expected {offset, dtype, rows, cols}, got null");
  if (file < 0 || file >= d->files.count) return fail("sb_weight: %d is not a mapped file", file);
  if (check_shape("sb_weight", where[1], where[2], where[3], &tensor)) return -1;
  if (backend::weight(*d, d->files[file], tensor, where[0])) return -1;
  return add_tensor("sb_weight", *d, tensor);
}

int32_t sb_random(int32_t device, const int64_t* spec, double std, double mean) {
  Device* d = device_of("sb_random", device);
  Tensor tensor;
  if (!d) return -1;
  if (!spec) return fail("sb_random: expected {seed, dtype, rows, cols}, got null");
  if (check_shape("sb_random", spec[1], spec[2], spec[3], &tensor)) return -1;
  if (!isfinite(std) || std < 0 || !isfinite(mean)) return fail("sb_random: expected a finite std >= 0 and a finite mean");
  if (backend::random(*d, tensor, spec[0], std, mean)) return -1;
  return add_tensor("sb_random", *d, tensor);
}

int32_t sb_constant(int32_t device, const float* values, int32_t dtype, int32_t rows, int32_t cols) {
  Device* d = device_of("sb_constant", device);
  Tensor tensor;
  if (!d) return -1;
  if (!values) return fail("sb_constant: expected rows * cols values, got null");
  if (check_shape("sb_constant", dtype, rows, cols, &tensor)) return -1;
  if (backend::constant(*d, tensor, values)) return -1;
  return add_tensor("sb_constant", *d, tensor);
}

int32_t sb_program(int32_t device, const int32_t* limits) {
  Device* d = device_of("sb_program", device);
  Limits checked;
  if (!d) return -1;
  if (!limits) return fail("sb_program: expected {T, R, L, P, W}, got null");
  if (check_limits(limits, &checked)) return -1;
  Program* p = static_cast<Program*>(calloc(1, sizeof(Program)));
  if (!p) return fail("sb_program: out of memory");
  p->device = d;
  p->limits = checked;
  p->vocabulary = INT32_MAX;
  int handle = programs.add(p);
  if (handle < 0) {
    free(p);
    return fail("sb_program: too many programs");
  }
  d->programs++;
  return handle;
}

int32_t sb_op(int32_t program, const int32_t* words, int32_t count) {
  Program* p = program_of("sb_op", program);
  if (!p) return -1;
  if (!words) return fail("sb_op: expected an array of words, got null");
  return append_op(*p, words, count);
}

int32_t sb_compile(int32_t program) {
  Program* p = program_of("sb_compile", program);
  if (!p) return -1;
  if (p->compiled) return fail("sb_compile: program %d is compiled already", program);
  if (allocate_program(*p)) {
    release_compiled(*p);
    return -1;
  }
  p->device->memory_bytes += p->memory_bytes;
  p->compiled = true;
  return 0;
}

int32_t sb_run(int32_t program, const int32_t* step, int32_t count) {
  Program* p = compiled_program("sb_run", program);
  if (!p) return -1;
  if (!step) return fail("sb_run: expected an array of words, got null");
  if (p->started - p->waited == SB_STEPS_MAX) {
    return fail("sb_run: expected at most %d steps out: wait for one first", SB_STEPS_MAX);
  }

  Slot& slot = slot_of(*p, p->started);
  if (copy_step(*p, slot, step, count)) return -1;
  if (read_step(*p, slot.words, count, slot.step)) return -1;
  slot.result_words = plan_results(*p, slot.step);
  p->last_rows = p->sample_values ? slot.step.rows : 0;
  driver_queue(p->device->driver, &slot);
  return ticket_of(p->started++);
}

int32_t sb_wait(int32_t program, int32_t ticket, int32_t* out, int32_t capacity) {
  Program* p = compiled_program("sb_wait", program);
  if (!p) return -1;
  if (p->waited == p->started) return fail("sb_wait: no step is out, got ticket %d", ticket);
  if (ticket != ticket_of(p->waited)) {
    return fail("sb_wait: expected ticket %d, got %d", ticket_of(p->waited), ticket);
  }
  Slot& slot = slot_of(*p, p->waited);
  if (slot.result_words && (!out || capacity < slot.result_words)) {
    return fail("sb_wait: expected room for %d words, got %d", slot.result_words, capacity);
  }
  driver_wait(p->device->driver, &slot);
  p->waited++;
  if (slot.error[0]) return fail("%s", slot.error);
  p->last_step = slot.step;
  if (slot.result_words) memcpy(out, slot.step.results, (size_t)slot.result_words * sizeof(int32_t));
  return slot.result_words;
}

int32_t sb_read(int32_t program, int32_t value, float* out, int32_t capacity) {
  Program* p = compiled_program("sb_read", program);
  if (!p) return -1;
  if (value < 0 || value >= p->values.count) return fail("sb_read: %d is not a value", value);
  const Value& v = p->values[value];
  if (!v.kept) return fail("sb_read: value %d was not kept", value);
  if (p->started != p->waited) return fail("sb_read: expected no step to be out: wait for it first");
  if (p->last_step.tokens == 0) return fail("sb_read: no step has completed");
  int64_t count = (int64_t)v.cols * (v.per_row ? p->last_step.rows : p->last_step.tokens);
  if (count > capacity || !out) return fail("sb_read: expected room for %lld floats, got %d", (long long)count, capacity);
  backend::read(*p, value, (size_t)count, out);
  return (int32_t)count;
}

int32_t sb_idle_us(int32_t program) {
  Program* p = compiled_program("sb_idle_us", program);
  return p ? __atomic_load_n(&p->idle_us, __ATOMIC_RELAXED) : -1;
}

int32_t sb_free(int32_t program) {
  Program* p = program_of("sb_free", program);
  if (!p) return -1;
  programs.remove(program);
  free_program(p);
  return 0;
}

}  // extern "C"
