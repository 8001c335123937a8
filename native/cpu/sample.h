// sample.h: draws a row's token and reports logprobs. The vocabulary is never sorted: a histogram of the weights
// finds the one narrow band in which a filter cuts, and only that band is sorted.
#pragma once
#include "kernels.h"
#include "philox.h"
#include "vec.h"

namespace {

using sb::cpu::Sample;

constexpr int kSampleBlock = 1024;  // values whose weights are summed in vector lanes, then as one double
constexpr int kBins = 2048;
constexpr float kBinsPerNat = 64;
constexpr int kBinCopies = 4;  // neighbours often meet in a bin: they should not wait for each other

struct Candidate {
  float logit;
  int id;
};
// The order of probability, then of id.
SB_INLINE bool before(Candidate a, Candidate b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

// What lies in one band of probability.
struct Bin {
  double weight;
  int64_t count;
};

struct SampleScratch {
  double* block_sums;
  Bin* bins;              // [kBins][kBinCopies]
  Candidate* candidates;  // V
};
SB_INLINE int64_t block_count(int count) { return (count + kSampleBlock - 1) / kSampleBlock; }
int64_t sample_scratch(int count) {
  return block_count(count) * 8 + kBins * kBinCopies * (int64_t)sizeof(Bin) + count * (int64_t)sizeof(Candidate);
}
SB_INLINE SampleScratch scratch_of(const Sample& s) {
  SampleScratch out;
  out.block_sums = (double*)s.scratch;
  out.bins = (Bin*)(out.block_sums + block_count(s.count));
  out.candidates = (Candidate*)(out.bins + kBins * kBinCopies);
  return out;
}

// The softmax of a row at one temperature: weight of a logit x is e^((x - most) * inverse).
struct Softmax {
  const float* logits;
  int count;
  float most, inverse;
};
SB_INLINE F exponent(const Softmax& s, F logits) { return (logits - set1(s.most)) * set1(s.inverse); }

// The last token kept; nothing is dropped when it is {-infinity, any}.
using Cut = Candidate;
SB_INLINE F kept(F weights, F logits, int first, Cut cut) {
  I ids = lanes() + first;
  I keep = (logits > set1(cut.logit)) | ((logits == set1(cut.logit)) & (ids <= cut.id));
  return keep ? weights : F{};
}

// f(i, logits, n) for the vectors of values [begin, end); lanes from n on are -infinity.
template <class Each>
SB_INLINE void each_logits(const float* logits, int begin, int end, Each f) {
  int i = begin;
  for (; i + kWidth <= end; i += kWidth) f(i, load(logits + i), kWidth);
  if (i < end) f(i, first_n(load_n(logits + i, end - i), end - i, set1(-INFINITY)), end - i);
}

// The largest logit; NaN when the row holds NaN or has no finite maximum.
float row_max(const float* logits, int count) {
  F most = set1(-INFINITY);
  I nan = {};
  each_logits(logits, 0, count, [&](int, F x, int) {
    most = max(x, most);
    nan |= x != x;
  });
  float value = max_lane(most);
  return any(nan) || !__builtin_isfinite(value) ? NAN : value;
}

int first_equal(const float* logits, int count, float value) {
  for (int i = 0; i < count; i++) {
    if (logits[i] == value) return i;
  }
  return -1;
}

// Sum of the weights that the cut keeps, block by block in order of id.
double weigh(const Softmax& s, Cut cut, double* block_sums) {
  double total = 0;
  for (int begin = 0, block = 0; begin < s.count; begin += kSampleBlock, block++) {
    int end = begin + kSampleBlock < s.count ? begin + kSampleBlock : s.count;
    F lanes_sum = {};
    each_logits(s.logits, begin, end, [&](int i, F x, int) { lanes_sum += kept(exp(exponent(s, x)), x, i, cut); });
    block_sums[block] = sum(lanes_sum);
    total += block_sums[block];
  }
  return total;
}

SB_INLINE I bins_of(F exponents) {
  return __builtin_convertvector(min(exponents * set1(-kBinsPerNat), set1(kBins - 1)), I);
}

void fill_bins(const Softmax& s, Bin* bins) {
  memset(bins, 0, kBins * kBinCopies * sizeof(Bin));
  each_logits(s.logits, 0, s.count, [=](int, F x, int n) {
    alignas(64) float weights[kWidth];
    alignas(64) int32_t places[kWidth];
    F exponents = exponent(s, x);
    I bin = bins_of(exponents);
    store(weights, exp(exponents));
    memcpy(places, &bin, sizeof places);
    for (int j = 0; j < n; j++) {
      Bin& b = bins[places[j] * kBinCopies + j % kBinCopies];
      b.weight += weights[j];
      b.count++;
    }
  });
  for (int i = 0; i < kBins; i++) {
    for (int copy = 1; copy < kBinCopies; copy++) {
      bins[i * kBinCopies].weight += bins[i * kBinCopies + copy].weight;
      bins[i * kBinCopies].count += bins[i * kBinCopies + copy].count;
    }
  }
}

// Heapsort: in place, no worst case.
void sift(Candidate* c, int at, int count) {
  for (int child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && before(c[child], c[child + 1])) child++;
    if (!before(c[at], c[child])) return;
    Candidate swapped = c[at];
    c[at] = c[child];
    c[child] = swapped;
  }
}
void sort(Candidate* c, int count) {
  for (int i = count / 2 - 1; i >= 0; i--) sift(c, i, count);
  for (int end = count - 1; end > 0; end--) {
    Candidate last = c[end];
    c[end] = c[0];
    c[0] = last;
    sift(c, 0, end);
  }
}

int collect_bin(const Softmax& s, int bin, Candidate* out) {
  int found = 0;
  each_logits(s.logits, 0, s.count, [&](int i, F x, int n) {
    I here = bins_of(exponent(s, x)) == bin;
    if (!any(here)) return;
    for (int j = 0; j < n; j++) {
      if (here[j]) out[found++] = {x[j], i + j};
    }
  });
  return found;
}

// The last token that top_k (a count) and top_p (a sum of weights) keep.
Cut rank_cut(const Softmax& s, int top_k, double top_weight, const SampleScratch& scratch) {
  fill_bins(s, scratch.bins);
  int64_t rank = 0;
  double cumulated = 0;
  for (int bin = 0; bin < kBins; bin++) {
    int64_t rank_after = rank + scratch.bins[bin * kBinCopies].count;
    double cumulated_after = cumulated + scratch.bins[bin * kBinCopies].weight;
    if (rank_after >= top_k || cumulated_after > top_weight) {
      int found = collect_bin(s, bin, scratch.candidates);
      sort(scratch.candidates, found);
      int last = 0;
      for (; last < found; last++) {
        cumulated += exp(exponent(s, set1(scratch.candidates[last].logit)))[0];
        if (++rank >= top_k || cumulated > top_weight) break;
      }
      return scratch.candidates[last < found ? last : found - 1];
    }
    rank = rank_after;
    cumulated = cumulated_after;
  }
  return {-INFINITY, s.count};
}

// min_p keeps logits from most + log(min_p) / inverse on.
Cut min_p_cut(const Softmax& s, float min_p) {
  if (min_p <= 0) return {-INFINITY, s.count};
  double bound = (double)s.most + log((double)min_p) / (double)s.inverse;
  float logit = (float)bound;
  if ((double)logit < bound) logit = nextafterf(logit, INFINITY);
  return {logit, s.count};
}

// The first kept token of a block, in order of id, at which `cumulated` exceeds the target; the last kept one where
// rounding lets none.
int draw_in_block(const Softmax& s, Cut cut, int begin, int end, double cumulated, double target) {
  int last = -1;
  bool drawn = false;
  each_logits(s.logits, begin, end, [&](int i, F x, int n) {
    F weights = kept(exp(exponent(s, x)), x, i, cut);
    for (int j = 0; j < n && !drawn; j++) {
      if (weights[j] <= 0) continue;
      cumulated += weights[j];
      last = i + j;
      drawn = cumulated > target;
    }
  });
  return last;
}

int draw(const Softmax& s, Cut cut, double target, const double* block_sums) {
  int last = (int)block_count(s.count) - 1;
  while (block_sums[last] <= 0) last--;  // the most likely token is always kept
  int block = 0;
  double cumulated = 0;
  for (; block < last && cumulated + block_sums[block] <= target; block++) cumulated += block_sums[block];
  int begin = block * kSampleBlock;
  int end = begin + kSampleBlock < s.count ? begin + kSampleBlock : s.count;
  return draw_in_block(s, cut, begin, end, cumulated, target);
}

// Draws by the filters of the row; *total is the sum of all weights.
int pick(const Sample& s, const Softmax& softmax, const SampleScratch& scratch, double* total) {
  const int32_t* w = s.sampling;
  float top_p, min_p;
  memcpy(&top_p, &w[2], 4);
  memcpy(&min_p, &w[3], 4);
  const Cut all = {-INFINITY, s.count};
  *total = weigh(softmax, all, scratch.block_sums);
  Cut cut = min_p_cut(softmax, min_p);
  if (w[4] < s.count || top_p < 1) {
    Cut ranked = rank_cut(softmax, w[4], top_p < 1 ? top_p * *total : INFINITY, scratch);
    if (before(ranked, cut)) cut = ranked;
  }
  double kept_total = before(cut, all) ? weigh(softmax, cut, scratch.block_sums) : *total;
  double u = philox_uniform((uint32_t)w[5], (uint32_t)w[6], (uint32_t)w[7]);
  return draw(softmax, cut, u * kept_total, scratch.block_sums);
}

// The `wanted` largest, in order.
void select_top(const float* logits, int count, int wanted, Candidate* top) {
  int found = 0;
  F worst = set1(-INFINITY);
  each_logits(logits, 0, count, [&](int i, F x, int n) {
    if (found == wanted && !any(x > worst)) return;
    for (int j = 0; j < n; j++) {
      Candidate c = {x[j], i + j};
      if (found == wanted && !before(c, top[found - 1])) continue;
      int at = found < wanted ? found++ : found - 1;
      for (; at > 0 && before(c, top[at - 1]); at--) top[at] = top[at - 1];
      top[at] = c;
    }
    if (found == wanted) worst = set1(top[found - 1].logit);
  });
}

SB_INLINE int32_t float_word(float f) {
  int32_t word;
  memcpy(&word, &f, 4);
  return word;
}

void answer_nothing(const Sample& s) {
  s.result[0] = -1;
  for (int i = 0; i < s.sampling[8]; i++) {
    s.top[2 * i] = -1;
    s.top[2 * i + 1] = float_word(NAN);
  }
  for (int i = 0; i < s.asked_count; i++) {
    int32_t* asked = s.top + 2 * (s.sampling[8] + i);
    asked[0] = s.asked[i];
    asked[1] = float_word(NAN);
  }
}

void report(const Sample& s, const Softmax& softmax, double total) {
  double log_total = log(total);
  auto logprob = [&](float logit) {
    return float_word((float)(((double)logit - (double)softmax.most) * (double)softmax.inverse - log_total));
  };
  Candidate top[SB_TOP_MAX];
  int wanted = s.sampling[8];
  s.result[1] = logprob(s.logits[s.result[0]]);
  if (wanted) select_top(s.logits, s.count, wanted, top);
  for (int i = 0; i < wanted; i++) {
    s.top[2 * i] = top[i].id;
    s.top[2 * i + 1] = logprob(top[i].logit);
  }
  for (int i = 0; i < s.asked_count; i++) {
    int32_t* asked = s.top + 2 * (wanted + i);
    asked[0] = s.asked[i];
    asked[1] = logprob(s.logits[s.asked[i]]);
  }
}

void sample(const Sample& s) {
  float temperature;
  memcpy(&temperature, &s.sampling[1], 4);
  bool drawn = s.sampling[0] < 0 && temperature > 0;
  bool reported = s.sampling[8] > 0 || s.sampling[9] || s.asked_count > 0;
  SampleScratch scratch = scratch_of(s);

  s.result[1] = float_word(NAN);
  s.result[2] = s.sampling[8];
  s.result[3] = s.asked_count;
  float most = row_max(s.logits, s.count);
  if (__builtin_isnan(most)) return answer_nothing(s);

  // 1 / temperature stays finite, so that 0 * inverse is 0.
  float inverse = drawn ? (temperature > 1e-30f ? 1 / temperature : 1e30f) : 1;
  Softmax softmax = {s.logits, s.count, most, inverse};
  double total = 0;
  if (drawn) {
    s.result[0] = pick(s, softmax, scratch, &total);
  } else {
    s.result[0] = s.sampling[0] >= 0 ? s.sampling[0] : first_equal(s.logits, s.count, most);
    if (reported) total = weigh(softmax, {-INFINITY, s.count}, scratch.block_sums);
  }
  if (reported) report(s, softmax, total);
}

}  // namespace
