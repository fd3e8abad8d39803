#include "webp_orientation.hpp"

#include "byte_reader.hpp"
#include "exif_orientation.hpp"
#include "opencv_codecs.hpp"

namespace paddleport {
namespace {

using Data = std::vector<unsigned char>;

constexpr std::uint64_t kOrientation = 0x0112;  // the tag, in EXIF's own directory

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

// The payload of the EXIF chunk; nothing where there is none.
Data exif_of(const Data& webp) {
    const ByteReader reader(webp, false);
    std::uint64_t position = 12;
    while (true) {
        const std::uint64_t length = reader.u32(position + 4);
        const std::uint64_t start = position + 8;
        if (length > webp.size() - start) throw BeyondEnd();
        if (reader.has(position, "EXIF"))
            return {webp.begin() + static_cast<std::ptrdiff_t>(start),
                    webp.begin() + static_cast<std::ptrdiff_t>(start + length)};
        position = start + length + length % 2;
    }
}

std::uint64_t orientation_of(const Data& webp) {
    try {
        const Data exif = exif_of(webp);
        const ByteReader order(exif);
        const bool little = order.has(0, "II");
        if (!little && !order.has(0, "MM")) return 1;
        const ByteReader reader(exif, !little);
        if (reader.u16(2) != 42) return 1;
        const std::uint64_t directory = reader.u32(4);
        const std::uint64_t count = reader.u16(directory);
        for (std::uint64_t entry = 0; entry < count; ++entry) {
            const std::uint64_t at = directory + 2 + entry * 12;
            if (reader.u16(at) == kOrientation) return reader.u16(at + 8);
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
