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

// Query rows, their outputs, keys and values of a page as fp32 [rows][padded]; state and scores of each row.
int64_t attention_scratch(int group, int head_dim) {
  int64_t rows = (int64_t)kQueryTile * group;
  return 2 * rows * padded(head_dim) + 3 * rows + rows * kTokens + 2 * kTokens * (int64_t)padded(head_dim);
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

// scores[t] = q * key of token t; -infinity from token `valid` on.
SB_INLINE void query_scores(const float* q, Block keys, int d, int valid, float* scores) {
  for (int g = 0; g < kGroups; g++) {
    F dots[kWidth] = {};
    const float* key = keys.data + (int64_t)g * kWidth * keys.stride;
    for (int i = 0; i < d; i += kWidth) {
      F qs = load(q + i);
#pragma GCC unroll 16
      for (int t = 0; t < kWidth; t++) dots[t] = fma(qs, load(key + t * keys.stride + i), dots[t]);
    }
    store(scores + g * kWidth, first_n(sum_each(dots), valid - g * kWidth, set1(-INFINITY)));
  }
}

struct RowState {
  float most, sum;  // of the scores so far
  float decay;      // of what was summed before this page
};

// Scores to weights, in place.
SB_INLINE void weigh_scores(float* scores, RowState& state) {
  F most = load(scores);
  for (int g = 1; g < kGroups; g++) most = max(most, load(scores + g * kWidth));
  float block_most = max_lane(most);
  state.decay = 1;
  if (block_most > state.most) {
    state.decay = exp(set1(state.most - block_most))[0];
    state.most = block_most;
  }
  F total = {};
  for (int g = 0; g < kGroups; g++) {
    F weight = exp(load(scores + g * kWidth) - set1(state.most));
    store(scores + g * kWidth, weight);
    total += weight;
  }
  state.sum = state.sum * state.decay + sum(total);
}

// V vectors of out = out * decay + sum over the tokens of weight * value.
template <int V>
SB_INLINE void add_values(float* out, const float* values, int stride, int valid, float decay, const float* weights) {
  F sum[V];
  for (int v = 0; v < V; v++) sum[v] = load(out + v * kWidth) * set1(decay);
  for (int t = 0; t < valid; t++, values += stride) {
    F weight = set1(weights[t]);
    for (int v = 0; v < V; v++) sum[v] = fma(weight, load(values + v * kWidth), sum[v]);
  }
  for (int v = 0; v < V; v++) store(out + v * kWidth, sum[v]);
}

SB_INLINE void add_page(float* out, Block values, int d, int valid, float decay, const float* weights) {
  int i = 0;
  for (; i + 4 * kWidth <= d; i += 4 * kWidth) add_values<4>(out + i, values.data + i, values.stride, valid, decay, weights);
  for (; i + 2 * kWidth <= d; i += 2 * kWidth) add_values<2>(out + i, values.data + i, values.stride, valid, decay, weights);
  if (i < d) add_values<1>(out + i, values.data + i, values.stride, valid, decay, weights);
}

void attention(const Attention& a) {
  int d = a.head_dim, stride = padded(d), group = a.heads / a.kv_heads;
  int rows = a.count * group;
  float* q = a.scratch;
  float* out = q + (int64_t)kQueryTile * group * stride;
  RowState* state = (RowState*)(out + (int64_t)kQueryTile * group * stride);
  float* scores = (float*)(state + kQueryTile * group);
  float* key_copy = scores + kQueryTile * group * kTokens;
  float* value_copy = key_copy + kTokens * stride;

  // Row i is token first + i / group, head kv_head * group + i % group.
  auto at = [&](int i) { return ((int64_t)(a.first + i / group) * a.heads + a.kv_head * group + i % group) * d; };
  memset(q, 0, (size_t)rows * stride * 4);
  memset(out, 0, (size_t)rows * stride * 4);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) q[(int64_t)i * stride + j] = a.q[at(i) + j] * a.scale;
    state[i] = {-INFINITY, 0, 1};
  }
  int last = a.position[a.first + a.count - 1];
  for (int page = 0; page * kTokens <= last; page++) {
    int begin = page * kTokens;
    int most = last + 1 - begin < kTokens ? last + 1 - begin : kTokens;
    Block keys = read_block(a, a.table[page], 0, most, key_copy);
    Block values = read_block(a, a.table[page], 1, most, value_copy);
    // Row by row in three passes: the rows of a pass do not wait for each other.
    auto valid = [&](int i) { return a.position[a.first + i / group] + 1 - begin; };
    int first = 0;
    while (valid(first) <= 0) first += group;  // positions ascend
    for (int i = first; i < rows; i++) query_scores(q + (int64_t)i * stride, keys, stride, valid(i), scores + i * kTokens);
    for (int i = first; i < rows; i++) weigh_scores(scores + i * kTokens, state[i]);
    for (int i = first; i < rows; i++) {
      int count = valid(i) < kTokens ? valid(i) : kTokens;
      add_page(out + (int64_t)i * stride, values, stride, count, state[i].decay, scores + i * kTokens);
    }
  }
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) a.out[at(i) + j] = out[(int64_t)i * stride + j] / state[i].sum;
  }
}

}  // namespace
