#include "utf8.hpp"

namespace paddleport {

std::optional<std::uint32_t> next_code_point(std::string_view text, std::size_t& position) {
    const auto byte_at = [text](std::size_t index) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[index]));
    };
    const std::uint32_t lead = byte_at(position);
    std::size_t length = 1;
    std::uint32_t code = lead;
    std::uint32_t smallest = 0;
    if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4, code = lead & 0x07, smallest = 0x10000;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3, code = lead & 0x0F, smallest = 0x800;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2, code = lead & 0x1F, smallest = 0x80;
    } else if (lead >= 0x80) {
        return std::nullopt;
    }
    if (length > text.size() - position) return std::nullopt;
    for (std::size_t index = 1; index < length; ++index) {
        const std::uint32_t byte = byte_at(position + index);
        if ((byte & 0xC0) != 0x80) return std::nullopt;
        code = code << 6 | (byte & 0x3F);
    }
    if (code < smallest || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return std::nullopt;
    position += length;
    return code;
}

}  // namespace paddleport
