// bytes.h: a growable run of bytes.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace sn {

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
  size_t capacity = 0;

  // Room for `more` bytes at the end; null when there is no memory.
  uint8_t* grow(size_t more) {
    if (size + more > capacity) {
      size_t wanted = capacity ? 2 * capacity : 256;
      while (wanted < size + more) wanted *= 2;
      auto* moved = static_cast<uint8_t*>(realloc(data, wanted));
      if (!moved) return nullptr;
      data = moved;
      capacity = wanted;
    }
    uint8_t* at = data + size;
    size += more;
    return at;
  }
  bool append(const void* bytes, size_t count) {
    if (count == 0) return true;
    uint8_t* at = grow(count);
    if (at) memcpy(at, bytes, count);
    return at != nullptr;
  }
  void release() {
    free(data);
    *this = {};
  }
};

}  // namespace sn
