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
static void linear_of(const Linear& l, int n_begin, int n_end) {
  if (l.weight_dtype == SB_BF16) return SB_TILES(l, n_begin, n_end);
  linear(l, n_begin, n_end);
}
static void round_rows(const float* x, int cols, int begin, int end, int stride, uint16_t* out) {
  pack_tiles(x, cols, begin, end, stride, out, [](float f) { return to_bf16(f); });
}
#else
static constexpr auto linear_of = linear;
#endif

const sb::cpu::Kernels sb::cpu::SB_JOIN(kernels_, SB_ISA) = {
    .isa = SB_TEXT(SB_ISA),
#if defined(SB_TILES)
    .row_unit = kTileRows,
    .column_unit = 2 * kTileRows,
    .round_rows = ::round_rows,
#elif defined(__AVX512BF16__)
    .row_unit = 1,
    .column_unit = kColumns,
    .round_rows = ::round_rows,
#else
    .row_unit = 1,
    .column_unit = kColumns,
    .round_rows = nullptr,
#endif
    .to_float = ::to_float,
    .to_bf16 = ::to_bf16,
    .linear = ::linear_of,
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
