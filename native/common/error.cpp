#include "error.h"

#include <stdarg.h>
#include <stdio.h>

namespace sb {

static thread_local char text[kErrorBytes];

int fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return -1;
}

const char* last_error() { return text; }

}  // namespace sb
