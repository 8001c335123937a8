// http.h: reads one HTTP/1.1 response that arrives in any pieces: interim (1xx) responses, and bodies that are
// chunked, counted or ended by the close of the connection.
#pragma once
#include <stdio.h>
#include <strings.h>

#include "bytes.h"

namespace sn {

constexpr size_t kHeadBytesMax = 256 * 1024;

class ResponseReader {
 public:
  int status = 0;
  // Whether the connection may carry another request once the response is done.
  bool keeps_alive = false;
  // What is wrong with it, once `feed` has returned false.
  const char* problem = nullptr;
  // The reason phrase of the status line.
  char reason[64] = {};

  bool done() const { return state_ == kDone; }

  // Takes the next bytes and gives those of the body to sink.body(data, size). False: this is not HTTP.
  template <class Sink>
  bool feed(const uint8_t* data, size_t size, Sink& sink) {
    const uint8_t* end = data + size;
    while (data < end && state_ != kDone) {
      if (state_ == kUntilClose) {
        sink.body(data, end - data);
        return true;
      }
      if (remaining_ > 0) {
        size_t part = remaining_ < (uint64_t)(end - data) ? (size_t)remaining_ : (size_t)(end - data);
        remaining_ -= part;
        sink.body(data, part);
        data += part;
        if (remaining_ == 0) state_ = state_ == kChunk ? kChunkEnd : kDone;
        continue;
      }
      if (!take_line(data, end)) return false;
    }
    return true;
  }

  // The connection has closed: whether the response was whole by then.
  bool close() {
    if (state_ == kUntilClose) state_ = kDone;
    return done();
  }

  void release() { line_.release(); }

 private:
  enum State { kStatus, kFields, kCounted, kUntilClose, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };

  // Advances `data` past the next line, or to `end` when it is not there yet.
  bool take_line(const uint8_t*& data, const uint8_t* end) {
    auto* newline = static_cast<const uint8_t*>(memchr(data, '\n', end - data));
    const uint8_t* stop = newline ? newline : end;
    head_bytes_ += stop - data;
    if (head_bytes_ > kHeadBytesMax) return fail("the response head is over 256 KiB");
    if (newline && line_.size == 0) {
      bool sound = end_line(data, stop - data);
      data = newline + 1;
      return sound;
    }
    if (!line_.append(data, stop - data)) return fail("out of memory");
    data = newline ? newline + 1 : end;
    if (!newline) return true;
    size_t length = line_.size;
    line_.size = 0;
    return end_line(line_.data, length);
  }

  bool end_line(const uint8_t* line, size_t length) {
    if (length > 0 && line[length - 1] == '\r') length--;
    auto* text = reinterpret_cast<const char*>(line);
    switch (state_) {
      case kStatus: return length == 0 || take_status(text, length);
      case kFields: return length == 0 ? end_head() : take_field(text, length);
      case kChunkSize: return start_chunk(text, length);
      case kChunkEnd: state_ = kChunkSize; return true;
      case kTrailer:
        if (length == 0) state_ = kDone;
        return true;
      default: return true;
    }
  }

  bool take_status(const char* text, size_t length) {
    bool version = length >= 12 && memcmp(text, "HTTP/1.", 7) == 0 && (text[7] == '0' || text[7] == '1') && text[8] == ' ';
    if (!version) return fail("not an HTTP response");
    int code = 0;
    for (int i = 9; i < 12; i++) {
      if (text[i] < '0' || text[i] > '9') return fail("not an HTTP response");
      code = code * 10 + text[i] - '0';
    }
    if (length > 12 && text[12] != ' ') return fail("not an HTTP response");
    status = code;
    keeps_alive = text[7] == '1';
    if (length > 13) snprintf(reason, sizeof reason, "%.*s", (int)(length - 13), text + 13);
    chunked_ = false;
    length_ = -1;
    state_ = kFields;
    return true;
  }

  bool take_field(const char* text, size_t length) {
    auto* colon = static_cast<const char*>(memchr(text, ':', length));
    if (!colon || colon == text) return fail("a line of the response head is no header field");
    const char* value = colon + 1;
    const char* end = text + length;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t name = colon - text, bytes = end - value;
    if (is(text, name, "transfer-encoding")) chunked_ = contains(value, bytes, "chunked");
    else if (is(text, name, "connection") && contains(value, bytes, "close")) keeps_alive = false;
    else if (is(text, name, "content-length")) return take_length(value, bytes);
    return true;
  }

  bool take_length(const char* value, size_t bytes) {
    if (bytes == 0 || bytes > 15) return fail("content-length is not a number");
    length_ = 0;
    for (size_t i = 0; i < bytes; i++) {
      if (value[i] < '0' || value[i] > '9') return fail("content-length is not a number");
      length_ = length_ * 10 + value[i] - '0';
    }
    return true;
  }

  bool end_head() {
    head_bytes_ = 0;
    if (status < 200) state_ = kStatus;
    else if (status == 204 || status == 304) state_ = kDone;
    else if (chunked_) state_ = kChunkSize;
    else if (length_ < 0) {
      state_ = kUntilClose;
      keeps_alive = false;
    } else {
      remaining_ = (uint64_t)length_;
      state_ = remaining_ > 0 ? kCounted : kDone;
    }
    return true;
  }

  bool start_chunk(const char* text, size_t length) {
    size_t i = 0;
    while (i < length && (text[i] == ' ' || text[i] == '\t')) i++;
    size_t digits = 0;
    uint64_t size = 0;
    for (; i < length; i++, digits++) {
      int digit = hex_digit(text[i]);
      if (digit < 0) break;
      size = size * 16 + digit;
    }
    while (i < length && (text[i] == ' ' || text[i] == '\t')) i++;
    if (digits == 0 || digits > 13 || (i < length && text[i] != ';')) return fail("a chunk size is no number");
    head_bytes_ = 0;
    remaining_ = size;
    state_ = size > 0 ? kChunk : kTrailer;
    return true;
  }

  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  }
  static bool is(const char* name, size_t length, const char* wanted) {
    return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
  }
  // A word of a field's list, in any case.
  static bool contains(const char* value, size_t bytes, const char* word) {
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= bytes; i++) {
      if (strncasecmp(value + i, word, length) == 0) return true;
    }
    return false;
  }
  bool fail(const char* what) {
    problem = what;
    return false;
  }

  State state_ = kStatus;
  bool chunked_ = false;
  int64_t length_ = -1;
  uint64_t remaining_ = 0;
  size_t head_bytes_ = 0;
  Bytes line_;
};

}  // namespace sn
