// OpenCV's imgcodecs, which reads whatever is no plain JPEG, loaded when it is first needed.
//
// On Debian it brings 120 libraries and 50 MB, which a program that only sees JPEGs need not have:
// so it is linked to a module of its own, paddleport-codecs, that lies beside the program.
#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace paddleport {

// Put 8-bit BGR into `picture`; it stays empty where OpenCV cannot read the file.
using ImDecode = void (*)(const unsigned char* data, std::size_t size, cv::Mat* picture);

// Why there are no codecs, in one line; empty where they are loaded. Safe in every thread.
const std::string& missing_codecs();

// cv::imdecode(data, cv::IMREAD_COLOR), and an empty picture where that throws or codecs are
// missing.
cv::Mat imdecode(const std::vector<unsigned char>& data);

}  // namespace paddleport
