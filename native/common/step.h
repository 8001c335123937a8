// step.h: reads and checks the words of sb_run.
#pragma once
#include "program.h"

namespace sb {

// Words of the largest step without its adjustments and asked tokens, and of its results.
size_t step_words_max(const Limits& limits);
size_t result_words_max(const Limits& limits);

// Checks every word of a step against the program; `step` then has its counts and points into words. Its adjustments
// and asked tokens stand where step.adjust and step.asked point.
int read_step(const Program& program, int32_t* words, int count, Step& step);

// Fills top_begin; returns how many words the results take.
int plan_results(const Program& program, Step& step);

// On the driver: puts the tokens of the preceding step for -1-j, and finds each token's position and KV slot.
int resolve_ids(const Program& program, Step& step);
int resolve_adjustments(const Program& program, Step& step);
void derive_positions(Step& step);

}  // namespace sb
