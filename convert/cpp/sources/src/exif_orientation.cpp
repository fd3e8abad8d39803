#include "exif_orientation.hpp"

#include "tiff_directory.hpp"

namespace paddleport {
namespace {

using Data = std::vector<unsigned char>;

constexpr std::uint64_t kShort = 3;  // EXIF's type of 16 bits

std::optional<std::uint64_t> orientation_of(const Data& tiff) {
    const std::optional<TiffDirectory> directory = first_directory(tiff);
    if (!directory) return std::nullopt;
    const ByteReader& reader = directory->reader;
    std::uint64_t orientation = 0;
    for (std::uint64_t index = 0; index < directory->count; ++index) {
        const std::uint64_t at = directory->entry(index);
        reader.u32(at + 8);  // all of it is there
        if (reader.u16(at) != kOrientationTag) continue;
        const std::uint64_t found = reader.u16(at + 8);
        const bool odd = reader.u16(at + 2) != kShort || reader.u32(at + 4) != 1;
        if (odd || orientation != 0 || found < 1 || found > 8) return std::nullopt;
        orientation = found;
    }
    return orientation == 0 ? 1 : orientation;
}

}  // namespace

bool is_exif(const Data& segment) {
    return ByteReader(segment).has(0, "Exif\0\0");
}

std::optional<std::uint64_t> plain_orientation(const Data& segment) {
    if (!is_exif(segment)) return std::nullopt;
    try {
        return orientation_of({segment.begin() + 6, segment.end()});
    } catch (const BeyondEnd&) {
        return std::nullopt;
    }
}

cv::Mat turned(const cv::Mat& picture, std::uint64_t orientation) {
    if (orientation < 2 || orientation > 8) return picture;
    constexpr int kAroundX = 0, kAroundY = 1, kBoth = -1;
    cv::Mat upright = picture;
    if (orientation >= 5) cv::transpose(picture, upright);
    if (orientation == 2 || orientation == 6) cv::flip(upright, upright, kAroundY);
    if (orientation == 3 || orientation == 7) cv::flip(upright, upright, kBoth);
    if (orientation == 4 || orientation == 8) cv::flip(upright, upright, kAroundX);
    return upright;
}

}  // namespace paddleport
