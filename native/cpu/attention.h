// attention.h: causal attention over paged keys and values, an online softmax (Milakov and Gimelshein 2018) over
// blocks of pages. Blocks are walked from position 0, so a query's result does not depend on the step it is in.
//
// Layout: a page holds the keys of a head as [dim][token] and its values as [token][dim]. Both products then go
// along a vector with one number broadcast: nothing is transposed, copied or summed across lanes.
// Bound: one fused multiply-add of fp32 a cycle for a prompt (117 GFLOP/s a core on Zen 4); for one query, reading the
// cache.
// Tried (512 tokens of the 135M model, GFLOP/s of one core): keys as [token][dim], a page a block, widened to a copy, one
// query at a time 52-59; this 78. One query over 512 tokens: 16, now 25 GB/s. The cache of 8 requests of 2000 tokens, in
// memory: the next page's keys and this page's values fetched into L1 10.9 GB/s of one core, keys and values of the page a
// block ahead into L2 15.3; the first block, too, no faster. In L2 19.7.
#pragma once
#include "kernels.h"
#include "vec.h"

namespace {

using sb::cpu::Attention;
using sb::cpu::kQueryTile;

constexpr int kTokens = SB_PAGE_TOKENS;
constexpr int kBlockPages = 4;
constexpr int kBlock = kBlockPages * kTokens;           // tokens of a block
constexpr int kScoreRows = kWidth == 16 ? 8 : 4;        // queries that share a read of the keys
constexpr int kValueRows = kWidth == 16 ? 4 : 2;        // queries that share a read of the values
constexpr int kValueVectors = 4;                        // of an output, kept in registers

SB_INLINE F read(const float* p) { return load(p); }
SB_INLINE F read(const uint16_t* p) { return widen(p); }
SB_INLINE F read_n(const float* p, int n) { return load_n(p, n); }
SB_INLINE F read_n(const uint16_t* p, int n) { return widen_n(p, n); }
SB_INLINE void write(float* p, float f) { *p = f; }
SB_INLINE void write(uint16_t* p, float f) { *p = to_bf16(f); }

SB_INLINE int padded(int head_dim) { return (head_dim + kWidth - 1) / kWidth * kWidth; }

struct RowState {
  float most, sum;  // of the scores so far
  float decay;      // of what was summed before this block
};

// Of each row: its output, state, weights of a block and scaled query.
int64_t attention_scratch(int group, int head_dim) {
  int64_t row = padded(head_dim) + (int64_t)sizeof(RowState) / 4 + kBlock + head_dim;
  return (int64_t)kQueryTile * group * row;
}

template <class T>
void write_head(T* keys, T* values, int slot, int head_dim, const float* k, const float* v) {
  for (int i = 0; i < head_dim; i++) {
    write(keys + i * kTokens + slot, k[i]);
    write(values + slot * head_dim + i, v[i]);
  }
}
// The key and value of one token and head; `keys` and `values` are those of its page and head.
void write_kv(uint8_t* keys, uint8_t* values, int dtype, int slot, int head_dim, const float* k, const float* v) {
  if (dtype == SB_F32) {
    write_head((float*)keys, (float*)values, slot, head_dim, k, v);
  } else {
    write_head((uint16_t*)keys, (uint16_t*)values, slot, head_dim, k, v);
  }
}

template <int R>
struct Rows {};

// f(Rows<R>, first) over [begin, end) in groups of Most, then of what is left.
template <int Most, class Function>
SB_INLINE void each_group(int begin, int end, Function f) {
  for (; begin + Most <= end; begin += Most) f(Rows<Most>{}, begin);
  if (Most > 4 && begin + 4 <= end) {
    f(Rows<4>{}, begin);
    begin += 4;
  }
  if (end - begin == 3) f(Rows<3>{}, begin);
  if (end - begin == 2) f(Rows<2>{}, begin);
  if (end - begin == 1) f(Rows<1>{}, begin);
}

// scores[r][t] = q[r] * key of token t, for R rows and the tokens of a page. Meanwhile fetches the keys and values of the
// page that is read a block later, if `Fetches`: pages lie anywhere, so the processor does not foresee them.
template <int R, bool Fetches, class T>
SB_INLINE void score_page(const float* q, const T* keys, const T* next_keys, const T* next_values, int d,
                          float* scores) {
  constexpr int kLine = 64 / (int)(kTokens * sizeof(T));  // dims
  for (int g = 0; g < kTokens; g += kWidth) {
    F sum[R] = {};
    for (int i = 0; i < d; i++) {
      if (Fetches && g == 0 && i % kLine == 0) {
        _mm_prefetch((const char*)(next_keys + i * kTokens), _MM_HINT_T1);
        _mm_prefetch((const char*)(next_values + i * kTokens), _MM_HINT_T1);
      }
      F key = read(keys + i * kTokens + g);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[r] = fma(set1(q[r * d + i]), key, sum[r]);
    }
    for (int r = 0; r < R; r++) store(scores + r * kBlock + g, sum[r]);
  }
}

// The first `valid` scores become weights, in place; those that fill up their vector become 0.
SB_INLINE void weigh_scores(float* scores, int valid, RowState& state) {
  int whole = valid / kWidth * kWidth;
  if (whole < valid) store(scores + whole, first_n(load(scores + whole), valid - whole, set1(-INFINITY)));
  F most = set1(-INFINITY);
  for (int t = 0; t < valid; t += kWidth) most = max(most, load(scores + t));
  float block_most = max_lane(most);
  state.decay = 1;
  if (block_most > state.most) {
    state.decay = exp(set1(state.most - block_most))[0];
    state.most = block_most;
  }
  F total = {};
  for (int t = 0; t < valid; t += kWidth) {
    F weight = exp(load(scores + t) - set1(state.most));
    store(scores + t, weight);
    total += weight;
  }
  state.sum = state.sum * state.decay + sum(total);
}

// The pages of a block, and where the values of a head begin in one.
template <class T>
struct Values {
  const T* cache;
  const int32_t* pages;
  int64_t page, head;  // elements
  int d;

  const T* at(int token) const { return cache + pages[token / kTokens] * page + head + token % kTokens * d; }
};

// V vectors of R outputs, from dim i: out = out * decay + sum of weight * value over the tokens [begin, end). The last
// of V = 1 may have n < kWidth dims.
template <int R, int V, class T>
SB_INLINE void add_values(const Values<T>& values, int begin, int end, int i, int n, const float* weights,
                          const RowState* state, bool decays, float* out, int stride) {
  F sum[R][V];
  for (int r = 0; r < R; r++) {
    F decay = set1(decays ? state[r].decay : 1);
    for (int v = 0; v < V; v++) sum[r][v] = load(out + r * stride + v * kWidth) * decay;
  }
  for (int t = begin; t < end;) {
    const T* value = values.at(t) + i;
    int page_end = (t / kTokens + 1) * kTokens;
    for (int last = page_end < end ? page_end : end; t < last; t++, value += values.d) {
      F x[V];
      for (int v = 0; v < V; v++) x[v] = V == 1 && n < kWidth ? read_n(value, n) : read(value + v * kWidth);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        F weight = set1(weights[r * kBlock + t]);
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) sum[r][v] = fma(weight, x[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < V; v++) store(out + r * stride + v * kWidth, sum[r][v]);
  }
}

// All dims of R outputs.
template <int R, class T>
SB_INLINE void add_block(const Values<T>& values, int begin, int end, const float* weights, const RowState* state,
                         bool decays, float* out, int stride) {
  int i = 0;
  for (; i + kValueVectors * kWidth <= values.d; i += kValueVectors * kWidth) {
    add_values<R, kValueVectors>(values, begin, end, i, kWidth, weights, state, decays, out + i, stride);
  }
  for (; i < values.d; i += kWidth) {
    add_values<R, 1>(values, begin, end, i, values.d - i, weights, state, decays, out + i, stride);
  }
}

template <class T>
void attend(const Attention& a) {
  int d = a.head_dim, stride = padded(d), group = a.heads / a.kv_heads, rows = a.count * group;
  float* out = a.scratch;
  RowState* state = (RowState*)(out + (int64_t)rows * stride);
  float* scores = (float*)(state + rows);
  float* q = scores + (int64_t)rows * kBlock;
  // Row i is token first + i / group, head kv_head * group + i % group.
  auto at = [&](int i) { return ((int64_t)(a.first + i / group) * a.heads + a.kv_head * group + i % group) * d; };
  memset(out, 0, (size_t)rows * stride * 4);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) q[(int64_t)i * d + j] = a.q[at(i) + j] * a.scale;
    state[i] = {-INFINITY, 0, 1};
  }
  int64_t page_size = (int64_t)2 * a.kv_heads * kTokens * d, head = (int64_t)a.kv_head * kTokens * d;
  const T* cache = (const T*)a.cache;
  int last = a.position[a.first + a.count - 1];
  for (int begin = 0; begin <= last; begin += kBlock) {
    const int32_t* pages = a.table + begin / kTokens;
    // Tokens of the block that row i sees.
    auto valid = [&](int i) {
      int seen = a.position[a.first + i / group] + 1 - begin;
      return seen < kBlock ? seen : kBlock;
    };
    int first = 0;
    while (valid(first) <= 0) first += group;  // positions ascend
    for (int t = 0; t < kBlock && begin + t <= last; t += kTokens) {
      auto keys_of = [&](int page) { return cache + pages[page] * page_size + head; };
      const T* keys = keys_of(t / kTokens);
      bool fetches = begin + t + kBlock <= last;
      const T* next = fetches ? keys_of(t / kTokens + kBlockPages) : keys;
      each_group<kScoreRows>(first, rows, [&]<int R>(Rows<R>, int i) {
        const float* queries = q + (int64_t)i * d;
        float* to = scores + (int64_t)i * kBlock + t;
        if (fetches && i == first) {
          score_page<R, true>(queries, keys, next, next + page_size / 2, d, to);
        } else {
          score_page<R, false>(queries, keys, keys, keys, d, to);
        }
      });
    }
    for (int i = first; i < rows; i++) weigh_scores(scores + (int64_t)i * kBlock, valid(i), state[i]);
    Values<T> values = {cache, pages, page_size, page_size / 2 + head, d};
    each_group<kValueRows>(first, rows, [&]<int R>(Rows<R>, int i) {
      int common = valid(i);  // the first row sees the fewest
      auto add = [&]<int N>(Rows<N>, int j, int from, int to, bool decays) {
        const float* weights = scores + (int64_t)j * kBlock;
        add_block<N>(values, from, to, weights, state + j, decays, out + (int64_t)j * stride, stride);
      };
      add(Rows<R>{}, i, 0, common, true);
      for (int j = i; j < i + R; j++) {
        if (valid(j) > common) add(Rows<1>{}, j, common, valid(j), false);
      }
    });
  }
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < d; j++) a.out[at(i) + j] = out[(int64_t)i * stride + j] / state[i].sum;
  }
}

void attention(const Attention& a) {
  if (a.dtype == SB_F32) {
    attend<float>(a);
  } else {
    attend<uint16_t>(a);
  }
}

}  // namespace
