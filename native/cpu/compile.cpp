// compile.cpp: resolves a program's handles into instructions and allocates what a step needs.
#include "../common/backend.h"
#include "../common/error.h"
#include "cpu.h"
#include "profile.h"

namespace sb::cpu {
namespace {

// Allocates for a program being compiled; what it holds is freed with the code, also after a failure.
struct Allocator {
  Program& program;
  Code& code;
  bool failed = false;

  void* take(size_t bytes, bool poisoned) {
    Memory block;
    if (failed || !block.allocate(bytes)) return out_of_memory(bytes);
    if (!code.blocks.push(block)) {
      block.release();
      return out_of_memory(bytes);
    }
    program.memory_bytes += block.bytes;
    if (poisoned) memset(block.data, 0xff, block.bytes);  // NaN as fp32 and as bf16
    return block.data;
  }
  void* out_of_memory(size_t bytes) {
    if (!failed) fail("sb_compile: out of memory: %zu bytes more do not fit", bytes);
    failed = true;
    return nullptr;
  }
};

struct Compiler {
  Program& program;
  Code& code;
  const State& state;
  Allocator allocator;
  float* arena;

  float* value_data(int handle) { return arena + program.values[handle].offset / sizeof(float); }

  // A vector as fp32: in place, or widened.
  const float* vector(const Tensor& tensor) {
    if (tensor.dtype == SB_F32 && tensor.data) return static_cast<const float*>(tensor.data);
    float* copy = static_cast<float*>(allocator.take((size_t)tensor.cols * 4, false));
    if (copy) read_row(tensor, 0, copy);
    return copy;
  }

  void set_input(Instruction& in, int handle) {
    const Value& value = program.values[handle];
    in.a = value_data(handle);
    in.cols = value.cols;
    in.per_row = value.per_row;
  }

  void resolve_linear(const Op& op, Instruction& in) {
    in.tensor = program.tensor(op.args[1]);
    if (op.args[2] >= 0) in.vector = vector(program.tensor(op.args[2]));
    size_t row_bytes = (size_t)units_of(in.tensor.dtype, in.cols) * state.kernels->unit_bytes(in.tensor.dtype);
    size_t bytes = round_up(program.limits.tokens, state.kernels->block_rows) * row_bytes;
    if (bytes > code.arranged_bytes) code.arranged_bytes = bytes;
    // Values are written once, so the same handle is the same input while nothing else was arranged.
    for (int i = code.instructions.count - 1; i >= 0; i--) {
      const Instruction& other = code.instructions[i];
      if (other.code != SB_OP_LINEAR) continue;
      in.same_input = program.ops[i].args[0] == op.args[0] && other.tensor.dtype == in.tensor.dtype;
      break;
    }
  }

  void resolve_rope(const Op& op, Instruction& in) {
    in.tensor = program.tensor(op.args[1]);
    in.head_dim = op.args[2];
    in.half = in.tensor.cols;
    in.vector = vector(in.tensor);
    for (int i = 0; i < code.instructions.count; i++) {
      const Instruction& other = code.instructions[i];
      if (other.code == SB_OP_ROPE && program.ops[i].args[1] == op.args[1]) {
        in.angles = other.angles;
        return;
      }
    }
    in.first_angles = true;
    in.angles = static_cast<float*>(allocator.take((size_t)program.limits.tokens * in.half * 8, state.poison));
  }

  void resolve_cache(Cache& cache) {
    size_t bytes = cache.page_bytes() * program.limits.pages;
    if (allocator.failed) return;
    if (cache.page_bytes() > ((size_t)1 << 50) / program.limits.pages || !cache.memory.allocate(bytes)) {
      allocator.out_of_memory(bytes);
      return;
    }
    program.memory_bytes += cache.memory.bytes;
    if (state.poison) memset(cache.memory.data, 0xff, cache.memory.bytes);
  }

  void need_scratch(int64_t bytes) {
    if ((size_t)bytes > code.scratch_bytes) code.scratch_bytes = round_up(bytes, 64);
  }

  Instruction resolve(const Op& op) {
    Instruction in = {};
    in.code = op.code;
    switch (op.code) {
      case SB_OP_EMBED:
      case SB_OP_LOAD: in.tensor = program.tensor(op.args[0]); break;
      case SB_OP_RMSNORM:
        set_input(in, op.args[0]);
        in.tensor = program.tensor(op.args[1]);
        in.vector = vector(in.tensor);
        in.number = op.float_arg(2);
        break;
      case SB_OP_LINEAR:
        set_input(in, op.args[0]);
        resolve_linear(op, in);
        break;
      case SB_OP_ROPE:
        set_input(in, op.args[0]);
        resolve_rope(op, in);
        break;
      case SB_OP_KV_CACHE: resolve_cache(program.caches[op.result]); break;
      case SB_OP_KV_WRITE:
        set_input(in, op.args[1]);
        in.b = value_data(op.args[2]);
        in.cache = program.caches[op.args[0]];
        break;
      case SB_OP_ATTENTION:
        set_input(in, op.args[0]);
        in.cache = program.caches[op.args[1]];
        in.number = op.float_arg(2);
        need_scratch(4 * state.kernels->attention_scratch(in.cols / (in.cache.kv_heads * in.cache.head_dim),
                                                          in.cache.head_dim));
        break;
      case SB_OP_SILU_MUL:
      case SB_OP_ADD:
        set_input(in, op.args[0]);
        in.b = value_data(op.args[1]);
        break;
      case SB_OP_SAMPLE:
        set_input(in, op.args[0]);
        need_scratch(state.kernels->sample_scratch(in.cols));
        break;
      case SB_OP_ROWS: set_input(in, op.args[0]); break;
    }
    return in;
  }
};

bool has_value(int code) {
  return code != SB_OP_KV_CACHE && code != SB_OP_KV_WRITE && code != SB_OP_SAMPLE && code != SB_OP_KEEP;
}

int compile(Program& program, Code& code) {
  if (pack_weights(program)) return -1;
  const State& state = state_of(*program.device);
  Compiler c = {program, code, state, {program, code}, nullptr};
  c.arena = static_cast<float*>(c.allocator.take(program.arena_bytes, state.poison));
  if (!c.arena) return -1;
  for (const Op& op : program.ops) {
    Instruction in = c.resolve(op);
    if (has_value(op.code)) {
      in.out = c.value_data(op.result);
      in.out_cols = program.values[op.result].cols;
    }
    if (c.allocator.failed) return -1;
    if (!code.instructions.push(in)) return fail("sb_compile: out of memory");
  }
  if (code.arranged_bytes) code.arranged = static_cast<uint8_t*>(c.allocator.take(code.arranged_bytes, false));
  code.shares = static_cast<Share*>(c.allocator.take(sizeof(Share) * state.pool.threads(), false));
  if (code.scratch_bytes) {
    size_t bytes = code.scratch_bytes * state.pool.threads();
    code.scratch = static_cast<uint8_t*>(c.allocator.take(bytes, state.poison));
  }
  code.tiles = static_cast<Tile*>(c.allocator.take(sizeof(Tile) * program.limits.tokens, false));
  return c.allocator.failed ? -1 : 0;
}

}  // namespace
}  // namespace sb::cpu

namespace sb::backend {

int compile(Program& program) {
  cpu::Code* code = static_cast<cpu::Code*>(calloc(1, sizeof(cpu::Code)));
  if (!code) return fail("sb_compile: out of memory");
  program.state = code;
  return cpu::compile(program, *code);
}

void release(Program& program) {
  cpu::Code* code = static_cast<cpu::Code*>(program.state);
  if (!code) return;
  if (cpu::state_of(*program.device).profile) cpu::print_profile(*code);
  for (Memory& block : code->blocks) block.release();
  code->blocks.release();
  code->instructions.release();
  free(code);
  program.state = nullptr;
}

void read(const Program& program, int value, size_t count, float* out) {
  const cpu::Code& code = *static_cast<cpu::Code*>(program.state);
  const float* arena = reinterpret_cast<const float*>(code.blocks.data[0].data);  // the first block taken
  memcpy(out, arena + program.values.data[value].offset / sizeof(float), count * sizeof(float));
}

}  // namespace sb::backend
