// AMX BF16 tiles for linear, AVX-512 with BF16 for the rest.
#include "tiles.h"

namespace {

// Tile numbers are part of the instructions.
struct Amx {
  template <int Tile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(Tile));
  }
  // 16 rows of 64 bytes, `stride` bytes apart.
  template <int Tile>
  static void load(const void* rows, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride), "i"(Tile) : "memory");
  }
  template <int Tile>
  static void store(void* rows, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride), "i"(Tile) : "memory");
  }
  // sum[i][j] += products of the pairs in row i of `left` and column j of `right`.
  template <int Sum, int Left, int Right>
  static void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(Left), "i"(Right));
  }
};

// Palette 1, eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void linear_amx(const Linear& l, int begin, int end) {
  static const TileShapes shapes;
  asm volatile("ldtilecfg %0" ::"m"(shapes));
  linear_tiles<Amx>(l, begin, end);
  asm volatile("tilerelease");
}

}  // namespace

#define SB_ISA amx
#define SB_TILES linear_amx
#include "kernels.inc.h"
