// A library that is loaded at run time.
#pragma once

#include <string>

namespace paddleport {

// Load it for the rest of the process's life: runtimes do not like to be unloaded. Gives nullptr,
// and why in `reason`, where that fails.
void* load_library(const std::string& path, std::string& reason);

// A symbol of it, or nullptr.
void* find_symbol(void* library, const char* name);

}  // namespace paddleport
