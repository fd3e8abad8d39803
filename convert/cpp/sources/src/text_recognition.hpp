// Files that are text, which are named in an error instead of "not a picture".
#pragma once

#include <vector>

namespace paddleport {

// Whether the first thing in it is a "<".
bool is_markup(const std::vector<unsigned char>& data);

// Whether its first 512 bytes are printable UTF-8; the last character may be cut.
//
// What is printable is Python's str.isprintable but for code points that no character has been
// given yet, which count as printable here: that would take a table of Unicode.
bool is_text(const std::vector<unsigned char>& data);

}  // namespace paddleport
