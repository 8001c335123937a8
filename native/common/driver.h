// driver.h: the thread that runs a device's steps, in the order they were started.
#pragma once
#include "program.h"

namespace sb {

Driver* driver_start();
void driver_stop(Driver* driver);  // its queue must be empty

void driver_queue(Driver* driver, Slot* slot);
void driver_wait(Driver* driver, const Slot* slot);

// A native thread that takes none of the process's signals. False when the system refuses.
bool start_thread(pthread_t* thread, const char* name, void* (*body)(void*), void* argument);

int64_t now_ns();

}  // namespace sb
