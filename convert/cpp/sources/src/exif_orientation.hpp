// Which way up a picture is, by EXIF.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <optional>
#include <vector>

namespace paddleport {

// Whether a segment of a JPEG begins as EXIF's do.
bool is_exif(const std::vector<unsigned char>& segment);

// The orientation, 1 to 8, of a segment with EXIF; 1 where it says none.
//
// Nothing where it is in any way odd: another value or type, two of them, or an entry that OpenCV
// reads and that lies beyond the end. There readers differ.
std::optional<std::uint64_t> plain_orientation(const std::vector<unsigned char>& segment);

// A picture turned upright, as OpenCV does it; any other number than 2 to 8 leaves it.
cv::Mat turned(const cv::Mat& picture, std::uint64_t orientation);

}  // namespace paddleport
