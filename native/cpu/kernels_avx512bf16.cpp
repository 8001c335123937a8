// AVX-512 with BF16 dot products.
#define SB_ISA avx512bf16
#include "kernels.inc.h"
