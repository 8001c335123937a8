// kernels.h: the arithmetic, once for each instruction set. kernels_<isa>.cpp compile the same sources
// (vec.h, linear.h, attention.h, rows.h, sample.h) with their own flags; device.cpp chooses a table.
//
// Determinism: what a kernel computes for an element depends on its inputs and the instruction set only, never on
// how rows or columns are shared out.
#pragma once
#include <stdint.h>

#include "../include/random.h"
#include "../include/servebench.h"

namespace sb::cpu {

// y [M, N] = x [M, K] * weight [N, K]^T + bias.
struct Linear {
  const void* x;       // as Kernels::arrange writes it
  const void* weight;  // panels, see panels.h
  int weight_dtype;
  const float* bias;  // or null
  float* y;
  int M, N;
  int units;  // of a row of the weight, for K values
};

// One tile of queries: tokens [first, first + count) of one request, the heads that share one KV head.
struct Attention {
  const float* q;  // [T, heads * head_dim]
  float* out;
  const uint8_t* cache;
  int dtype, heads, kv_heads, head_dim;
  float scale;
  int first, count, kv_head;
  const int32_t* position;  // of each token of the step
  const int32_t* table;     // the request's
  float* scratch;           // attention_scratch(...) floats
};
constexpr int kQueryTile = 8;  // tokens

struct Sample {
  const float* logits;
  int count;                // V
  const int32_t* sampling;  // SB_ROW_WORDS words
  int32_t* result;          // SB_RESULT_WORDS words
  int32_t* top;             // alternatives, then asked tokens
  const int32_t* asked;
  int asked_count;
  uint8_t* scratch;  // sample_scratch(V) bytes
};

struct Kernels {
  const char* isa;
  int block_rows;  // rows of x that pass a panel of weights together
  int panel_unit;  // `linear` is best called for multiples of it
  bool rounds;     // whether x is rounded to bf16 where the weight is bf16
  int unit_bytes(int dtype) const { return dtype == SB_BF16 && !rounds ? 8 : 4; }  // of x that meet a unit of weights
  // One block of x, up to block_rows rows of `cols` values, as linear with a weight of `dtype` reads it: unit by unit,
  // filled up with zeros; see linear.h and tiles.h.
  void (*arrange)(const float* x, int rows, int cols, int dtype, void* out);
  // Columns of the panels [begin, end).
  void (*linear)(const Linear& linear, int begin, int end);

  void (*to_float)(const void* source, int dtype, int64_t count, float* out);
  void (*to_bf16)(const float* source, int64_t count, uint16_t* out);  // to nearest, ties to even
  // `groups` groups of g values, each divided by its root mean square.
  void (*rmsnorm)(const float* x, const float* weight, float eps, int groups, int g, float* y);
  // Heads of one token; angles = {cos[half], sin[half]}.
  void (*rope)(const float* x, const float* angles, int heads, int head_dim, int half, float* y);
  void (*silu_mul)(const float* gate, const float* up, int64_t count, float* y);
  void (*add)(const float* a, const float* b, int64_t count, float* y);
  // Stores the key and value of one token and head in the slot of its page; keys and values are those of page and head.
  void (*write_kv)(uint8_t* keys, uint8_t* values, int dtype, int slot, int head_dim, const float* k, const float* v);
  int64_t (*attention_scratch)(int group, int head_dim);
  void (*attention)(const Attention& attention);
  int64_t (*sample_scratch)(int count);
  void (*sample)(const Sample& sample);
  // Values [begin, begin + count) of a tensor, all with the same high half of the index.
  void (*random)(sb_random_key key, uint32_t begin, int64_t count, float scale, float mean, int dtype, void* out);
};

extern const Kernels kernels_scalar, kernels_avx2, kernels_avx512, kernels_avx512bf16, kernels_amx;

}  // namespace sb::cpu
