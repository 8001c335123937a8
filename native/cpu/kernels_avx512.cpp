// AVX-512 F, BW, DQ, VL.
#define SB_ISA avx512
#include "kernels.inc.h"
