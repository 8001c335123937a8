// device.cpp: opens a CPU device: instruction set, threads, tensors.
#include <cpuid.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/backend.h"
#include "../common/error.h"
#include "cpu.h"

namespace sb::cpu {
namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
// These ask the operating system too: it must save the zmm registers.
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
// The tiles are 8 KiB more to save at a switch of threads, so the system gives them to a process that asks.
bool has_amx() {
  constexpr unsigned kBf16Bit = 1 << 22, kTileBit = 1 << 24;  // of leaf 7's edx
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // of arch_prctl
  unsigned a, b, c, d;
  if (!has_avx512bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if (!(d & kBf16Bit) || !(d & kTileBit)) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
bool has_scalar() { return true; }

struct Choice {
  const Kernels* kernels;
  bool (*supported)();
};
// Best first.
const Choice kChoices[] = {
    {&kernels_amx, has_amx},
    {&kernels_avx512bf16, has_avx512bf16},
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
    {&kernels_scalar, has_scalar},
};

int choose_kernels(const char* isa, const Kernels** out) {
  if (!isa || strcmp(isa, "auto") == 0) {
    const char* forced = getenv("SERVEBENCH_ISA");
    isa = forced && *forced ? forced : "auto";
  }
  bool any = strcmp(isa, "auto") == 0;
  for (const Choice& choice : kChoices) {
    if (!any && strcmp(isa, choice.kernels->isa) != 0) continue;
    if (choice.supported()) {
      *out = choice.kernels;
      return 0;
    }
    if (!any) return fail("option isa: this machine has no %s", isa);
  }
  return fail("option isa: expected auto, amx, avx512bf16, avx512, avx2 or scalar, got \"%s\"", isa);
}

// The processors this process may use: its affinity, capped by the quota of its control group.
int available_threads() {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  long quota, period;
  FILE* file = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (!file) return count;
  if (fscanf(file, "%ld %ld", &quota, &period) == 2 && period > 0) {
    int capped = (int)((quota + period - 1) / period);
    if (capped >= 1 && capped < count) count = capped;
  }
  fclose(file);
  return count;
}

int own_memory(const char* what, Tensor& tensor) {
  double bytes = (double)tensor.rows * tensor.cols * Tensor::element_bytes(tensor.dtype);
  if (bytes > 1e15 || !tensor.owned.allocate(tensor.bytes())) {
    return fail("%s: out of memory: %d x %d values take %.0f bytes", what, tensor.rows, tensor.cols, bytes);
  }
  tensor.data = tensor.owned.data;
  return 0;
}

}  // namespace
}  // namespace sb::cpu

namespace sb::backend {

using namespace sb::cpu;

const char* const name = "cpu";

int open(Device& device, Options& options) {
  int threads = 0, poison = 0;
  const Kernels* kernels;
  if (options.take_int("threads", 0, 1024, &threads)) return -1;
  if (options.take_int("poison", 0, 1, &poison)) return -1;
  if (choose_kernels(options.take_text("isa"), &kernels)) return -1;
  State* state = static_cast<State*>(calloc(1, sizeof(State)));
  if (!state) return fail("sb_open: out of memory");
  bool profile = getenv("SERVEBENCH_PROFILE") != nullptr;
  *state = State{.pool = {}, .kernels = kernels, .panels = {}, .poison = poison != 0, .profile = profile};
  device.state = state;
  if (state->pool.start(threads ? threads : available_threads())) return 0;
  return fail("sb_open: the system refuses another thread");
}

void close(Device& device) {
  if (!device.state) return;
  state_of(device).pool.stop();
  for (Memory& block : state_of(device).panels) block.release();
  state_of(device).panels.release();
  free(device.state);
}

const char* isa(const Device& device) { return state_of(device).kernels->isa; }
int threads(const Device& device) { return state_of(device).pool.threads(); }

int weight(Device&, const File& file, Tensor& tensor, int64_t offset) {
  double bytes = (double)tensor.rows * tensor.cols * Tensor::element_bytes(tensor.dtype);
  if (offset < 0 || (double)offset + bytes > (double)file.bytes) {
    return fail("sb_weight: %s has %zu bytes: expected %d x %d values of %d bytes at offset %lld within it", file.path,
                file.bytes, tensor.rows, tensor.cols, Tensor::element_bytes(tensor.dtype), (long long)offset);
  }
  tensor.data = file.data + offset;
  size_t page = (uintptr_t)tensor.data % 4096;
  madvise(const_cast<uint8_t*>(file.data) + offset - page, tensor.bytes() + page, MADV_WILLNEED);
  return 0;
}

int random(Device& device, Tensor& tensor, int64_t seed, double std, double mean) {
  if (own_memory("sb_random", tensor)) return -1;
  State& state = state_of(device);
  float scale = (float)(std * SB_RANDOM_SQRT3);
  constexpr int kGrain = 1 << 20;
  int64_t count = (int64_t)tensor.rows * tensor.cols;
  int element = Tensor::element_bytes(tensor.dtype);
  // Chunks are a power of two, so none crosses a multiple of 2^32.
  state.pool.each((int)((count + kGrain - 1) / kGrain), 1, [&](int chunk, int, int) {
    int64_t begin = (int64_t)chunk * kGrain;
    int64_t size = count - begin < kGrain ? count - begin : kGrain;
    state.kernels->random(sb_random_key_of(seed, (uint32_t)(begin >> 32)), (uint32_t)begin, size, scale, (float)mean,
                          tensor.dtype, tensor.owned.data + begin * element);
  });
  return 0;
}

int constant(Device& device, Tensor& tensor, const float* values) {
  if (own_memory("sb_constant", tensor)) return -1;
  int64_t count = (int64_t)tensor.rows * tensor.cols;
  if (tensor.dtype == SB_BF16) {
    state_of(device).kernels->to_bf16(values, count, reinterpret_cast<uint16_t*>(tensor.owned.data));
  } else {
    memcpy(tensor.owned.data, values, (size_t)count * 4);
  }
  return 0;
}

}  // namespace sb::backend
