// EXIF's data is a TIFF file; what it says of a picture stands in its first directory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "byte_reader.hpp"

namespace paddleport {

constexpr std::uint64_t kOrientationTag = 0x0112;

struct TiffDirectory {
    ByteReader reader;
    std::uint64_t start;
    std::uint64_t count;

    // Where an entry begins: tag, type, count, and the value or its place.
    std::uint64_t entry(std::uint64_t index) const { return start + 2 + index * 12; }
};

// None where the data is no TIFF. Throws BeyondEnd, as reading its entries does.
inline std::optional<TiffDirectory> first_directory(const std::vector<unsigned char>& tiff) {
    const ByteReader order(tiff);
    const bool little = order.has(0, "II");
    if (!little && !order.has(0, "MM")) return std::nullopt;
    const ByteReader reader(tiff, !little);
    if (reader.u16(2) != 42) return std::nullopt;
    const std::uint64_t start = reader.u32(4);
    return TiffDirectory{reader, start, reader.u16(start)};
}

}  // namespace paddleport
