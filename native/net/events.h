// events.h: the lines of a reply, stamped, and kept small.
//
// The events of a stream differ in little but the generated text. So a line that holds a string at the path of the
// text becomes the template; a later line that begins and ends with the same bytes around that string is not kept:
// only the contents of its string are appended to those of the lines before it. That costs a memcmp a line where a
// JSON parser would cost microseconds, and whoever reads the entries later parses a whole run of texts at once.
// A long line that is like no template is kept as its difference from the one before, if that is shorter.
#pragma once
#include "bytes.h"
#include "delta.h"
#include "json_span.h"

namespace sn {

enum EntryKind : uint32_t {
  kLine = 0,      // a line as it came
  kTemplate = 1,  // the same, and what later runs are like
  kRun = 2,       // `count` lines like the template; the bytes are their texts, one after the other, as JSON writes them
  kDelta = 3,     // a line as the steps (delta.h) that make it of the last line that is no run's
};

// Entries lie one after the other in Events::entries, each followed by its bytes. Every line has a stamp.
struct Entry {
  uint32_t kind;
  uint32_t count;
  uint32_t bytes;
};

class Events {
 public:
  Bytes entries;
  // int64_t each: nanoseconds.
  Bytes stamps;
  uint32_t count = 0;
  // Lines among them that hold generated text.
  uint32_t texts = 0;

  // Takes the next bytes of a body, cut anywhere, which were read at `at`. False: no memory.
  bool feed(const uint8_t* data, size_t size, int64_t at, const Path& text) {
    const uint8_t* end = data + size;
    while (auto* newline = static_cast<const uint8_t*>(memchr(data, '\n', end - data))) {
      if (tail_.size == 0) {
        if (!line(data, newline - data, at, text)) return false;
      } else {
        if (!tail_.append(data, newline - data)) return false;
        size_t length = tail_.size;
        tail_.size = 0;
        if (!line(tail_.data, length, at, text)) return false;
      }
      data = newline + 1;
      if (data == end) return true;
    }
    return tail_.append(data, end - data);
  }

  // The body has ended: what is left is a line too.
  bool end(int64_t at, const Path& text) {
    size_t length = tail_.size;
    tail_.size = 0;
    return line(tail_.data, length, at, text);
  }

  void release() {
    entries.release();
    stamps.release();
    tail_.release();
    before_.release();
  }

 private:
  bool line(const uint8_t* data, size_t size, int64_t at, const Path& text) {
    while (size > 0 && is_space(data[0])) data++, size--;
    while (size > 0 && is_space(data[size - 1])) size--;
    if (size == 0 || is_skipped(data, size)) return true;
    if (size > UINT32_MAX / 2) return false;
    count++;
    if (!stamps.append(&at, sizeof at)) return false;
    if (fits(data, size)) return add_to_run(data + prefix_, size - prefix_ - suffix_);
    return add_line(data, size, text);
  }

  bool fits(const uint8_t* data, size_t size) const {
    if (template_ == 0 || size <= prefix_ + suffix_) return false;
    const uint8_t* like = entries.data + template_;
    return memcmp(data + size - suffix_, like + template_size_ - suffix_, suffix_) == 0 &&
           memcmp(data, like, prefix_) == 0 && is_string(data + prefix_, size - prefix_ - suffix_);
  }

  bool add_to_run(const uint8_t* data, size_t size) {
    texts++;
    if (run_ == 0) {
      Entry entry = {kRun, 0, 0};
      run_ = entries.size;
      if (!entries.append(&entry, sizeof entry)) return false;
    }
    if (!entries.append(data, size)) return false;
    Entry entry;
    memcpy(&entry, entries.data + run_, sizeof entry);
    entry.count++;
    entry.bytes += (uint32_t)size;
    memcpy(entries.data + run_, &entry, sizeof entry);
    return true;
  }

  bool add_line(const uint8_t* data, size_t size, const Path& text) {
    Entry entry = {kLine, 1, (uint32_t)size};
    size_t json = size > 5 && memcmp(data, "data:", 5) == 0 ? 5 : size;
    Span span = JsonScanner(data + json, (int)(size - json)).find(text);
    // An empty text is no token to some readers, so it is not like one that is.
    if (span.begin >= 0 && span.end > span.begin) {
      entry.kind = kTemplate;
      texts++;
      prefix_ = json + span.begin;
      suffix_ = size - json - span.end;
      template_ = entries.size + sizeof entry;
      template_size_ = size;
    }
    run_ = 0;
    if (entry.kind == kLine && before_.size > 0 && size >= kLong) {
      bool kept = false;
      if (!add_delta(data, size, &kept)) return false;
      if (kept) return remember(data, size);
    }
    return entries.append(&entry, sizeof entry) && entries.append(data, size) && remember(data, size);
  }

  bool add_delta(const uint8_t* data, size_t size, bool* kept) {
    size_t place = entries.size;
    Entry entry = {kDelta, 1, 0};
    if (!entries.append(&entry, sizeof entry)) return false;
    if (!Delta::append(&entries, before_.data, before_.size, data, size)) return false;
    entry.bytes = (uint32_t)(entries.size - place - sizeof entry);
    *kept = entry.bytes < size / 2;
    if (*kept) memcpy(entries.data + place, &entry, sizeof entry);
    else entries.size = place;
    return true;
  }

  // Short lines are soon kept whole; a difference from one would gain nothing.
  bool remember(const uint8_t* data, size_t size) {
    before_.size = 0;
    return size < kLong || before_.append(data, size);
  }

  // Comments and fields of an event other than its data.
  static bool is_skipped(const uint8_t* data, size_t size) {
    auto begins = [&](const char* name) { return size >= strlen(name) && memcmp(data, name, strlen(name)) == 0; };
    return data[0] == ':' || begins("event:") || begins("id:") || begins("retry:");
  }
  static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  // Whether bytes may stand between the quotes of a JSON string, and stay what they are beside others.
  static bool is_string(const uint8_t* data, size_t size) {
    size_t i = 0;
    while (i < size) {
      uint8_t c = data[i];
      if (c < 0x20 || c == '"') return false;
      if (c < 0x80) {
        if (c != '\\') i++;
        else if (!escape(data, size, i)) return false;
        continue;
      }
      size_t bytes = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
      if (bytes == 0 || c >= 0xf8 || i + bytes > size) return false;
      for (size_t k = 1; k < bytes; k++) {
        if ((data[i + k] & 0xc0) != 0x80) return false;
      }
      i += bytes;
    }
    return true;
  }
  static bool escape(const uint8_t* data, size_t size, size_t& i) {
    if (i + 1 >= size) return false;
    uint8_t c = data[i + 1];
    i += 2;
    if (c != 'u') return c != 0 && strchr("\"\\/bfnrt", c) != nullptr;
    if (i + 4 > size) return false;
    for (size_t end = i + 4; i < end; i++) {
      uint8_t digit = data[i] | 0x20;
      if (!((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'))) return false;
    }
    return true;
  }

  static constexpr size_t kLong = 512;

  Bytes tail_;
  Bytes before_;  // the last line that is no run's, if it is long
  // The template's line in `entries`, 0 for none: an entry stands before it.
  size_t template_ = 0, template_size_ = 0;
  // Bytes of it before and after the contents of the string.
  size_t prefix_ = 0, suffix_ = 0;
  // The run that may go on, 0 for none. An entry stands before it, too.
  size_t run_ = 0;
};

}  // namespace sn
