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
    each_row(step.tokens, in.out_cols, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        float* out = in.out + (int64_t)i * in.out_cols;
        if (step.ids[i] < 0) {
          memset(out, 0xff, (size_t)in.out_cols * 4);  // NaN
        } else {
          read_row(in.tensor, step.ids[i], out);
        }
      }
    });
  }

  void load(const Instruction& in) {
    for (int i = 0; i < step.tokens; i++) read_row(in.tensor, i, in.out + (int64_t)i * in.out_cols);
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

  void arrange(const Instruction& in, int units) {
    if (state.poison) memset(code.arranged, 0xff, code.arranged_bytes);
    int dtype = in.tensor.dtype, block = kernels.block_rows, count = rows(in);
    int64_t block_bytes = (int64_t)block * units * kernels.unit_bytes(dtype);
    each_row((count + block - 1) / block, (int64_t)in.cols * block, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        int first = i * block, size = count - first < block ? count - first : block;
        kernels.arrange(in.a + (int64_t)first * in.cols, size, in.cols, dtype, code.arranged + i * block_bytes);
      }
    });
  }

  void linear(const Instruction& in) {
    int units = units_of(in.tensor.dtype, in.cols);
    Linear l = {code.arranged, in.tensor.panels, in.tensor.dtype, in.vector, in.out, rows(in), in.out_cols, units};
    if (l.M == 0) return;
    if (!in.same_input) arrange(in, units);
    constexpr int64_t kInlineProducts = 64 << 10;
    if ((int64_t)l.M * l.N * in.cols <= kInlineProducts) return kernels.linear(l, 0, panels_of(l.N));
    share_out(panels_of(l.N));
    int group = panels_per_group(l), threads = state.pool.threads();
    state.pool.each(threads, 1, [&](int own, int, int) {
      for (int i = 0; i < threads; i++) {
        Share& share = code.shares[(own + i) % threads];
        for (int at; (at = __atomic_fetch_add(&share.next, group, __ATOMIC_RELAXED)) < share.end;) {
          kernels.linear(l, at, at + group < share.end ? at + group : share.end);
        }
      }
    });
  }

  // Each thread begins in a run of panels of its own: what it fetches ahead is what it takes next.
  void share_out(int panels) {
    int threads = state.pool.threads();
    for (int i = 0; i < threads; i++) {
      code.shares[i] = {(int)((int64_t)panels * i / threads), (int)((int64_t)panels * (i + 1) / threads)};
    }
  }

  // Panels that a thread takes at once. One block of x passes each of them once; several must find them in L2, and then
  // the more there are, the fewer times x is read from further away.
  int panels_per_group(const Linear& l) const {
    const int64_t group_bytes = (l.M <= kernels.block_rows ? 64 : 512) << 10;
    int64_t panels = group_bytes / ((int64_t)l.units * kPanelRows * 4);
    int64_t most = panels_of(l.N) / (4 * state.pool.threads());
    if (panels > most) panels = most;
    return (int)round_up(panels < 1 ? 1 : panels, kernels.panel_unit);
  }

  void angles(const Instruction& in) {
    each_row(step.tokens, (int64_t)in.half * 64, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) {
        float* out = in.angles + (int64_t)i * 2 * in.half;
        for (int j = 0; j < in.half; j++) {
          double angle = (double)step.position[i] * (double)in.vector[j];
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
    // A key's values go to lines far apart, which must come from memory first.
    each_row(step.tokens, 16 * in.cols, [&](int begin, int end, int) {
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
