// attention.h: causal attention over paged keys and values. A page is one block of the online softmax (Milakov and
// Gimelshein 2018), and pages are walked from position 0, so a query's result does not depend on the step it is in.
#pragma once
#include "kernels.h"
#include "vec.h"

namespace {

using sb::cpu::Attention;
using sb::cpu::kQueryTile;

constexpr int kTokens = SB_PAGE_TOKENS;
constexpr int kGroups = kTokens / kWidth;  // vectors of scores in a page

SB_INLINE int padded(int head_dim) { return (head_dim + kWidth - 1) / kWidth * kWidth; }

// Query rows, their outputs, keys and values of a page as fp32 [rows][padded]; {maximum, sum} of each row.
int64_t attention_scratch(int group, int head_dim) {
  int64_t rows = (int64_t)kQueryTile * group;
  return 2 * rows * padded(head_dim) + 2 * rows + 2 * kTokens * (int64_t)padded(head_dim);
}

// fp32 [tokens][stride] of one head of a page.
struct Block {
  const float* data;
  int stride;
};

// In place where the cache is fp32 and needs no padding, else copied to `copy`.
SB_INLINE Block read_block(const Attention& a, int page, int which, int valid, float* copy) {
  int d = a.head_dim, stride = padded(d);
  int64_t at = ((((int64_t)page * 2 + which) * a.kv_heads + a.kv_head) * kTokens) * d;
  if (a.dtype == SB_F32 && d == stride) return {(const float*)a.cache + at, d};
  for (int t = 0; t < valid; t++, copy += stride, at += d) {
    int i = 0;
    for (; i + kWidth <= d; i += kWidth) {
      store(copy + i, a.dtype == SB_F32 ? load((const float*)a.cache + at + i) : widen((const uint16_t*)a.cache + at + i));
    }
    if (i == d) continue;
    store(copy + i, a.dtype == SB_F32 ? load_n((const float*)a.cache + at + i, d - i)
                                      : widen_n((const uint16_t*)a.cache + at + i, d - i));
  }
  return {copy - (int64_t)valid * stride, stride};
}

// Lane t of scores[g] is q * key of token g * kWidth + t; -infinity from token `valid` on.
SB_INLINE void query_scores(const float* q, Block keys, int d, int valid, F* scores) {
  for (int g = 0; g < kGroups; g++) {
    F dots[kWidth] = {};
    const float* key = keys.data + (int64_t)g * kWidth * keys.stride;
    for (int i = 0; i < d; i += kWidth) {
      F qs = load(q + i);
#pragma GCC unroll 16
      for (int t = 0; t < kWidth; t++) dots[t] = fma(qs, load(key + t * keys.stride + i), dots[t]);
    }
    scores[g] = first_n(sum_each(dots), valid - g * kWidth, set1(-INFINITY));
  }
}

// out = out * decay + sum over the tokens of weight * value.
SB_INLINE void add_values(float* out, Block values, int d, int valid, float decay, const float* weights) {
  constexpr int kVectors = 4;
  for (int i = 0; i < d; i += kVectors * kWidth) {
    int vectors = (d - i) / kWidth < kVectors ? (d - i) / kWidth : kVectors;
    F sum[kVectors];
    for (int v = 0; v < vectors; v++) sum[v] = load(out + i + v * kWidth) * set1(decay);
    for (int t = 0; t < valid; t++) {
      F weight = set1(weights[t]);
      const float* value = values.data + (int64_t)t * values.stride + i;
      for (int v = 0; v < vectors; v++) sum[v] = fma(weight, load(value + v * kWidth), sum[v]);
    }
    for (int v = 0; v < vectors; v++) store(out + i + v * kWidth, sum[v]);
  }
}

struct RowState {
  float most, sum;
};

// One page for one query row.
SB_INLINE void attend(const float* q, Block keys, Block values, int d, int valid, RowState& state, float* out) {
  F scores[kGroups];
  alignas(64) float weights[kTokens];
  query_scores(q, keys, d, valid, scores);
  F most = scores[0];
  for (int g = 1; g < kGroups; g++) most = max(most, scores[g]);
  float block_most = max_lane(most);
  float decay = 1;
  if (block_most > state.most) {
    decay = exp(set1(state.most - block_most))[0];
    state.most = block_most;
  }
  F total = {};
  for (int g = 0; g < kGroups; g++) {
    F weight = exp(scores[g] - set1(state.most));
    store(weights + g * kWidth, weight);
    total += weight;
  }
  state.sum = state.sum * decay + sum(total);
  add_values(out, values, d, valid, decay, weights);
}

void attention(const Attention& a) {
  int d = a.head_dim, stride = padded(d), group = a.heads / a.kv_heads;
  int rows = a.count * group;
  float* q = a.scratch;
  float* out = q + (int64_t)kQueryTile * group * stride;
  RowState* state = (RowState*)(out + (int64_t)kQueryTile * group * stride);
  float* key_copy = (float*)(state + kQueryTile * group);
  float* value_copy = key_copy + kTokens * stride;

  // Row i is token first + i / group, head kv_head * group + i % group.
  auto at = [&](int i) { return ((int64_t)(a.first + i / group) * a.heads + a.kv_head * group + i % group) * d; };
  memset(q, 0, (size_t)rows * stride * 4);
  memset(out, 0, (size_t)rows * stride * 4);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) q[(int64_t)i * stride + j] = a.q[at(i) + j] * a.scale;
    state[i] = {-INFINITY, 0};
  }
  int last = a.position[a.first + a.count - 1];
  for (int page = 0; page * kTokens <= last; page++) {
    int begin = page * kTokens;
    int most = last + 1 - begin < kTokens ? last + 1 - begin : kTokens;
    Block keys = read_block(a, a.table[page], 0, most, key_copy);
    Block values = read_block(a, a.table[page], 1, most, value_copy);
    for (int i = 0; i < rows; i++) {
      int valid = a.position[a.first + i / group] + 1 - begin;
      if (valid <= 0) continue;
      attend(q + (int64_t)i * stride, keys, values, stride, valid < kTokens ? valid : kTokens, state[i],
             out + (int64_t)i * stride);
    }
  }
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) a.out[at(i) + j] = out[(int64_t)i * stride + j] / state[i].sum;
  }
}

}  // namespace
