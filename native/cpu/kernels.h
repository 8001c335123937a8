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
  const void* x;  // fp32, or as Kernels::round_rows writes it where there is one and the weight is bf16
  int x_stride;   // elements
  const void* weight;
  int weight_dtype;
  const float* bias;  // or null
  float* y;
  int M, N, K;
  int skip;  // columns between the end of a call and where its thread will probably go on
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
  int row_unit;     // `round_rows` begins at multiples of it
  int column_unit;  // `linear` is best called for multiples of it
  // What linear with a bf16 weight takes for the rows [begin, end) of x [M, cols]: bf16, filled up with zeros to
  // `stride` columns and, last, to row_unit rows; tiles.h has a layout of its own. Null: it takes fp32.
  void (*round_rows)(const float* x, int cols, int begin, int end, int stride, uint16_t* out);

  void (*to_float)(const void* source, int dtype, int64_t count, float* out);
  void (*to_bf16)(const float* source, int64_t count, uint16_t* out);  // to nearest, ties to even
  void (*linear)(const Linear& linear, int n_begin, int n_end);
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
