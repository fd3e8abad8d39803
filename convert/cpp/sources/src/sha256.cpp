#include "sha256.hpp"

#include <array>
#include <cstdint>
#include <fstream>
#include <vector>

#include "paddleport/error.hpp"

namespace paddleport {
namespace {

using Word = std::uint32_t;
constexpr std::size_t kBlock = 64;

// The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
constexpr std::array<Word, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr Word turned(Word value, int bits) {
    return value >> bits | value << (32 - bits);
}

class Sha256 {
  public:
    void block(const unsigned char* bytes) {
        std::array<Word, 64> w;
        for (std::size_t i = 0; i < 16; ++i)
            w[i] = Word{bytes[4 * i]} << 24 | Word{bytes[4 * i + 1]} << 16 |
                   Word{bytes[4 * i + 2]} << 8 | Word{bytes[4 * i + 3]};
        for (std::size_t i = 16; i < 64; ++i) {
            const Word low = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
            const Word high = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + low + w[i - 7] + high;
        }
        auto [a, b, c, d, e, f, g, h] = state_;
        for (std::size_t i = 0; i < 64; ++i) {
            const Word mixed = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
            const Word first = h + mixed + ((e & f) ^ (~e & g)) + kRounds[i] + w[i];
            const Word other = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
            const Word second = other + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + first;
            d = c, c = b, b = a, a = first + second;
        }
        const std::array<Word, 8> added = {a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < 8; ++i) state_[i] += added[i];
    }

    // The last bytes, fewer than a block, of `length` in all.
    std::string finish(std::vector<unsigned char> rest, std::uint64_t length) {
        rest.push_back(0x80);
        while (rest.size() % kBlock != kBlock - 8) rest.push_back(0);
        for (int shift = 56; shift >= 0; shift -= 8)
            rest.push_back(static_cast<unsigned char>(length * 8 >> shift));
        for (std::size_t at = 0; at < rest.size(); at += kBlock) block(rest.data() + at);
        std::string hex;
        for (const Word word : state_)
            for (int shift = 28; shift >= 0; shift -= 4)
                hex += "0123456789abcdef"[word >> shift & 15];
        return hex;
    }

  private:
    // The fractions of the square roots of the first eight primes (5.3.3).
    std::array<Word, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

}  // namespace

std::string sha256_of_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw ModelError(path.string() + " cannot be read");
    Sha256 digest;
    std::uint64_t length = 0;
    std::vector<unsigned char> buffer(1 << 20);
    while (true) {
        file.read(reinterpret_cast<char*>(buffer.data()),
                  static_cast<std::streamsize>(buffer.size()));
        const auto read = static_cast<std::size_t>(file.gcount());
        if (file.bad()) throw ModelError(path.string() + " cannot be read");
        length += read;
        const std::size_t whole = read / kBlock * kBlock;
        for (std::size_t at = 0; at < whole; at += kBlock) digest.block(buffer.data() + at);
        if (read < buffer.size())
            return digest.finish({buffer.begin() + static_cast<std::ptrdiff_t>(whole),
                                  buffer.begin() + static_cast<std::ptrdiff_t>(read)},
                                 length);
    }
}

}  // namespace paddleport
