#include "tiff_directory.hpp"

namespace paddleport {
namespace {

// How many fractions OpenCV reads of a tag (EXIF 2.3, table 4); 0: none.
std::uint64_t fractions(std::uint64_t tag) {
    switch (tag) {
        case 0x011A:  // XResolution
        case 0x011B:  // YResolution
            return 1;
        case 0x013E:  // WhitePoint
            return 2;
        case 0x0211:  // YCbCrCoefficients
            return 3;
        case 0x013F:  // PrimaryChromaticities
        case 0x0214:  // ReferenceBlackWhite
            return 6;
        default:
            return 0;
    }
}

// ImageDescription, Make, Model, Software, DateTime, Copyright.
bool is_text(std::uint64_t tag) {
    return (tag >= 0x010E && tag <= 0x0110) || tag == 0x0131 || tag == 0x0132 || tag == 0x8298;
}

}  // namespace

std::uint64_t TiffDirectory::entry(std::uint64_t index) const {
    const std::uint64_t at = this->start + 2 + index * 12;
    const std::uint64_t tag = reader.u16(at);
    const std::uint64_t length = is_text(tag) ? reader.u32(at + 4) : fractions(tag) * 8;
    if (length == 0) return at;
    const std::uint64_t place = is_text(tag) && length <= 4 ? 8 : reader.u32(at + 8);
    if (place > size || length > size - place) throw BeyondEnd();
    return at;
}

std::optional<TiffDirectory> first_directory(const std::vector<unsigned char>& tiff) {
    const ByteReader order(tiff);
    const bool little = order.has(0, "II");
    if (!little && !order.has(0, "MM")) return std::nullopt;
    const ByteReader reader(tiff, !little);
    if (reader.u16(2) != 42) return std::nullopt;
    const std::uint64_t start = reader.u32(4);
    return TiffDirectory{reader, start, reader.u16(start), tiff.size()};
}

}  // namespace paddleport
