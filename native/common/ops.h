// ops.h: reads the words of sb_op and checks them against what the program holds.
#pragma once
#include "program.h"

namespace sb {

const char* op_name(int code);

// Appends the operation to the program and returns its result's handle, or refuses.
int append_op(Program& program, const int32_t* words, int count);

// Gives every value its offset in the arena: values that are not alive at the same time share memory.
int plan_memory(Program& program);

}  // namespace sb
