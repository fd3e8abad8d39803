// JPEG files by libjpeg alone, so that they need no imgcodecs and what that loads.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <optional>
#include <vector>

namespace paddleport {

// 8-bit BGR, turned by EXIF: the bits of cv::imdecode(data, cv::IMREAD_COLOR). Prints nothing.
//
// Nothing where the file is not plain: damaged (whatever libjpeg warns of), of another size than
// its header says, arithmetic or lossless coding, no Huffman tables, odd EXIF. OpenCV decides then.
std::optional<cv::Mat> decode_jpeg(const std::vector<unsigned char>& data, std::uint64_t height,
                                   std::uint64_t width);

}  // namespace paddleport
