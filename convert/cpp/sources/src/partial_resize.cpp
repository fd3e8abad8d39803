#include "partial_resize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <opencv2/imgproc.hpp>

namespace paddleport {
namespace {

// Along one side: the source that the crop's pixels need, and where they start in what is made.
struct Span {
    cv::Range source;
    int first;
};

Span source_span(int have, int full, int first, int count) {
    const int times = have / full;
    const bool moves = have % full == 0 && (times & (times - 1)) == 0;
    const int start = moves ? first * times : 0;
    const int left = moves ? 0 : first;
    // One pixel more than needed, so that the last one is not at the edge, and its neighbour.
    const double needed = std::ceil((left + count + 0.5) * have / full) + 2;
    return {{start, static_cast<int>(std::min<double>(have, start + needed))}, left};
}

std::optional<cv::Mat> part_of(const cv::Mat& picture, const cv::Size& full, const cv::Rect& crop) {
    if (full.height > picture.rows || full.width > picture.cols) return std::nullopt;
    const Span rows = source_span(picture.rows, full.height, crop.y, crop.height);
    const Span columns = source_span(picture.cols, full.width, crop.x, crop.width);
    const cv::Mat source = picture(rows.source, columns.source);
    // as OpenCV has them of the whole picture
    const double down = static_cast<double>(full.height) / picture.rows;
    const double right = static_cast<double>(full.width) / picture.cols;
    const cv::Size made(static_cast<int>(std::nearbyint(source.cols * right)),
                        static_cast<int>(std::nearbyint(source.rows * down)));
    // OpenCV copies a picture whose size stays, although one that is larger would be resampled.
    if (source.size() == picture.size() || made == source.size() || made.empty())
        return std::nullopt;
    cv::Mat resized;
    cv::resize(source, resized, cv::Size(), right, down, cv::INTER_LINEAR);
    const cv::Rect place(columns.first, rows.first, crop.width, crop.height);
    const bool holds =
        place.x + place.width <= resized.cols && place.y + place.height <= resized.rows;
    return holds ? std::optional(resized(place)) : std::nullopt;
}

cv::Mat noise(int rows, int columns) {
    cv::Mat picture(rows, columns, CV_8UC3);
    std::uint32_t state = 1;  // of a linear congruential generator
    for (int row = 0; row < rows; ++row)
        for (int index = 0; index < columns * 3; ++index) {
            state = state * 1664525U + 1013904223U;
            picture.ptr<unsigned char>(row)[index] = static_cast<unsigned char>(state >> 24);
        }
    return picture;
}

bool parts_are_exact() {
    constexpr std::array<std::array<int, 4>, 3> samples = {
        {{96, 96, 48, 48}, {301, 400, 64, 85}, {97, 61, 83, 53}}};
    for (const auto& [rows, columns, height, width] : samples) {
        const cv::Mat picture = noise(rows, columns);
        const cv::Rect crop(6, 4, width - 13, height - 9);
        const std::optional<cv::Mat> part = part_of(picture, cv::Size(width, height), crop);
        cv::Mat whole;
        cv::resize(picture, whole, cv::Size(width, height), 0, 0, cv::INTER_LINEAR);
        if (!part || cv::norm(*part, whole(crop), cv::NORM_INF) != 0) return false;
    }
    return true;
}

}  // namespace

std::optional<cv::Mat> resized_part(const cv::Mat& picture, const cv::Size& full,
                                    const cv::Rect& crop) {
    static const bool exact = parts_are_exact();
    return exact ? part_of(picture, full, crop) : std::nullopt;
}

}  // namespace paddleport
