// Numbers in a file's bytes, none of them beyond its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace paddleport {

// A number was to be read beyond the last byte.
class BeyondEnd : public std::exception {};

class ByteReader {
  public:
    explicit ByteReader(const std::vector<unsigned char>& data, bool big_endian = true)
        : data_(data), big_endian_(big_endian) {}

    std::uint64_t unsigned_at(std::uint64_t position, std::size_t bytes) const {
        if (position > data_.size() || bytes > data_.size() - position) throw BeyondEnd();
        std::uint64_t value = 0;
        for (std::size_t index = 0; index < bytes; ++index)
            value = value << 8 | data_[position + (big_endian_ ? index : bytes - 1 - index)];
        return value;
    }

    std::uint64_t u16(std::uint64_t position) const { return unsigned_at(position, 2); }
    std::uint64_t u32(std::uint64_t position) const { return unsigned_at(position, 4); }
    std::uint64_t u64(std::uint64_t position) const { return unsigned_at(position, 8); }
    std::int64_t i32(std::uint64_t position) const {
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(u32(position)));
    }

    // Whether these bytes stand there.
    template <std::size_t Length>
    bool has(std::uint64_t position, const char (&text)[Length]) const {
        constexpr std::size_t bytes = Length - 1;
        if (position > data_.size() || bytes > data_.size() - position) return false;
        for (std::size_t index = 0; index < bytes; ++index)
            if (data_[position + index] != static_cast<unsigned char>(text[index])) return false;
        return true;
    }

  private:
    const std::vector<unsigned char>& data_;
    bool big_endian_;
};

}  // namespace paddleport
