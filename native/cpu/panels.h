// panels.h: the weights of a linear in the order in which its kernels read them.
//
// A panel is 16 rows of a weight, unit by unit: [unit][16 rows]. A unit is 4 bytes of a row: one fp32 value or two bf16
// values. So a kernel reads a panel as one run of memory, once, and multiplies each unit of x with 16 rows; and 16 units
// are one tile of AMX. Rows and units are filled up with zeros to whole panels and tiles.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../include/servebench.h"

namespace sb {
struct Program;
struct Tensor;
}  // namespace sb

namespace sb::cpu {

constexpr int kPanelRows = 16;
constexpr int kTileUnits = 16;  // the units of a row come in multiples of it

inline int units_of(int dtype, int cols) {
  int units = dtype == SB_BF16 ? (cols + 1) / 2 : cols;
  return (units + kTileUnits - 1) / kTileUnits * kTileUnits;
}
inline int panels_of(int rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// Puts the weights of the program's linears into panels, those that are not yet. What was a tensor's memory is freed,
// unless an earlier program may read it; what is mapped stays, but its pages are given back.
int pack_weights(Program& program);

// A row of a tensor as fp32, from its panels if it has them.
void read_row(const Tensor& tensor, int row, float* out);

}  // namespace sb::cpu
