// UTF-8, character by character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace paddleport {

// The character at `position`, which is moved behind it; none, and `position` stays, where there is
// no valid one: cut, overlong, a surrogate, or beyond U+10FFFF.
std::optional<std::uint32_t> next_code_point(std::string_view text, std::size_t& position);

}  // namespace paddleport
