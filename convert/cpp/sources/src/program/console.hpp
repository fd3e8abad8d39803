// The two streams: results on standard output, errors on standard error; and texts as Python has
// them.
#pragma once

#include <cstdio>
#include <string>

namespace paddleport {

// "error: ..." on one line.
void print_error(const std::string& message);

// A line about what was done, on standard error.
void print_note(const std::string& line);

// Whether answers are printed in bold and dim: to a terminal, and NO_COLOR is not set.
bool is_styled();

// A foreign text for a terminal, as Python prints it: control characters written out (\x1b), and
// bytes that are no UTF-8 (\udcff).
std::string printable(const std::string& text);

// A text as a JSON string, as json.dumps(ensure_ascii=False) writes it.
std::string json_text(const std::string& text);

// A number as Python's repr: the shortest digits that read back equal, 1.0, 1e-05.
std::string json_number(double value);

// Throws OutputError: what was printed cannot be written.
void flush_output();

// Standard output for whoever holds it alone: what anybody else prints goes to standard error.
std::FILE* take_standard_output();

}  // namespace paddleport
