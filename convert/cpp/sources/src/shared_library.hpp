// A library that is loaded at run time.
#pragma once

#include <string>

namespace paddleport {

// The file of a library that lies where the rpath of this code says, or where the system's lie;
// empty: it is nowhere. The current folder is not searched, though an empty entry in an rpath means
// it, and CMake writes such. Other systems than glibc's get the name itself, to search by their own
// rules.
std::string find_library(const std::string& name);

// Load it for the rest of the process's life: runtimes do not like to be unloaded. Gives nullptr,
// and why in `reason`, where that fails.
void* load_library(const std::string& path, std::string& reason);

// A symbol of it, or nullptr.
void* find_symbol(void* library, const char* name);

}  // namespace paddleport
