#include "profile.h"

#include <stdio.h>

#include "../common/ops.h"

namespace sb::cpu {
namespace {

const char* const kClassNames[kProfileClasses] = {"1 token", "2 to 64 tokens", "more tokens"};

// Operations of one kind and shape.
struct Line {
  int code, cols, out_cols, count;
  int64_t ns;
};

Line* find(Array<Line>& lines, const Instruction& in) {
  for (Line& line : lines) {
    if (line.code == in.code && line.cols == in.cols && line.out_cols == in.out_cols) return &line;
  }
  return lines.push({in.code, in.cols, in.out_cols, 0, 0}) ? &lines[lines.count - 1] : nullptr;
}

int slower_first(const void* a, const void* b) {
  int64_t difference = static_cast<const Line*>(b)->ns - static_cast<const Line*>(a)->ns;
  return (difference > 0) - (difference < 0);
}

void print_class(const Code& code, int which) {
  int steps = code.profile_steps[which];
  Array<Line> lines;
  int64_t total = 0;
  for (int i = 0; i < code.instructions.count; i++) {
    const Instruction& in = code.instructions.data[i];
    Line* line = find(lines, in);
    if (!line) break;
    line->count++;
    line->ns += in.profile_ns[which];
    total += in.profile_ns[which];
  }
  fprintf(stderr, "profile: %d steps of %s, %.3f ms each\n", steps, kClassNames[which], total / 1e6 / steps);
  qsort(lines.data, lines.count, sizeof(Line), slower_first);
  for (const Line& line : lines) {
    if (line.ns == 0) continue;
    fprintf(stderr, "  %5.1f%% %8.3f ms  %s", 100.0 * line.ns / total, line.ns / 1e6 / steps, op_name(line.code));
    if (line.code == SB_OP_LINEAR) fprintf(stderr, " %d -> %d", line.cols, line.out_cols);
    fprintf(stderr, " x %d\n", line.count);
  }
  lines.release();
}

}  // namespace

void print_profile(const Code& code) {
  for (int i = 0; i < kProfileClasses; i++) {
    if (code.profile_steps[i]) print_class(code, i);
  }
}

}  // namespace sb::cpu
