// The EXIF orientation of WebP files, which older OpenCVs (Debian's 4.6) do not apply.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

namespace paddleport {

// What OpenCV gave for a WebP file, turned by the file's EXIF orientation unless this OpenCV did
// it: which of both is seen once, on a picture of two pixels.
cv::Mat turned_webp(const cv::Mat& decoded, const std::vector<unsigned char>& data);

}  // namespace paddleport
