#include "panels.h"

#include "../common/error.h"
#include "cpu.h"

namespace sb::cpu {
namespace {

size_t panel_bytes(const Tensor& t) { return (size_t)units_of(t.dtype, t.cols) * kPanelRows * sizeof(uint32_t); }
size_t packed_bytes(const Tensor& t) { return panel_bytes(t) * panels_of(t.rows); }

void pack_panel(const Tensor& t, int panel, uint32_t* out) {
  int64_t row_bytes = (int64_t)t.cols * Tensor::element_bytes(t.dtype);
  constexpr int kTileBytes = kTileUnits * sizeof(uint32_t);
  int first = panel * kPanelRows, rows = t.rows - first < kPanelRows ? t.rows - first : kPanelRows;
  const uint8_t* from = static_cast<const uint8_t*>(t.data) + first * row_bytes;
  for (int64_t at = 0; at < row_bytes; at += kTileBytes, out += kPanelRows * kTileUnits) {
    uint32_t words[kPanelRows][kTileUnits] = {};
    size_t bytes = (size_t)(row_bytes - at < kTileBytes ? row_bytes - at : kTileBytes);
    for (int i = 0; i < rows; i++) memcpy(words[i], from + i * row_bytes + at, bytes);
    for (int u = 0; u < kTileUnits; u++) {
      for (int i = 0; i < kPanelRows; i++) out[u * kPanelRows + i] = words[i][u];
    }
  }
}

// The tensor that is packed for the operation; null where that is done, or an earlier operation's work.
Tensor* tensor_to_pack(Program& program, int op) {
  const Op* ops = program.ops.data;
  if (ops[op].code != SB_OP_LINEAR) return nullptr;
  Tensor& tensor = program.device->tensors[ops[op].args[1]];
  if (tensor.panels) return nullptr;
  for (int i = 0; i < op; i++) {
    if (ops[i].code == SB_OP_LINEAR && ops[i].args[1] == ops[op].args[1]) return nullptr;
  }
  return &tensor;
}

void drop_rows(Device& device, Tensor& tensor) {
  if (!tensor.owned.data) {
    size_t before = (uintptr_t)tensor.data % 4096;
    madvise((uint8_t*)tensor.data - before, tensor.bytes() + before, MADV_DONTNEED);
  } else if (device.programs == 1) {
    device.memory_bytes -= tensor.owned.bytes;
    tensor.owned.release();
    tensor.data = nullptr;
  }
}

}  // namespace

int pack_weights(Program& program) {
  Device& device = *program.device;
  State& state = state_of(device);
  size_t bytes = 0;
  for (int op = 0; op < program.ops.count; op++) {
    if (const Tensor* tensor = tensor_to_pack(program, op)) bytes += packed_bytes(*tensor);
  }
  if (bytes == 0) return 0;
  // One block, so that small weights share huge pages.
  Memory block;
  if (!block.allocate(bytes) || !state.panels.push(block)) {
    block.release();
    return fail("sb_compile: out of memory: %zu bytes of weights do not fit", bytes);
  }
  device.memory_bytes += block.bytes;
  uint8_t* at = block.data;
  for (int op = 0; op < program.ops.count; op++) {
    Tensor* tensor = tensor_to_pack(program, op);
    if (!tensor) continue;
    size_t size = panel_bytes(*tensor);
    state.pool.each(panels_of(tensor->rows), 8, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++) pack_panel(*tensor, i, reinterpret_cast<uint32_t*>(at + i * size));
    });
    tensor->panels = at;
    at += packed_bytes(*tensor);
    drop_rows(device, *tensor);
  }
  return 0;
}

void read_row(const Tensor& t, int row, float* out) {
  if (!t.panels) {
    const uint8_t* rows = static_cast<const uint8_t*>(t.data);
    kernels_scalar.to_float(rows + (int64_t)row * t.cols * Tensor::element_bytes(t.dtype), t.dtype, t.cols, out);
    return;
  }
  const uint8_t* panel = static_cast<const uint8_t*>(t.panels) + row / kPanelRows * panel_bytes(t);
  const uint32_t* word = reinterpret_cast<const uint32_t*>(panel) + row % kPanelRows;
  for (int i = 0; i < t.cols; word += kPanelRows) {
    uint32_t values[2] = {*word, 0};
    if (t.dtype == SB_BF16) {
      values[0] = *word << 16;
      values[1] = *word & 0xffff0000u;
    }
    memcpy(out + i++, values, 4);
    if (t.dtype == SB_BF16 && i < t.cols) memcpy(out + i++, values + 1, 4);
  }
}

}  // namespace sb::cpu
