// cpu.h: the state of a CPU device and of a program compiled for it.
#pragma once
#include "../common/program.h"
#include "kernels.h"
#include "panels.h"
#include "pool.h"

namespace sb::cpu {

struct State {
  Pool pool;
  const Kernels* kernels;
  Array<Memory> panels;  // of weights, see panels.h
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
  const float* vector;  // weight of rmsnorm, bias of linear, frequencies of rope, as fp32; or null
  Cache cache;
  float number;       // eps or scale
  int head_dim;       // rope
  int half;           // rope: pairs rotated
  float* angles;      // rope: [T][2 * half], shared by the operations with the same frequencies
  bool first_angles;  // rope: this operation computes them
  bool same_input;    // linear: the last linear arranged the same input
  int64_t profile_ns[kProfileClasses];
};

// Queries of one request that are attended together.
struct Tile {
  int request, first, count;
};

// Panels of a weight that one thread begins with; who has no more takes from the others.
struct alignas(64) Share {
  int next, end;
};

struct Code {
  Array<Instruction> instructions;
  Array<Memory> blocks;  // everything below and what the instructions point to
  uint8_t* arranged;     // input of a linear, see Kernels::arrange
  size_t arranged_bytes;
  Share* shares;  // one for each thread
  uint8_t* scratch;  // `scratch_bytes` for each thread
  size_t scratch_bytes;
  Tile* tiles;
  int profile_steps[kProfileClasses];
};

}  // namespace sb::cpu
