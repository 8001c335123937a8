// json_span.h: finds a string in a JSON text by its path, without building anything.
#pragma once
#include <stdint.h>
#include <string.h>

namespace sn {

constexpr int kPathDepthMax = 8;

// The way to a value, outermost first: a name of an object or an index of an array.
struct Path {
  struct Step {
    char name[32];
    int index;  // -1: a name
  };
  Step steps[kPathDepthMax];
  int depth = 0;

  // From text such as "choices.0.delta.content". False when it is too long or too deep.
  bool parse(const char* text) {
    depth = 0;
    while (*text) {
      const char* dot = strchrnul(text, '.');
      size_t length = dot - text;
      if (depth == kPathDepthMax || length == 0 || length >= sizeof steps[0].name) return false;
      Step& step = steps[depth++];
      memcpy(step.name, text, length);
      step.name[length] = 0;
      bool number = strspn(step.name, "0123456789") == length;
      step.index = -1;
      if (number) {
        step.index = 0;
        for (size_t i = 0; i < length; i++) step.index = step.index * 10 + step.name[i] - '0';
      }
      text = *dot ? dot + 1 : dot;
    }
    return depth > 0;
  }
};

// Where a string's contents lie in a text; begin < 0 when there is no such string.
struct Span {
  int begin = -1;
  int end = -1;
};

class JsonScanner {
 public:
  JsonScanner(const uint8_t* text, int length) : text_(text), length_(length) {}

  Span find(const Path& path) {
    for (int depth = 0; depth < path.depth; depth++) {
      const Path::Step& step = path.steps[depth];
      if (!(step.index >= 0 ? enter_item(step.index) : enter_member(step.name))) return {};
    }
    space();
    Span span = {at_ + 1, -1};
    if (!string()) return {};
    span.end = at_ - 1;
    return span;
  }

 private:
  bool enter_item(int index) {
    if (!take('[')) return false;
    for (int i = 0; i < index; i++) {
      if (!value() || !take(',')) return false;
    }
    space();
    return at_ < length_ && text_[at_] != ']';
  }

  bool enter_member(const char* name) {
    size_t wanted = strlen(name);
    if (!take('{')) return false;
    do {
      space();
      int begin = at_ + 1;
      if (!string() || !take(':')) return false;
      // The colon may stand behind white space: compare what lay between the quotes.
      if (key_end_ - begin == (int)wanted && memcmp(text_ + begin, name, wanted) == 0) return true;
      if (!value()) return false;
    } while (take(','));
    return false;
  }

  // Skips a value of any kind.
  bool value() {
    space();
    if (at_ >= length_) return false;
    uint8_t c = text_[at_];
    if (c == '"') return string();
    if (c != '{' && c != '[') {
      int begin = at_;
      while (at_ < length_ && !strchr(",]} \t\r\n", text_[at_])) at_++;
      return at_ > begin;
    }
    for (int depth = 0; at_ < length_;) {
      c = text_[at_];
      if (c == '"') {
        if (!string()) return false;
        continue;
      }
      at_++;
      if (c == '{' || c == '[') depth++;
      else if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

  bool string() {
    if (at_ >= length_ || text_[at_] != '"') return false;
    for (at_++; at_ < length_; at_++) {
      if (text_[at_] == '\\') at_++;
      else if (text_[at_] == '"') {
        key_end_ = at_++;
        return true;
      }
    }
    return false;
  }

  bool take(uint8_t c) {
    space();
    if (at_ >= length_ || text_[at_] != c) return false;
    at_++;
    return true;
  }
  void space() {
    while (at_ < length_ && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) at_++;
  }

  const uint8_t* text_;
  int length_;
  int at_ = 0;
  int key_end_ = 0;
};

}  // namespace sn
