// null.cpp: a backend without arithmetic, for tests of the scheduler and measurements of the host's cost.
//
// A step sleeps step_us + tokens * token_us. The token of a row is a hash of what its request alone determines:
// the id and position of the row's token and, where a token is drawn (temperature > 0), the row's seed; modulo the
// vocabulary. Alternative i is the token after it by i, with logprob -1 - i; a target has logprob -1. Adjustments are
// checked as on any backend and change nothing.
#include <math.h>
#include <time.h>

#include "../common/backend.h"
#include "../common/error.h"

namespace sb::backend {

const char* const name = "null";

namespace {

struct Null {
  int step_us, token_us;
};

void sleep_us(int64_t us) {
  timespec left = {us / 1000000, us % 1000000 * 1000};
  while (us > 0 && nanosleep(&left, &left) != 0) {
  }
}

// The finaliser of SplitMix64.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int32_t token_of(const Step& step, int row, int vocabulary) {
  const int32_t* sampling = step.row_sampling(row);
  if (sampling[0] >= 0) return sampling[0];
  int at = step.rows_of[row];
  uint64_t seed = sampling[1] ? (uint64_t)(uint32_t)sampling[6] << 32 | (uint32_t)sampling[5] : 0;
  uint64_t key = (uint64_t)(uint32_t)step.ids[at] << 32 | (uint32_t)step.position[at];
  return (int32_t)(mix(mix(key + 0x9e3779b97f4a7c15u) ^ seed) % (uint64_t)vocabulary);
}

int32_t float_word(float f) {
  int32_t word;
  memcpy(&word, &f, 4);
  return word;
}

void answer(const Step& step, int row, int vocabulary) {
  const int32_t* sampling = step.row_sampling(row);
  int32_t* result = step.row_result(row);
  int count = sampling[8];
  bool wanted = count > 0 || sampling[9];
  result[0] = token_of(step, row, vocabulary);
  result[1] = float_word(wanted ? -1.0f : NAN);
  result[2] = count;
  result[3] = 0;
  for (int i = 0; i < count; i++) {
    step.row_top(row)[2 * i] = (int32_t)(((int64_t)result[0] + i) % vocabulary);
    step.row_top(row)[2 * i + 1] = float_word(-1.0f - (float)i);
  }
}

}  // namespace

int open(Device& device, Options& options) {
  Null* state = static_cast<Null*>(calloc(1, sizeof(Null)));
  if (!state) return fail("sb_open: out of memory");
  device.state = state;
  if (options.take_int("step_us", 0, 1000000000, &state->step_us)) return -1;
  return options.take_int("token_us", 0, 1000000, &state->token_us);
}

void close(Device& device) { free(device.state); }
const char* isa(const Device&) { return "none"; }
int threads(const Device&) { return 1; }

int weight(Device&, const File&, Tensor&, int64_t) { return 0; }
int random(Device&, Tensor&, int64_t, double, double) { return 0; }
int constant(Device&, Tensor&, const float*) { return 0; }

int compile(Program&) { return 0; }
void release(Program&) {}

int execute(Program& program, const Step& step) {
  const Null& state = *static_cast<Null*>(program.device->state);
  sleep_us(state.step_us + (int64_t)step.tokens * state.token_us);
  if (!program.sample_values) return 0;
  for (int row = 0; row < step.rows; row++) answer(step, row, program.sample_values);
  return 0;
}

void read(const Program&, int, size_t count, float* out) { memset(out, 0, count * sizeof(float)); }

}  // namespace sb::backend
