// null.cpp: a backend without arithmetic, for tests of the scheduler and measurements of the host's cost.
//
// A step sleeps step_us + tokens * token_us. Its KV cache holds one word for each token, its context: a hash of the
// id and of the context before it, read through the page table. The token of a row is a hash of the context and,
// where a token is drawn (temperature > 0), of the row's seed; modulo the vocabulary. So a token tells whether the
// whole sequence before it, cached pages and all, was where the page table said. Alternative i is the token after
// it by i, with logprob -1 - i, and so is an asked token; a target has logprob -1. Adjustments are checked as on any backend and change
// nothing.
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

// The finaliser of MurmurHash3.
uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// Writes the context of each token to its place in the cache.
void write_contexts(const Step& step, uint32_t* cache) {
  for (int r = 0; r < step.requests; r++) {
    const int32_t* table = step.table + step.pages[r];
    for (int i = step.begin[r]; i < step.begin[r + 1]; i++) {
      int before = step.position[i] - 1;
      uint32_t context = before < 0 ? 0 : cache[table[before / SB_PAGE_TOKENS] * SB_PAGE_TOKENS + before % SB_PAGE_TOKENS];
      cache[step.kv_slot[i]] = mix(context * 31 + (uint32_t)step.ids[i] + 1);
    }
  }
}

int32_t token_of(const Step& step, int row, const uint32_t* cache, int vocabulary) {
  const int32_t* sampling = step.row_sampling(row);
  if (sampling[0] >= 0) return sampling[0];
  uint32_t seed = sampling[1] ? (uint32_t)sampling[5] ^ mix((uint32_t)sampling[6] + 1) : 0;
  return (int32_t)(mix(cache[step.kv_slot[step.rows_of[row]]] ^ seed) % (uint32_t)vocabulary);
}

int32_t float_word(float f) {
  int32_t word;
  memcpy(&word, &f, 4);
  return word;
}

void answer(const Step& step, int row, const uint32_t* cache, int vocabulary) {
  const int32_t* sampling = step.row_sampling(row);
  int32_t* result = step.row_result(row);
  int count = sampling[8];
  int asked_count = step.row_asked_count(row);
  bool wanted = count > 0 || sampling[9] || asked_count > 0;
  result[0] = token_of(step, row, cache, vocabulary);
  result[1] = float_word(wanted ? -1.0f : NAN);
  result[2] = count;
  result[3] = asked_count;
  for (int i = 0; i < count; i++) {
    step.row_top(row)[2 * i] = (int32_t)(((int64_t)result[0] + i) % vocabulary);
    step.row_top(row)[2 * i + 1] = float_word(-1.0f - (float)i);
  }
  for (int i = 0; i < asked_count; i++) {
    int32_t* asked = step.row_top(row) + 2 * (count + i);
    int32_t token = step.row_asked(row)[i];
    asked[0] = token;
    asked[1] = float_word(-1.0f - (float)(((int64_t)token - result[0] + vocabulary) % vocabulary));
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

int compile(Program& program) {
  program.state = calloc((size_t)program.limits.pages * SB_PAGE_TOKENS, sizeof(uint32_t));
  return program.state ? 0 : fail("sb_compile: out of memory");
}
void release(Program& program) { free(program.state); }

int execute(Program& program, const Step& step) {
  const Null& state = *static_cast<Null*>(program.device->state);
  sleep_us(state.step_us + (int64_t)step.tokens * state.token_us);
  uint32_t* cache = static_cast<uint32_t*>(program.state);
  write_contexts(step, cache);
  if (!program.sample_values) return 0;
  for (int row = 0; row < step.rows; row++) answer(step, row, cache, program.sample_values);
  return 0;
}

void read(const Program&, int, size_t count, float* out) { memset(out, 0, count * sizeof(float)); }

}  // namespace sb::backend
