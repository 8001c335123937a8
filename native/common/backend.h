// backend.h: what a backend implements. Everything else (handles, validation, memory plan, tickets) is common.
// Each function returns 0, or fail(...) with a sentence; a failed call leaves nothing behind.
#pragma once
#include "options.h"
#include "program.h"

namespace sb::backend {

extern const char* const name;

int open(Device& device, Options& options);
void close(Device& device);
const char* isa(const Device& device);
int threads(const Device& device);

// Gives tensor.data its place in the file.
int weight(Device& device, const File& file, Tensor& tensor, int64_t offset);
int random(Device& device, Tensor& tensor, int64_t seed, double std, double mean);
int constant(Device& device, Tensor& tensor, const float* values);

// The plan is made: allocate. `release` also follows a program that was never compiled (state is then null).
int compile(Program& program);
void release(Program& program);

// Runs on the driver's thread; fills step.results if the program samples.
int execute(Program& program, const Step& step);
void read(const Program& program, int value, size_t count, float* out);

}  // namespace sb::backend
