// adjust.h: a row's penalties and biases, as servebench.h defines them. A few tokens of a row: not worth vectors.
#pragma once
#include "../common/program.h"

namespace sb::cpu {

inline void adjust(const Adjustment& a, float* logits) {
  for (const Adjustment::Entry *e = a.counts(), *end = e + a.counted; e < end; e++) {
    if (e->word == 0) continue;
    float x = logits[e->token] - a.frequency * (float)e->word - a.presence;
    logits[e->token] = x < 0 ? x * a.repetition : x / a.repetition;
  }
  for (const Adjustment::Entry *e = a.biases(), *end = e + a.biased; e < end; e++) {
    float bias;
    memcpy(&bias, &e->word, sizeof bias);
    logits[e->token] += bias;
  }
}

}  // namespace sb::cpu
