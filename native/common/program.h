// program.h: what the ABI's handles stand for. Shared by all backends.
#pragma once
#include <pthread.h>
#include <stdint.h>

#include "../include/servebench.h"
#include "memory.h"

namespace sb {

struct File {
  char* path;
  const uint8_t* data;
  size_t bytes;
};

struct Tensor {
  int dtype, rows, cols;
  const void* data;  // in a mapped file, or in `owned`; null where `panels` is all that is left
  Memory owned;
  const void* panels;  // the values as the backend's linear reads them, or null

  size_t bytes() const { return (size_t)rows * cols * element_bytes(dtype); }
  static int element_bytes(int dtype) { return dtype == SB_BF16 ? 2 : 4; }
};

struct Driver;

struct Device {
  Array<File> files;
  Array<Tensor> tensors;
  Driver* driver;
  int programs;         // alive
  size_t memory_bytes;  // of tensors and programs
  void* state;          // of the backend
};

struct Limits {
  int tokens, requests, rows, pages, table;
};

// fp32 [T or L, cols].
struct Value {
  bool per_row = false;  // L rows, else T
  int cols = 0;
  int first = 0, last = 0;  // operations that write it and read it last
  bool kept = false;
  size_t offset = 0;  // in the program's arena
};

// Pages of SB_PAGE_TOKENS tokens: [page][K | V][kv head], then keys and values as the backend wants them.
struct Cache {
  int kv_heads, head_dim, dtype;
  Memory memory;

  size_t page_elements() const { return (size_t)2 * kv_heads * SB_PAGE_TOKENS * head_dim; }
  size_t page_bytes() const { return page_elements() * Tensor::element_bytes(dtype); }
};

constexpr int kMostArguments = 3;

struct Op {
  int code;
  int args[kMostArguments] = {};
  int result = 0;  // value or cache handle; 0 where there is none

  float float_arg(int i) const {
    float f;
    memcpy(&f, &args[i], 4);
    return f;
  }
};

// A row's adjustments as the step holds them: a record of servebench.h.
struct Adjustment {
  struct Entry {
    int32_t token, word;  // a count, or the fp32 bits of a bias
  };
  int32_t row;
  float frequency, presence, repetition;
  int32_t counted, biased;

  // On the device the first may be of a count of 0: it was merged with another, or its row had no token.
  Entry* counts() { return reinterpret_cast<Entry*>(this + 1); }
  Entry* biases() { return counts() + counted; }
  const Entry* counts() const { return reinterpret_cast<const Entry*>(this + 1); }
  const Entry* biases() const { return counts() + counted; }
  size_t words() const { return SB_ADJUST_WORDS + 2 * ((size_t)counted + biased); }
};
static_assert(sizeof(Adjustment) == SB_ADJUST_WORDS * sizeof(int32_t));

// A step as sb_run describes it, and what is derived from it. Pointers into its slot.
struct Step {
  int tokens, requests, rows, table_entries, adjust_words, asked_words;
  int32_t* ids;  // resolved before the backend runs: -1 (NaN) or an id
  const int32_t *begin, *start, *pages, *table, *rows_of, *sampling;
  int32_t* adjust;     // token -1-j resolved before the backend runs
  const int32_t* asked;
  int32_t* position;   // of each token
  int32_t* kv_slot;    // of each token: page * SB_PAGE_TOKENS + slot in it
  int32_t* results;    // as sb_wait writes them
  int32_t* top_begin;  // [rows + 1], where in results a row's alternatives begin; its asked tokens follow them
  int32_t* adjust_at;  // [rows], where in adjust a row's record begins; -1: it has none
  int32_t* asked_at;   // [rows], where in asked a row's record begins; -1: it has none

  const int32_t* row_sampling(int row) const { return sampling + row * SB_ROW_WORDS; }
  int32_t* row_result(int row) const { return results + row * SB_RESULT_WORDS; }
  int32_t* row_top(int row) const { return results + top_begin[row]; }
  int row_asked_count(int row) const { return asked_at[row] < 0 ? 0 : asked[asked_at[row] + 1]; }
  const int32_t* row_asked(int row) const { return asked_at[row] < 0 ? nullptr : asked + asked_at[row] + SB_ASKED_WORDS; }
  Adjustment* adjustment(int at) const { return reinterpret_cast<Adjustment*>(adjust + at); }
  const Adjustment* row_adjustment(int row) const { return adjust_at[row] < 0 ? nullptr : adjustment(adjust_at[row]); }
};

struct Program;

// One step that is out.
struct Slot {
  Program* program;
  Slot* next;  // in the driver's queue
  Memory memory;
  Memory tail_memory;  // adjustments and asked tokens: as large as the longest so far
  int32_t* words;
  Step step;
  int result_words;
  bool done;
  char error[256];  // empty: none
};

struct Program {
  Device* device;
  Limits limits;
  Array<Op> ops;
  Array<Value> values;
  Array<Cache> caches;
  int vocabulary;     // ids are below it; INT32_MAX without an embed
  int sample_values;  // width of the sampled logits; 0 without a sample
  bool compiled;
  size_t arena_bytes;
  size_t memory_bytes;  // counted in the device
  void* state;          // of the backend

  Slot slots[SB_STEPS_MAX];
  uint64_t started, waited;  // step n (from 0) has ticket n % INT32_MAX + 1 and slot n % SB_STEPS_MAX
  int last_rows;             // logits rows of the step started last
  Step last_step;            // the step completed last (counts only)

  // The driver's.
  int32_t* previous_tokens;  // of the step run last
  bool previous_failed;
  int64_t ended_ns;  // when the step run last ended; 0: none
  int32_t idle_us;   // atomic

  const Value& value(int handle) const { return values[handle]; }
  const Tensor& tensor(int handle) const { return device->tensors[handle]; }
};

}  // namespace sb
