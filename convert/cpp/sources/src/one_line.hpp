// What a runtime's library says when it fails, in one line.
#pragma once

#include <string>

namespace paddleport {

// White space made single, as errors are printed.
std::string single_spaced(const std::string& text);

// A message as one line of at most 300 characters, without the places in the runtime's own source.
std::string one_line(const std::string& message);

}  // namespace paddleport
