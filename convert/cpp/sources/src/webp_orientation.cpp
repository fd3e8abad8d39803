#include "webp_orientation.hpp"

#include <algorithm>

#include "exif_orientation.hpp"
#include "opencv_codecs.hpp"
#include "tiff_directory.hpp"

namespace paddleport {
namespace {

using Data = std::vector<unsigned char>;

// Two pixels side by side, and an EXIF chunk that puts them one above the other.
const Data& probe() {
    static const Data webp = {
        'R',  'I',  'F',  'F',  0x4e, 0x00, 0x00, 0x00, 'W',  'E',  'B',  'P',  'V',  'P',  '8',
        'X',  0x0a, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        'V',  'P',  '8',  'L',  0x0e, 0x00, 0x00, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x00, 0x07, 0x10,
        0x11, 0xfd, 0x0f, 0x44, 0x44, 0xff, 0x03, 'E',  'X',  'I',  'F',  0x1a, 0x00, 0x00, 0x00,
        'M',  'M',  0x00, 0x2a, 0x00, 0x00, 0x00, 0x08, 0x00, 0x01, 0x01, 0x12, 0x00, 0x03, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    return webp;
}

bool opencv_turns() {
    static const bool turns = imdecode(probe()).rows == 2;
    return turns;
}

// The payload of the EXIF chunk; throws BeyondEnd where there is none, or no header that says so.
Data exif_of(const Data& webp) {
    const ByteReader reader(webp, false);
    constexpr std::uint64_t kFirst = 12, kFlags = 20;
    constexpr unsigned kHasExif = 0x08;
    if (!reader.has(kFirst, "VP8X") || (reader.unsigned_at(kFlags, 1) & kHasExif) == 0)
        throw BeyondEnd();
    const std::uint64_t end = std::min<std::uint64_t>(webp.size(), reader.u32(4) + 8);
    std::uint64_t position = kFirst;
    while (true) {
        const std::uint64_t length = reader.u32(position + 4);
        const std::uint64_t start = position + 8;
        if (start > end || length > end - start) throw BeyondEnd();
        if (reader.has(position, "EXIF"))
            return {webp.begin() + static_cast<std::ptrdiff_t>(start),
                    webp.begin() + static_cast<std::ptrdiff_t>(start + length)};
        position = start + length + length % 2;
    }
}

std::uint64_t orientation_of(const Data& webp) {
    try {
        const Data exif = exif_of(webp);
        const std::optional<TiffDirectory> directory = first_directory(exif);
        for (std::uint64_t index = 0; directory && index < directory->count; ++index) {
            const std::uint64_t at = directory->entry(index);
            if (directory->reader.u16(at) == kOrientationTag)
                return directory->reader.u16(at + 8);  // OpenCV keeps what it has read by then
        }
    } catch (const BeyondEnd&) {
        // no chunk, or none that can be followed: OpenCV leaves such pictures as they are, too
    }
    return 1;
}

}  // namespace

cv::Mat turned_webp(const cv::Mat& decoded, const Data& data) {
    const std::uint64_t orientation = orientation_of(data);
    const bool is_turned = orientation == 1 || opencv_turns();
    return is_turned ? decoded : turned(decoded, orientation);
}

}  // namespace paddleport
