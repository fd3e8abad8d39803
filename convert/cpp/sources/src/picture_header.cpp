#include "picture_header.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "byte_reader.hpp"
#include "text_recognition.hpp"

namespace paddleport {
namespace {

using Data = std::vector<unsigned char>;

struct Sides {
    std::uint64_t height;
    std::uint64_t width;
};

Sides positive(const char* format, std::int64_t height, std::int64_t width) {
    if (height <= 0 || width <= 0)
        throw HeaderError(std::string("is a ") + format + " of " + std::to_string(width) + "x" +
                          std::to_string(height) + " pixels");
    return {static_cast<std::uint64_t>(height), static_cast<std::uint64_t>(width)};
}

// Where one of these bytes follows another, from `position` on.
std::optional<std::size_t> find_marker(const Data& data, std::size_t position) {
    for (; position + 1 < data.size(); ++position)
        if (data[position] == 0xFF && data[position + 1] != 0x00 && data[position + 1] != 0xFF)
            return position;
    return std::nullopt;
}

// Walk the segments to the frame header, then ask for an end marker after the first scan.
Sides jpeg_size(const Data& data) {
    const ByteReader reader(data);
    std::optional<Sides> size;
    std::size_t position = 2;
    while (true) {
        // libjpeg skips whatever lies between two segments
        const auto marker = find_marker(data, position);
        if (!marker) throw BeyondEnd();
        const unsigned char kind = data[*marker + 1];
        position = *marker + 2;
        if (kind == 0x01 || (kind >= 0xD0 && kind <= 0xD8)) continue;  // without a segment
        if (kind == 0xD9) throw HeaderError("is a JPEG without a picture");
        const std::uint64_t length = reader.u16(position);
        if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC)
            size = Sides{reader.u16(position + 3), reader.u16(position + 5)};  // a frame header
        position += length;
        if (kind == 0xDA) break;
    }
    // an end marker cannot occur inside coded data, where every FF is followed by 00 or RST
    constexpr std::array<unsigned char, 2> end = {0xFF, 0xD9};
    position = std::min(position, data.size());
    const auto from = data.begin() + static_cast<std::ptrdiff_t>(position);
    if (!size || std::search(from, data.end(), end.begin(), end.end()) == data.end())
        throw BeyondEnd();
    return *size;
}

struct Chunk {
    bool animates;
    std::size_t start;
    std::size_t end;
};

// Each chunk to the one that ends the picture.
std::vector<Chunk> png_chunks(const Data& data) {
    const ByteReader reader(data);
    std::vector<Chunk> chunks;
    std::size_t position = 8;
    while (position < data.size()) {
        const std::uint64_t length = reader.u32(position);
        reader.u32(position + 4);
        const std::uint64_t end = position + 12 + length;
        if (end > data.size()) break;
        const std::size_t kind = position + 4;
        const bool animates =
            reader.has(kind, "acTL") || reader.has(kind, "fcTL") || reader.has(kind, "fdAT");
        chunks.push_back({animates, position, end});
        position = end;
        if (reader.has(kind, "IEND")) return chunks;
    }
    throw BeyondEnd();
}

Sides png_size(const Data& data) {
    const ByteReader reader(data);
    const std::uint64_t width = reader.u32(16);
    const std::uint64_t height = reader.u32(20);
    png_chunks(data);
    return {height, width};
}

Sides webp_size(const Data& data) {
    const ByteReader reader(data, false);
    if (reader.u32(4) + 8 > data.size()) throw BeyondEnd();
    if (reader.has(12, "VP8 ")) {
        const std::uint64_t width = reader.u16(26) & 0x3FFF;
        return {reader.u16(28) & 0x3FFF, width};
    }
    if (reader.has(12, "VP8L")) {
        const std::uint64_t bits = reader.u32(21);
        return {(bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1};
    }
    const auto three_bytes = [&data](std::size_t position) {
        std::uint64_t value = 0;
        for (std::size_t index = 0; index < 3 && position + index < data.size(); ++index)
            value |= std::uint64_t{data[position + index]} << 8 * index;
        return value + 1;
    };
    return {three_bytes(27), three_bytes(24)};
}

Sides bmp_size(const Data& data) {
    const ByteReader reader(data, false);
    if (reader.u32(14) == 12) return {reader.u16(20), reader.u16(18)};
    const std::int64_t width = reader.i32(18);
    const std::int64_t height = reader.i32(22);
    return positive("BMP", height < 0 ? -height : height, width);
}

Sides gif_size(const Data& data) {
    const ByteReader reader(data, false);
    const std::uint64_t width = reader.u16(6);
    return {reader.u16(8), width};
}

Sides tiff_size(const Data& data) {
    const ByteReader reader(data, data[0] == 'M');
    const bool big = reader.u16(2) == 43;
    const std::uint64_t directory = big ? reader.u64(8) : reader.u32(4);
    const std::uint64_t count = big ? reader.u64(directory) : reader.u16(directory);
    const std::uint64_t first = directory + (big ? 8 : 2);
    const std::uint64_t step = big ? 20 : 12;
    Sides size{0, 0};
    for (std::uint64_t entry = 0; entry < std::min<std::uint64_t>(count, 4096); ++entry) {
        const std::uint64_t at = first + entry * step;
        const std::uint64_t tag = reader.u16(at);
        const std::uint64_t kind = reader.u16(at + 2);
        if (tag != 256 && tag != 257) continue;
        const std::size_t bytes = kind == 3 ? 2 : kind == 16 ? 8 : 4;
        (tag == 256 ? size.width : size.height) = reader.unsigned_at(at + (big ? 12 : 8), bytes);
    }
    return size;
}

bool is_space(unsigned char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

// P6, width and height, with white space and comments between them.
Sides pnm_size(const Data& data) {
    const HeaderError without("is a PNM without a size");
    std::string head;
    bool comment = false;
    for (std::size_t index = 0; index < std::min<std::size_t>(data.size(), 4096); ++index) {
        if (data[index] == '#' && !comment) head += ' ';
        comment = (comment || data[index] == '#') && data[index] != '\n';
        if (!comment) head += static_cast<char>(data[index]);
    }
    const auto byte_at = [&head](std::size_t at) {
        return static_cast<unsigned char>(at < head.size() ? head[at] : '\0');
    };
    std::size_t at = 2;
    std::array<std::uint64_t, 2> sides{};
    for (std::uint64_t& side : sides) {
        if (!is_space(byte_at(at))) throw without;
        while (is_space(byte_at(at))) ++at;
        std::size_t digits = 0;
        for (; byte_at(at) >= '0' && byte_at(at) <= '9'; ++at, ++digits) {
            if (digits == 9) throw without;
            side = side * 10 + static_cast<std::uint64_t>(byte_at(at) - '0');
        }
        if (digits == 0) throw without;
    }
    if (!is_space(byte_at(at))) throw without;
    return {sides[1], sides[0]};
}

Sides jpeg2000_size(const Data& data) {
    constexpr std::array<unsigned char, 4> codestream = {0xFF, 0x4F, 0xFF, 0x51};
    const auto found = std::search(data.begin(), data.end(), codestream.begin(), codestream.end());
    if (found == data.end()) throw BeyondEnd();
    const ByteReader reader(data);
    const auto at = static_cast<std::uint64_t>(found - data.begin()) + 8;
    const auto side = [&reader, at](std::uint64_t end, std::uint64_t start) {
        return static_cast<std::int64_t>(reader.u32(at + end)) -
               static_cast<std::int64_t>(reader.u32(at + start));
    };
    return positive("JPEG 2000", side(4, 12), side(0, 8));
}

Sides avif_size(const Data& data) {
    const ByteReader reader(data);
    Sides size{0, 0};
    bool any = false;
    for (std::size_t at = 0; at + 4 <= data.size(); ++at) {
        if (!reader.has(at, "ispe")) continue;
        const Sides found{reader.u32(at + 12), reader.u32(at + 8)};
        if (!any || found.width * found.height > size.width * size.height) size = found;
        any = true;
        at += 3;
    }
    if (!any) throw BeyondEnd();
    return size;
}

struct Format {
    const char* name;
    bool (*matches)(const ByteReader& reader, const Data& data);
    Sides (*size)(const Data& data);
};

constexpr std::array<Format, 9> kFormats = {{
    {"JPEG", [](const ByteReader& r, const Data&) { return r.has(0, "\xff\xd8\xff"); }, jpeg_size},
    {"PNG", [](const ByteReader& r, const Data&) { return r.has(0, "\x89PNG\r\n\x1a\n"); },
     png_size},
    {"WebP", [](const ByteReader& r, const Data&) { return r.has(0, "RIFF") && r.has(8, "WEBP"); },
     webp_size},
    {"BMP", [](const ByteReader& r, const Data&) { return r.has(0, "BM"); }, bmp_size},
    {"GIF",
     [](const ByteReader& r, const Data&) { return r.has(0, "GIF87a") || r.has(0, "GIF89a"); },
     gif_size},
    {"TIFF",
     [](const ByteReader& r, const Data&) {
         return r.has(0, "II*\0") || r.has(0, "II+\0") || r.has(0, "MM\0*") || r.has(0, "MM\0+");
     },
     tiff_size},
    {"PNM",
     [](const ByteReader&, const Data& d) {
         return d.size() > 2 && d[0] == 'P' && d[1] >= '1' && d[1] <= '6' && is_space(d[2]);
     },
     pnm_size},
    {"JPEG 2000",
     [](const ByteReader& r, const Data&) {
         return r.has(0, "\0\0\0\x0cjP  ") || r.has(0, "\xff\x4f\xff\x51");
     },
     jpeg2000_size},
    {"AVIF",
     [](const ByteReader& r, const Data&) {
         return r.has(4, "ftypavif") || r.has(4, "ftypavis") || r.has(4, "ftypmif1") ||
                r.has(4, "ftypmiaf");
     },
     avif_size},
}};

std::string what_else(const Data& data) {
    if (is_markup(data)) return "is HTML or XML, not a picture";
    if (is_text(data)) return "is text, not a picture";
    std::string known;
    for (const Format& format : kFormats)
        known += (known.empty() ? "" : ", ") + std::string(format.name);
    return "is not a picture; read are " + known;
}

}  // namespace

PictureHeader read_header(const Data& data) {
    if (data.empty()) throw HeaderError("is empty");
    const ByteReader reader(data);
    for (const Format& format : kFormats) {
        if (!format.matches(reader, data)) continue;
        try {
            const Sides size = format.size(data);
            if (size.height == 0 || size.width == 0)
                throw HeaderError(std::string("is a ") + format.name + " of " +
                                  std::to_string(size.width) + "x" + std::to_string(size.height) +
                                  " pixels");
            return {format.name, size.height, size.width};
        } catch (const BeyondEnd&) {
            throw HeaderError(std::string("is a truncated ") + format.name);
        }
    }
    throw HeaderError(what_else(data));
}

Data without_animation(const Data& png) {
    std::vector<Chunk> chunks;
    try {
        chunks = png_chunks(png);
    } catch (const BeyondEnd&) {
        return png;  // it is refused by its header
    }
    if (std::none_of(chunks.begin(), chunks.end(), [](const Chunk& item) { return item.animates; }))
        return png;
    Data still(png.begin(), png.begin() + 8);
    for (const Chunk& chunk : chunks)
        if (!chunk.animates)
            still.insert(still.end(), png.begin() + static_cast<std::ptrdiff_t>(chunk.start),
                         png.begin() + static_cast<std::ptrdiff_t>(chunk.end));
    return still;
}

}  // namespace paddleport
