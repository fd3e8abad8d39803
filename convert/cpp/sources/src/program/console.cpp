#include "console.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "../one_line.hpp"
#include "../utf8.hpp"
#include "paddleport/error.hpp"

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <unistd.h>
#endif

namespace paddleport {
namespace {

// Taken before anybody points `stderr` elsewhere, as decoding a picture does.
std::FILE* const kMessages = stderr;

bool is_terminal(std::FILE* file) {
#ifdef _WIN32
    return _isatty(_fileno(file)) != 0;
#else
    return isatty(fileno(file)) != 0;
#endif
}

bool has_colour(std::FILE* file) {
    return is_terminal(file) && std::getenv("NO_COLOR") == nullptr;
}

std::string hex(unsigned value, int digits) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%0*x", digits, value);
    return text.data();
}

std::string escaped(char letter) {
    switch (letter) {
        case '"':
            return "\\\"";
        case '\\':
            return "\\\\";
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        case '\f':
            return "\\f";
        case '\b':
            return "\\b";
        default:
            break;
    }
    const auto value = static_cast<unsigned char>(letter);
    return value < 0x20 ? "\\u" + hex(value, 4) : std::string(1, letter);
}

// What acts on a terminal instead of being seen: control characters but the tab, and what turns the
// direction of writing.
bool is_control(std::uint32_t code) {
    return (code < 0x20 && code != '\t') || (code >= 0x7F && code <= 0x9F) ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::string written_out(std::uint32_t code) {
    if (code == '\n') return "\\n";
    return code <= 0xFF ? "\\x" + hex(code, 2) : "\\u" + hex(code, 4);
}

}  // namespace

void print_error(const std::string& message) {
    const char* label = has_colour(kMessages) ? "\033[1;31merror:\033[0m " : "error: ";
    std::fputs((label + printable(single_spaced(message)) + "\n").c_str(), kMessages);
}

void print_note(const std::string& line) {
    const bool dim = has_colour(kMessages);
    std::fputs(((dim ? "\033[2m" : "") + line + (dim ? "\033[0m\n" : "\n")).c_str(), kMessages);
}

bool is_styled() {
    return has_colour(stdout);
}

std::string printable(const std::string& text) {
    std::string made;
    for (std::size_t position = 0; position < text.size();) {
        const std::size_t start = position;
        const std::optional<std::uint32_t> code = next_code_point(text, position);
        if (!code)
            made += "\\udc" + hex(static_cast<unsigned char>(text[position++]), 2);
        else if (is_control(*code))
            made += written_out(*code);
        else
            made.append(text, start, position - start);
    }
    return made;
}

std::string json_text(const std::string& text) {
    std::string made = "\"";
    for (std::size_t position = 0; position < text.size();) {
        const std::size_t start = position;
        if (!next_code_point(text, position))
            made += "\\udc" + hex(static_cast<unsigned char>(text[position++]), 2);
        else if (position - start == 1)
            made += escaped(text[start]);
        else
            made.append(text, start, position - start);
    }
    return made + '"';
}

std::string json_number(double value) {
    const double size = std::abs(value);
    const bool plain = value == 0 || (size >= 1e-4 && size < 1e16);
    std::array<char, 64> text{};
    const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format).ptr;
    std::string made(text.data(), end);
    if (plain && made.find('.') == std::string::npos) made += ".0";
    return made;
}

void flush_output() {
    errno = 0;
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        throw OutputError(std::string("the results cannot be written to standard output: ") +
                          std::strerror(errno));
}

std::FILE* take_standard_output() {
#ifdef _WIN32
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    return stdout;
#else
    std::fflush(stdout);
    const int kept = dup(STDOUT_FILENO);
    if (kept < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        throw OutputError(std::string("standard output cannot be used: ") + std::strerror(errno));
    return fdopen(kept, "wb");
#endif
}

}  // namespace paddleport
