// Plain x86-64 (SSE2).
#define SB_ISA scalar
#include "kernels.inc.h"
