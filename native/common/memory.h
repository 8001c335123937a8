// memory.h: the little that is needed of a standard library: a growable array and large blocks of memory.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

namespace sb {

// A growable array of plain data; its owner calls release.
template <class T>
struct Array {
  T* data = nullptr;
  int count = 0;
  int capacity = 0;

  // False when there is no memory: the array is then unchanged.
  bool push(const T& item) {
    if (count == capacity) {
      int grown = capacity ? 2 * capacity : 16;
      void* moved = realloc(static_cast<void*>(data), grown * sizeof(T));
      if (!moved) return false;
      data = static_cast<T*>(moved);
      capacity = grown;
    }
    data[count++] = item;
    return true;
  }
  T& operator[](int i) { return data[i]; }
  const T& operator[](int i) const { return data[i]; }
  T* begin() { return data; }
  T* end() { return data + count; }
  void release() {
    free(static_cast<void*>(data));
    *this = {};
  }
};

// A zeroed block, aligned to a page; large ones ask for huge pages.
struct Memory {
  uint8_t* data = nullptr;
  size_t bytes = 0;

  bool allocate(size_t size) {
    if (size == 0) size = 1;
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return false;
    if (size >= (size_t)4 << 20) madvise(block, size, MADV_HUGEPAGE);
    data = static_cast<uint8_t*>(block);
    bytes = size;
    return true;
  }
  void release() {
    if (data) munmap(data, bytes);
    *this = {};
  }
};

inline size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace sb
