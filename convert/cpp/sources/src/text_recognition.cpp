#include "text_recognition.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "utf8.hpp"

namespace paddleport {
namespace {

constexpr std::size_t kHead = 512;

struct Range {
    std::uint32_t first;
    std::uint32_t last;
};

// Control characters, formats, separators but the space, private use, and what is no character.
constexpr std::array<Range, 27> kUnprintable = {{
    {0x0000, 0x001F},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},    {0x0600, 0x0605},
    {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},    {0x0890, 0x0891},
    {0x08E2, 0x08E2},   {0x1680, 0x1680},   {0x180E, 0x180E},    {0x2000, 0x200F},
    {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},    {0xE000, 0xF8FF},
    {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},    {0xFFFE, 0xFFFF},
    {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},  {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE007F}, {0xF0000, 0x10FFFF},
}};

bool is_printable(std::uint32_t code) {
    if (code == '\t' || code == '\r' || code == '\n' || code == '\f') return true;  // in a text
    return std::none_of(kUnprintable.begin(), kUnprintable.end(), [code](const Range& range) {
        return code >= range.first && code <= range.last;
    });
}

}  // namespace

bool is_markup(const std::vector<unsigned char>& data) {
    for (std::size_t index = 0; index < std::min(data.size(), kHead); ++index) {
        const unsigned char byte = data[index];
        if (byte != ' ' && (byte < '\t' || byte > '\r')) return byte == '<';
    }
    return false;
}

bool is_text(const std::vector<unsigned char>& data) {
    const std::size_t size = std::min(data.size(), kHead);
    const std::string_view head(reinterpret_cast<const char*>(data.data()), size);
    std::size_t position = 0;
    while (position < size) {
        const auto code = next_code_point(head, position);
        if (!code) return position + 4 > size;
        if (!is_printable(*code)) return false;
    }
    return true;
}

}  // namespace paddleport
