// From an encoded picture to an input tensor, with the bits of paddleport's Python.
//
// Sizes are rounded as Python rounds (halves to the even number), crops start at offsets that are
// rounded down, and every pixel value goes through the same float32 operations. What is left to
// OpenCV is decoding and resizing: another OpenCV than Python's may give other pixels there, and
// `paddleport validate` compares them (docs/cpp-build.md lists what was seen).
#pragma once

#include <array>
#include <cstdint>
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "paddleport/tensor.hpp"

namespace paddleport {

struct Size {
    std::int64_t height;
    std::int64_t width;
};

// What a picture may be at most.
struct Limits {
    std::uint64_t max_pixels = 178'956'970;  // stored or resized
    std::uint64_t max_file_bytes = 256ULL << 20;
};

// How a picture becomes an input tensor, in PaddleClas's order of steps.
struct Preprocess {
    std::optional<std::int64_t> resize_short;  // pixels of the shorter side
    std::optional<Size> resize;                // the very size
    std::optional<Size> crop;                  // from the centre; none keeps the whole picture
    int interpolation;                         // one of cv::InterpolationFlags
    std::array<float, 3> scale;                // a pixel is multiplied with it,
    std::array<float, 3> mean;                 // this is subtracted,
    std::array<float, 3> std;                  // and divides what is left
    bool rgb;                                  // the order of the channels; else BGR
    int channel_num;                           // 3, or 4 where zeros follow the colours
};

// A file's bytes. Throws PictureError: no such file, no file at all, or more than the limit.
std::vector<unsigned char> read_picture_file(const std::string& path, const Limits& limits);

// A picture as cv::imread(path, IMREAD_COLOR) gives it: 8-bit BGR, turned by its EXIF orientation.
//
// Its header is held against the limits before anything is decoded. What is empty, text, cut short
// or of an unknown format is refused in one line that begins with `name`. OpenCV, libjpeg and
// libpng write nothing to standard error meanwhile (see quiet_decoders.hpp).
cv::Mat decode_picture(const std::vector<unsigned char>& data, const std::string& name,
                       const Limits& limits = {});

// What a picture of this size is resized to.
Size resized_size(Size have, const Preprocess& rules);

// Resized, then cropped: 8-bit BGR. Throws PictureError: no 8-bit BGR picture, a crop that is
// larger than it, or a resized picture above the limit.
cv::Mat crop_picture(const cv::Mat& bgr, const Preprocess& rules, const std::string& name,
                     const Limits& limits = {});

// The whole way from pixels: float32 [1, channel_num, height, width]. Throws as crop_picture.
Tensor prepare_picture(const cv::Mat& bgr, const Preprocess& rules,
                       const std::string& name = "the picture", const Limits& limits = {});

// For a model that normalises by itself: uint8 [1, height, width, 3]. Throws as crop_picture.
Tensor prepare_pixels(const cv::Mat& bgr, const Preprocess& rules,
                      const std::string& name = "the picture", const Limits& limits = {});

// What each pixel value becomes: [channel][value], channels in the order of the tensor.
std::array<std::array<float, 256>, 3> normalization_table(const Preprocess& rules);

}  // namespace paddleport
