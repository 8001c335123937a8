// kernels.inc.h: the table of one instruction set. Included by kernels_<isa>.cpp after SB_ISA is defined.
#include "attention.h"
#include "linear.h"
#include "rows.h"
#include "sample.h"

#define SB_JOIN2(a, b) a##b
#define SB_JOIN(a, b) SB_JOIN2(a, b)
#define SB_TEXT2(a) #a
#define SB_TEXT(a) SB_TEXT2(a)

const sb::cpu::Kernels sb::cpu::SB_JOIN(kernels_, SB_ISA) = {
    .isa = SB_TEXT(SB_ISA),
#if defined(__AVX512BF16__)
    .rounds_input = true,
#else
    .rounds_input = false,
#endif
    .to_float = ::to_float,
    .to_bf16 = ::to_bf16,
    .linear = ::linear,
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
