// options.h: the text of sb_open, "key=value key=value".
#pragma once

namespace sb {

struct Options {
  // 0, or a refusal when the text is not a list of pairs.
  int parse(const char* text);
  // Each takes one key out of the list; absent keys leave *out alone.
  int take_int(const char* key, int least, int most, int* out);
  // The value, or null when absent; valid as long as this object.
  const char* take_text(const char* key);
  // Refuses when a key was not taken.
  int refuse_rest() const;

 private:
  static constexpr int kMost = 16;
  struct Pair {
    const char* key;
    const char* value;
    bool taken;
  };
  char text_[1024];
  Pair pairs_[kMost];
  int count_ = 0;
};

}  // namespace sb
