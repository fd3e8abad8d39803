// What a picture file says of itself before anything is decoded.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace paddleport {

// A picture's format and its size in pixels, as stored (before any EXIF turn).
struct PictureHeader {
    std::string format;
    std::uint64_t height;
    std::uint64_t width;
};

// The file is no whole picture; the message ends the sentence "the file ...".
class HeaderError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Recognise a picture by its first bytes, whatever its file is called.
//
// Throws HeaderError: it is empty, text, of no known format, or cut short where that can be seen
// without decoding (JPEG, PNG, WebP).
PictureHeader read_header(const std::vector<unsigned char>& data);

// The still picture of a PNG, as cv::imread reads it: without the chunks of an animation, of which
// newer OpenCVs give a later frame.
std::vector<unsigned char> without_animation(const std::vector<unsigned char>& png);

}  // namespace paddleport
