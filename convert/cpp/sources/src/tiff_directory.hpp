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
    std::uint64_t size;  // of the data

    // Where an entry begins: tag, type, count, and the value or its place. Throws BeyondEnd where
    // what OpenCV reads of it, or of what it points to, is not there: OpenCV then reads no further.
    std::uint64_t entry(std::uint64_t index) const;
};

// None where the data is no TIFF. Throws BeyondEnd.
std::optional<TiffDirectory> first_directory(const std::vector<unsigned char>& tiff);

}  // namespace paddleport
