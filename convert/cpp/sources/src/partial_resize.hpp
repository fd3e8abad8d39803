// The crop of a resized picture, without the rest of it.
#pragma once

#include <opencv2/core.hpp>
#include <optional>

namespace paddleport {

// The rectangle `crop` of `picture` resized to `full` with cv::INTER_LINEAR, with the bits of
// resizing the whole; none where the whole must be resized: nothing would be saved, a side grows,
// or this OpenCV resizes parts in other bits, which is tried once on samples.
//
// OpenCV takes target pixel i from float32((i + 0.5) * scale - 0.5), so a source cut off behind the
// crop and resized by the same factors gives the same bits. One cut off before it moves i, and
// float32 rounds elsewhere: that is done only along a side where the scale is a power of two, and
// every such place is exact.
std::optional<cv::Mat> resized_part(const cv::Mat& picture, const cv::Size& full,
                                    const cv::Rect& crop);

}  // namespace paddleport
