// execute.cpp: runs a compiled program for one step: shares each operation out over the threads.
#include <math.h>

#include "../common/backend.h"
#include "../common/driver.h"
#include "../common/error.h"
#include "adjust.h"
#include "cpu.h"
#include "profile.h"

namespace sb::cpu {
namespace {

// Below this many values an operation costs less than handing it out.
constexpr int64_t kInlineValues = 16384;

struct Runner {
  Program& program;
  const Step& step;
  Code& code;
  State& state;
  const Kernels& kernels;

  int rows(const Instruction& in) const { return in.per_row ? step.rows : step.tokens; }

  // f(begin, end, thread) over rows; `cost` values a row.
  template <class F>
  void each_row(int count, int64_t cost, F f) {
    int64_t grain = kInlineValues / 4 / (cost > 0 ? cost : 1);
    if (count * cost <= kInlineValues) grain = count;
    if (count) state.pool.each(count, grain < 1 ? 1 : (int)grain, f);
  }

  void embed(const Instruction& in) {
    const uint8_t* table = static_cast<const uint8_t*>(in.tensor.data);
    int64_t row_bytes = (int64_t)in.tensor.cols * Tensor::element_bytes(in.tensor.dtype);
    each_row(step.tokens, in.out_cols, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        float* out = in.out + (int64_t)i * in.out_cols;
        if (step.ids[i] < 0) {
          memset(out, 0xff, (size_t)in.out_cols * 4);  // NaN
        } else {
          kernels.to_float(table + step.ids[i] * row_bytes, in.tensor.dtype, in.out_cols, out);
        }
      }
    });
  }

  void load(const Instruction& in) {
    kernels.to_float(in.tensor.data, in.tensor.dtype, (int64_t)step.tokens * in.out_cols, in.out);
  }

  void rmsnorm(const Instruction& in) {
    int g = in.tensor.cols;
    each_row(rows(in), in.cols, [&](int begin, int end, int) {
      int64_t at = (int64_t)begin * in.cols;
      for (int i = begin; i < end; i++, at += in.cols) {
        kernels.rmsnorm(in.a + at, in.vector, in.number, in.cols / g, g, in.out + at);
      }
    });
  }

  void round_input(const Instruction& in, int stride) {
    if (state.poison) memset(code.rounded, 0xff, code.rounded_bytes);
    int unit = kernels.row_unit, count = rows(in);
    each_row((count + unit - 1) / unit, (int64_t)in.cols * unit, [&](int begin, int end, int) {
      int last = end * unit < count ? end * unit : count;
      kernels.round_rows(in.a, in.cols, begin * unit, last, stride, code.rounded);
    });
  }

  void linear(const Instruction& in) {
    Linear l = {in.a, in.cols, in.tensor.data, in.tensor.dtype, in.vector, in.out, rows(in), in.out_cols, in.cols, 0};
    if (l.M == 0) return;
    if (kernels.round_rows && in.tensor.dtype == SB_BF16) {
      l.x = code.rounded;
      l.x_stride = (int)round_up(in.cols, kRoundedUnit);
      if (!in.same_input) round_input(in, l.x_stride);
    }
    int columns = columns_per_chunk(l);
    l.skip = columns * (state.pool.threads() - 1);
    state.pool.each(l.N, columns, [&](int begin, int end, int) { kernels.linear(l, begin, end); });
  }

  // Weights that stay in L2 while the rows pass; for one row, a run of memory small enough to share out evenly.
  int columns_per_chunk(const Linear& l) const {
    const int64_t kChunkBytes = (l.M == 1 ? 64 : 256) << 10;
    constexpr int64_t kInlineProducts = 64 << 10;
    const int unit = kernels.column_unit;
    int64_t row_bytes = (int64_t)l.K * Tensor::element_bytes(l.weight_dtype);
    int64_t columns = kChunkBytes / row_bytes / unit * unit;
    int64_t share = round_up(l.N / (4 * state.pool.threads()) + 1, unit);
    if ((int64_t)l.M * l.N * l.K <= kInlineProducts) return l.N;
    if (columns > share) columns = share;
    return (int)(columns < unit ? unit : columns);
  }

  void angles(const Instruction& in) {
    const float* frequencies = static_cast<const float*>(in.tensor.data);
    each_row(step.tokens, (int64_t)in.half * 64, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        float* out = in.angles + (int64_t)i * 2 * in.half;
        for (int j = 0; j < in.half; j++) {
          double angle = (double)step.position[i] * (double)frequencies[j];
          out[j] = (float)cos(angle);
          out[in.half + j] = (float)sin(angle);
        }
      }
    });
  }

  void rope(const Instruction& in) {
    if (in.first_angles) angles(in);
    each_row(step.tokens, in.cols, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        int64_t at = (int64_t)i * in.cols;
        kernels.rope(in.a + at, in.angles + (int64_t)i * 2 * in.half, in.cols / in.head_dim, in.head_dim, in.half,
                     in.out + at);
      }
    });
  }

  void kv_write(const Instruction& in) {
    const Cache& cache = in.cache;
    int d = cache.head_dim;
    size_t head_bytes = (size_t)SB_PAGE_TOKENS * d * Tensor::element_bytes(cache.dtype);
    each_row(step.tokens, 2 * in.cols, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        int slot = step.kv_slot[i] % SB_PAGE_TOKENS;
        uint8_t* keys = cache.memory.data + step.kv_slot[i] / SB_PAGE_TOKENS * cache.page_bytes();
        uint8_t* values = keys + cache.kv_heads * head_bytes;
        for (int h = 0; h < cache.kv_heads; h++) {
          int64_t source = (int64_t)i * in.cols + (int64_t)h * d;
          kernels.write_kv(keys + h * head_bytes, values + h * head_bytes, cache.dtype, slot, d, in.a + source,
                           in.b + source);
        }
      }
    });
  }

  int fill_tiles() {
    int count = 0;
    for (int r = 0; r < step.requests; r++) {
      for (int first = step.begin[r]; first < step.begin[r + 1]; first += kQueryTile) {
        int rest = step.begin[r + 1] - first;
        code.tiles[count++] = {r, first, rest < kQueryTile ? rest : kQueryTile};
      }
    }
    return count;
  }

  void attention(const Instruction& in) {
    const Cache& cache = in.cache;
    state.pool.each(fill_tiles() * cache.kv_heads, 1, [&](int task, int, int thread) {
      const Tile& tile = code.tiles[task / cache.kv_heads];
      kernels.attention({
          .q = in.a,
          .out = in.out,
          .cache = cache.memory.data,
          .dtype = cache.dtype,
          .heads = in.cols / cache.head_dim,
          .kv_heads = cache.kv_heads,
          .head_dim = cache.head_dim,
          .scale = in.number,
          .first = tile.first,
          .count = tile.count,
          .kv_head = task % cache.kv_heads,
          .position = step.position,
          .table = step.table + step.pages[tile.request],
          .scratch = reinterpret_cast<float*>(code.scratch + thread * code.scratch_bytes),
      });
    });
  }

  template <class Kernel>
  void elementwise(const Instruction& in, Kernel kernel) {
    each_row(rows(in), in.cols, [&](int begin, int end, int) {
      int64_t at = (int64_t)begin * in.cols;
      kernel(in.a + at, in.b + at, (int64_t)(end - begin) * in.cols, in.out + at);
    });
  }

  void copy_rows(const Instruction& in) {
    for (int i = 0; i < step.rows; i++) {
      memcpy(in.out + (int64_t)i * in.cols, in.a + (int64_t)step.rows_of[i] * in.cols, (size_t)in.cols * 4);
    }
  }

  void sample(const Instruction& in) {
    if (step.rows == 0) return;
    state.pool.each(step.rows, 1, [&](int row, int, int thread) {
      float* logits = const_cast<float*>(in.a) + (int64_t)row * in.cols;  // no operation reads them after this one
      if (const Adjustment* a = step.row_adjustment(row)) adjust(*a, logits);
      kernels.sample({logits, in.cols, step.row_sampling(row), step.row_result(row), step.row_top(row),
                      step.row_asked(row), step.row_asked_count(row), code.scratch + thread * code.scratch_bytes});
    });
  }

  // Tests: whatever an operation does not write, or reads from what is not its input, becomes NaN.
  void poison(const Instruction& in) {
    int limit = in.per_row || in.code == SB_OP_ROWS ? program.limits.rows : program.limits.tokens;
    if (in.out) memset(in.out, 0xff, (size_t)limit * in.out_cols * 4);
    if (code.scratch) memset(code.scratch, 0xff, code.scratch_bytes * state.pool.threads());
  }

  void run(const Instruction& in) {
    switch (in.code) {
      case SB_OP_EMBED: return embed(in);
      case SB_OP_LOAD: return load(in);
      case SB_OP_RMSNORM: return rmsnorm(in);
      case SB_OP_LINEAR: return linear(in);
      case SB_OP_ROPE: return rope(in);
      case SB_OP_KV_WRITE: return kv_write(in);
      case SB_OP_ATTENTION: return attention(in);
      case SB_OP_SILU_MUL: return elementwise(in, kernels.silu_mul);
      case SB_OP_ADD: return elementwise(in, kernels.add);
      case SB_OP_ROWS: return copy_rows(in);
      case SB_OP_SAMPLE: return sample(in);
    }
  }
};

}  // namespace
}  // namespace sb::cpu

namespace sb::backend {

int execute(Program& program, const Step& step) {
  cpu::Code& code = *static_cast<cpu::Code*>(program.state);
  cpu::State& state = cpu::state_of(*program.device);
  cpu::Runner runner = {program, step, code, state, *state.kernels};
  int which = cpu::profile_class(step.tokens);
  code.profile_steps[which]++;
  for (cpu::Instruction& in : code.instructions) {
    if (state.poison) runner.poison(in);
    int64_t begun_ns = state.profile ? now_ns() : 0;
    runner.run(in);
    if (state.profile) in.profile_ns[which] += now_ns() - begun_ns;
  }
  return 0;
}

}  // namespace sb::backend
