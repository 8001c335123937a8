// kernels.inc.h: the table of one instruction set. Included by kernels_<isa>.cpp after SB_ISA is defined.
#include "attention.h"
#include "linear.h"
#include "rows.h"
#include "sample.h"

#define SB_JOIN2(a, b) a##b
#define SB_JOIN(a, b) SB_JOIN2(a, b)
#define SB_TEXT2(a) #a
#define SB_TEXT(a) SB_TEXT2(a)

#if defined(SB_TILES)
static void linear_of(const Linear& l, int begin, int end) {
  if (l.weight_dtype == SB_BF16) return SB_TILES(l, begin, end);
  linear(l, begin, end);
}
static void arrange_of(const float* x, int rows, int cols, int dtype, void* out) {
  if (dtype != SB_BF16) return arrange(x, rows, cols, dtype, out);
  arrange_tiles(x, rows, cols, (uint32_t*)out, [](float f) { return to_bf16(f); });
}
static_assert(kBlockRows == kTileRows);
#else
static constexpr auto linear_of = linear;
static constexpr auto arrange_of = arrange;
#endif

const sb::cpu::Kernels sb::cpu::SB_JOIN(kernels_, SB_ISA) = {
    .isa = SB_TEXT(SB_ISA),
    .block_rows = kBlockRows,
#if defined(SB_TILES)
    .panel_unit = 2,
#else
    .panel_unit = 1,
#endif
    .rounds = kRounds,
    .arrange = ::arrange_of,
    .linear = ::linear_of,
    .to_float = ::to_float,
    .to_bf16 = ::to_bf16,
    .rmsnorm = ::rmsnorm,
    .rope = ::rope,
    .silu_mul = ::silu_mul,
    .add = ::add,
    .write_kv = ::write_kv,
    .attention_scratch = ::attention_scratch,
    .attention = ::attention,
    .sample_scratch = ::sample_scratch,
    .sample = ::sample,
    .random = ::random_values,
};
