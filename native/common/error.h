// error.h: the sentence of a refusal, kept per thread for sb_error.
#pragma once

namespace sb {

constexpr int kErrorBytes = 512;

// Keeps the sentence (printf format) and returns -1.
int fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

const char* last_error();

}  // namespace sb
