// AVX2 and FMA.
#define SB_ISA avx2
#include "kernels.inc.h"
