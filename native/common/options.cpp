#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

namespace sb {

int Options::parse(const char* text) {
  if (strlen(text) >= sizeof text_) return fail("options: expected less than %zu bytes", sizeof text_);
  strcpy(text_, text);
  char* rest = nullptr;
  for (char* word = strtok_r(text_, " ", &rest); word; word = strtok_r(nullptr, " ", &rest)) {
    char* equals = strchr(word, '=');
    if (!equals) return fail("options: expected key=value, got \"%s\"", word);
    if (count_ == kMost) return fail("options: expected at most %d pairs", kMost);
    *equals = 0;
    pairs_[count_++] = {word, equals + 1, false};
  }
  return 0;
}

const char* Options::take_text(const char* key) {
  const char* value = nullptr;
  for (int i = 0; i < count_; i++) {
    if (strcmp(pairs_[i].key, key) != 0) continue;
    pairs_[i].taken = true;
    value = pairs_[i].value;
  }
  return value;
}

int Options::take_int(const char* key, int least, int most, int* out) {
  const char* value = take_text(key);
  if (!value) return 0;
  char* end;
  errno = 0;
  long number = strtol(value, &end, 10);
  if (errno || *end || end == value || number < least || number > most) {
    return fail("option %s: expected an integer in %d..%d, got \"%s\"", key, least, most, value);
  }
  *out = (int)number;
  return 0;
}

int Options::refuse_rest() const {
  for (int i = 0; i < count_; i++) {
    if (!pairs_[i].taken) return fail("options: unknown key \"%s\"", pairs_[i].key);
  }
  return 0;
}

}  // namespace sb
