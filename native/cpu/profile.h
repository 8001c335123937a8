// profile.h: where the time of steps goes. On with the environment variable SERVEBENCH_PROFILE; a program then says it
// on standard error when it is freed.
#pragma once
#include "cpu.h"

namespace sb::cpu {

// Steps by their number of tokens: they are bound by different things.
inline int profile_class(int tokens) { return tokens == 1 ? 0 : tokens <= 64 ? 1 : 2; }

void print_profile(const Code& code);

}  // namespace sb::cpu
