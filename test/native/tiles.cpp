// tiles.cpp: the linear of isa=amx on tile instructions written out in C++, so that layouts, edges and the order of
// sums are tested on machines without AMX. tiles.test.ts compiles and runs it; it prints what is wrong.
#include "../../native/cpu/tiles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static float widen(uint16_t bits) {
  uint32_t word = (uint32_t)bits << 16;
  float f;
  memcpy(&f, &word, 4);
  return f;
}
static uint16_t narrow(float f) {  // towards 0: enough for made-up values
  uint32_t word;
  memcpy(&word, &f, 4);
  return (uint16_t)(word >> 16);
}

// Tiles of 16 rows of 64 bytes.
struct Emulated {
  static inline uint32_t tiles[8][16][16];

  template <int Tile>
  static void zero() {
    memset(tiles[Tile], 0, sizeof tiles[Tile]);
  }
  template <int Tile>
  static void load(const void* rows, int64_t stride) {
    for (int i = 0; i < 16; i++) memcpy(tiles[Tile][i], (const char*)rows + i * stride, 64);
  }
  template <int Tile>
  static void store(void* rows, int64_t stride) {
    for (int i = 0; i < 16; i++) memcpy((char*)rows + i * stride, tiles[Tile][i], 64);
  }
  template <int Sum, int Left, int Right>
  static void multiply() {
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 16; j++) {
        float sum;
        memcpy(&sum, &tiles[Sum][i][j], 4);
        for (int k = 0; k < 16; k++) {
          uint32_t left = tiles[Left][i][k], right = tiles[Right][k][j];
          sum += widen((uint16_t)left) * widen((uint16_t)right);
          sum += widen((uint16_t)(left >> 16)) * widen((uint16_t)(right >> 16));
        }
        memcpy(&tiles[Sum][i][j], &sum, 4);
      }
    }
  }
};

static float random_value() { return (float)(rand() % 2001 - 1000) / 1000; }

// Packs as native/cpu/panels.cpp does.
static uint32_t* pack(const uint16_t* weight, int N, int K) {
  int units = sb::cpu::units_of(SB_BF16, K), panels = sb::cpu::panels_of(N);
  size_t bytes = (size_t)panels * units * 64;
  uint32_t* packed = (uint32_t*)aligned_alloc(64, bytes);
  memset(packed, 0, bytes);
  for (int n = 0; n < N; n++) {
    for (int k = 0; k < K; k++) {
      packed[((size_t)(n / 16) * units + k / 2) * 16 + n % 16] |= (uint32_t)weight[n * K + k] << k % 2 * 16;
    }
  }
  return packed;
}

static float* run(const float* x, const uint16_t* weight, const float* bias, int M, int N, int K, int chunk) {
  int units = sb::cpu::units_of(SB_BF16, K), panels = sb::cpu::panels_of(N), blocks = (M + 15) / 16;
  size_t block = (size_t)units * 16;
  uint32_t* arranged = (uint32_t*)aligned_alloc(64, blocks * block * 4);
  memset(arranged, 0xff, blocks * block * 4);  // NaN
  for (int i = 0; i < blocks; i++) {
    int rows = M - i * 16 < 16 ? M - i * 16 : 16;
    arrange_tiles(x + (size_t)i * 16 * K, rows, K, arranged + i * block, narrow);
  }
  uint32_t* packed = pack(weight, N, K);
  float* y = (float*)malloc((size_t)M * N * 4);
  memset(y, 0xff, (size_t)M * N * 4);
  Linear l = {arranged, packed, SB_BF16, bias, y, M, N, units};
  for (int p = 0; p < panels; p += chunk) linear_tiles<Emulated>(l, p, p + chunk < panels ? p + chunk : panels);
  free(arranged), free(packed);
  return y;
}

static int check(int M, int N, int K, int chunk) {
  float* x = (float*)malloc((size_t)M * K * 4);
  uint16_t* weight = (uint16_t*)malloc((size_t)N * K * 2);
  float* bias = (float*)malloc((size_t)N * 4);
  for (int i = 0; i < M * K; i++) x[i] = random_value();
  for (int i = 0; i < N * K; i++) weight[i] = narrow(random_value());
  for (int i = 0; i < N; i++) bias[i] = random_value();
  float* y = run(x, weight, bias, M, N, K, chunk);
  float* last = run(x + (size_t)(M - 1) * K, weight, bias, 1, N, K, 100);  // alone
  int wrong = memcmp(last, y + (size_t)(M - 1) * N, (size_t)N * 4) != 0;
  if (wrong) printf("%d x %d x %d: a row alone differs from the row among others\n", M, N, K);
  for (int i = 0; i < M * N; i++) {
    double want = bias[i % N];
    for (int k = 0; k < K; k++) want += (double)widen(narrow(x[i / N * K + k])) * widen(weight[i % N * K + k]);
    if (fabs(y[i] - want) <= 1e-6 * K) continue;
    printf("%d x %d x %d: [%d] is %g, expected %g\n", M, N, K, i, (double)y[i], want);
    wrong = 1;
    break;
  }
  free(x), free(weight), free(bias), free(y), free(last);
  return wrong;
}

int main() {
  int wrong = check(1, 1, 1, 1);
  wrong |= check(1, 16, 32, 1);
  wrong |= check(5, 17, 33, 2);
  wrong |= check(16, 32, 64, 2);
  wrong |= check(17, 100, 95, 3);
  wrong |= check(33, 70, 257, 4);
  wrong |= check(64, 96, 96, 2);
  return wrong;
}
