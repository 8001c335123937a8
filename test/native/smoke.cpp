// smoke.cpp: a small model on several threads with steps chained on the device, for runs under a sanitizer:
// test/native/sanitize builds it with each library's sources and runs it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/include/servebench.h"

static int must(int result) {
  if (result >= 0) return result;
  char text[512];
  sb_error(text, sizeof text);
  fprintf(stderr, "smoke: %s\n", text);
  exit(1);
}

static int device, program;

static int op(int code, int a = 0, int b = 0, int c = 0) {
  static const int arguments[] = {0, 1, 1, 3, 3, 3, 3, 3, 3, 2, 2, 1, 1, 1};
  int32_t words[] = {code, a, b, c};
  return must(sb_op(program, words, 1 + arguments[code]));
}
static int weight(int rows, int cols, double std = 0.2, double mean = 0) {
  static int64_t seed = 1;
  int64_t spec[] = {seed++, SB_BF16, rows, cols};
  return must(sb_random(device, spec, std, mean));
}
static int bits(float f) {
  int word;
  memcpy(&word, &f, 4);
  return word;
}

constexpr int kVocabulary = 1003, kWidth = 72, kHeads = 6, kKvHeads = 2, kHeadDim = 12, kFfn = 200;

static int layer(int x, int inv_freq) {
  int normed = op(SB_OP_RMSNORM, x, weight(1, kWidth, 0, 1), bits(1e-5f));
  int q = op(SB_OP_ROPE, op(SB_OP_LINEAR, normed, weight(kHeads * kHeadDim, kWidth), -1), inv_freq, kHeadDim);
  int k = op(SB_OP_ROPE, op(SB_OP_LINEAR, normed, weight(kKvHeads * kHeadDim, kWidth), -1), inv_freq, kHeadDim);
  int v = op(SB_OP_LINEAR, normed, weight(kKvHeads * kHeadDim, kWidth), -1);
  int cache = op(SB_OP_KV_CACHE, kKvHeads, kHeadDim, SB_BF16);
  op(SB_OP_KV_WRITE, cache, k, v);
  int mixed = op(SB_OP_LINEAR, op(SB_OP_ATTENTION, q, cache, bits(0.3f)), weight(kWidth, kHeads * kHeadDim), -1);
  x = op(SB_OP_ADD, x, mixed);
  int gate = op(SB_OP_LINEAR, x, weight(kFfn, kWidth), -1), up = op(SB_OP_LINEAR, x, weight(kFfn, kWidth), -1);
  return op(SB_OP_ADD, x, op(SB_OP_LINEAR, op(SB_OP_SILU_MUL, gate, up), weight(kWidth, kFfn), -1));
}

static void build() {
  float frequencies[] = {1, 0.3f, 0.1f, 0.03f, 0.01f};
  int32_t limits[] = {64, 4, 4, 16, 16};
  int inv_freq = must(sb_constant(device, frequencies, SB_F32, 1, 5));
  int table = weight(kVocabulary, kWidth);
  program = must(sb_program(device, limits));
  int x = op(SB_OP_EMBED, table);
  for (int i = 0; i < 2; i++) x = layer(x, inv_freq);
  x = op(SB_OP_RMSNORM, op(SB_OP_ROWS, x), weight(1, kWidth, 0, 1), bits(1e-5f));
  op(SB_OP_SAMPLE, op(SB_OP_LINEAR, x, table, -1));
  must(sb_compile(program));
}

// A step of two requests of `tokens` tokens each, at `start`; two rows, one with filters, one adjusted after the first step.
static int run(int tokens, int start) {
  int32_t adjustment[] = {1, bits(0.5f), bits(0.25f), bits(1.2f), 2, 1, -2, 1, 30, 2, 31, bits(-INFINITY)};
  int words = start ? sizeof adjustment / sizeof adjustment[0] : 0;
  int32_t step[512] = {SB_ABI_VERSION, 2 * tokens, 2, 2, 8, words};
  int at = SB_STEP_HEADER;
  for (int i = 0; i < 2 * tokens; i++) step[at++] = start ? -1 - i : i * 37 % kVocabulary;
  int32_t rest[] = {0, tokens, 2 * tokens, start, start, 0, 4, 8, 3, 1, 2, 0, 7, 6, 5, 4, tokens - 1, 2 * tokens - 1,
                    -1, bits(0.8f), bits(0.9f), 0, 50, 7, 0, start, 5, 1, -1, 0, bits(1), 0, 1, 0, 0, start, 0, 0};
  memcpy(step + at, rest, sizeof rest);
  at += (int)(sizeof rest / sizeof rest[0]);
  memcpy(step + at, adjustment, words * sizeof(int32_t));
  return must(sb_run(program, step, at + words));
}

int main(int, char** arguments) {
  device = must(sb_open(arguments[1]));
  build();
  int32_t out[256];
  int ticket = run(30, 0);
  for (int i = 0; i < 20; i++) {
    int next = run(1, 30 + i);
    must(sb_wait(program, ticket, out, 256));
    ticket = next;
  }
  must(sb_wait(program, ticket, out, 256));
  printf("tokens %d %d\n", out[0], out[4]);
  must(sb_free(program));
  must(sb_close(device));
  return 0;
}
