#include "one_line.hpp"

#include <sstream>

namespace paddleport {
namespace {

constexpr std::size_t kMostCharacters = 300;
constexpr char kCut[] = " [...]";

bool starts_with(const std::string& text, const char* start) {
    return text.rfind(start, 0) == 0;
}

// "Exception from src/core.cpp:84:" and "Check 'a == b' failed at src/node.cpp:12:".
bool is_place(const std::string& line) {
    if (line.empty() || line.back() != ':') return false;
    const bool check = starts_with(line, "Check '") && line.find("' failed at ") != line.npos;
    return check || starts_with(line, "Exception from ");
}

}  // namespace

std::string single_spaced(const std::string& text) {
    std::istringstream words(text);
    std::string word, line;
    while (words >> word) line += (line.empty() ? "" : " ") + word;
    return line;
}

std::string one_line(const std::string& message) {
    std::istringstream lines(message);
    std::string line, telling;
    while (std::getline(lines, line)) {
        line = single_spaced(line);
        if (!is_place(line)) telling += (telling.empty() || line.empty() ? "" : " ") + line;
    }
    if (telling.empty()) return "no reason given";
    if (telling.size() <= kMostCharacters) return telling;
    const std::size_t room = kMostCharacters - (sizeof kCut - 1);
    const std::size_t space = telling.rfind(' ', room);
    return (space == std::string::npos ? "" : telling.substr(0, space)) + kCut;
}

}  // namespace paddleport
