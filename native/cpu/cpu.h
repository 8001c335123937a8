// cpu.h: the state of a CPU device and of a program compiled for it.
#pragma once
#include "../common/program.h"
#include "kernels.h"
#include "pool.h"

namespace sb::cpu {

struct State {
  Pool pool;
  const Kernels* kernels;
  bool poison;
  bool profile;
};

inline State& state_of(const Device& device) { return *static_cast<State*>(device.state); }

constexpr int kProfileClasses = 3;  // see profile.h

// One operation with its operands resolved; only what the operation uses is set.
struct Instruction {
  int code;
  const float *a, *b;  // values
  float* out;
  int cols, out_cols;  // of a, of out
  bool per_row;        // a has L rows, else T
  Tensor tensor;       // table or weight
  const float* vector;  // weight of rmsnorm, bias of linear, as fp32; or null
  Cache cache;
  float number;       // eps or scale
  int head_dim;       // rope
  int half;           // rope: pairs rotated
  float* angles;      // rope: [T][2 * half], shared by the operations with the same frequencies
  bool first_angles;  // rope: this operation computes them
  bool same_input;    // linear: the last linear rounded the same input
  int64_t profile_ns[kProfileClasses];
};

// Queries of one request that are attended together.
struct Tile {
  int request, first, count;
};

struct Code {
  Array<Instruction> instructions;
  Array<Memory> blocks;  // everything below and what the instructions point to
  uint16_t* rounded;     // [T][K rounded up]: input of a linear, see Kernels::round_rows
  size_t rounded_bytes;
  uint8_t* scratch;  // `scratch_bytes` for each thread
  size_t scratch_bytes;
  Tile* tiles;
  int profile_steps[kProfileClasses];
};

constexpr int kRoundedUnit = 32;  // bf16 values in the widest vector

}  // namespace sb::cpu
