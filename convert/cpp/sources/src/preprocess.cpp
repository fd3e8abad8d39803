// Pixels to an input tensor.

#include "paddleport/preprocess.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "paddleport/error.hpp"
#include "partial_resize.hpp"

// A wider intermediate would round twice, and its bits would not be NumPy's.
static_assert(FLT_EVAL_METHOD == 0, "float32 must be computed in float32: -msse2 -mfpmath=sse");

namespace paddleport {
namespace {

// Python's round: halves go to the even number.
std::int64_t round_half_even(double value) {
    return static_cast<std::int64_t>(std::nearbyint(value));
}

std::string pixels(const Size& size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
}

void check_pixels(const cv::Mat& picture, const std::string& name) {
    if (picture.empty() || picture.dims != 2 || picture.type() != CV_8UC3)
        throw PictureError(name + " is no 8-bit picture of three channels (CV_8UC3)");
}

}  // namespace

Size resized_size(Size have, const Preprocess& rules) {
    if (rules.resize_short) {
        const double percent = static_cast<double>(*rules.resize_short) /
                               static_cast<double>(std::min(have.width, have.height));
        return {round_half_even(static_cast<double>(have.height) * percent),
                round_half_even(static_cast<double>(have.width) * percent)};
    }
    return rules.resize.value_or(have);
}

cv::Mat crop_picture(const cv::Mat& bgr, const Preprocess& rules, const std::string& name,
                     const Limits& limits) {
    check_pixels(bgr, name);
    const Size have{bgr.rows, bgr.cols};
    const Size full = resized_size(have, rules);
    const bool resizes = rules.resize_short || rules.resize;
    if (resizes && static_cast<std::uint64_t>(full.height * full.width) > limits.max_pixels)
        throw PictureError(name + " is " + pixels(have) + " pixels and would be resized to " +
                           pixels(full) + "; at most " + std::to_string(limits.max_pixels) +
                           " pixels are made");
    const Size crop = rules.crop.value_or(full);
    if (full.height < crop.height || full.width < crop.width)
        throw PictureError(name + " is " + pixels(full) +
                           " pixels after resizing, and the centre crop takes " + pixels(crop));
    const auto side = [](std::int64_t value) { return static_cast<int>(value); };
    const cv::Size target(side(full.width), side(full.height));
    const cv::Rect place(side((full.width - crop.width) / 2), side((full.height - crop.height) / 2),
                         side(crop.width), side(crop.height));
    if (!resizes) return bgr(place);
    if (rules.interpolation == cv::INTER_LINEAR && place.size() != target)
        if (const auto part = resized_part(bgr, target, place)) return *part;
    cv::Mat whole;
    cv::resize(bgr, whole, target, 0, 0, rules.interpolation);
    return whole(place);
}

Tensor prepare_picture(const cv::Mat& bgr, const Preprocess& rules, const std::string& name,
                       const Limits& limits) {
    const cv::Mat crop = crop_picture(bgr, rules, name, limits);
    const auto table = normalization_table(rules);
    Tensor tensor = Tensor::zeros("float32", {1, rules.channel_num, crop.rows, crop.cols});
    const std::size_t plane =
        static_cast<std::size_t>(crop.rows) * static_cast<std::size_t>(crop.cols);
    for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::size_t source = rules.rgb ? 2 - channel : channel;
        const std::array<float, 256>& values = table[channel];
        float* out = tensor.values<float>() + channel * plane;
        for (int row = 0; row < crop.rows; ++row) {
            const unsigned char* pixel = crop.ptr<unsigned char>(row) + source;
            for (int column = 0; column < crop.cols; ++column, pixel += 3) *out++ = values[*pixel];
        }
    }
    return tensor;
}

Tensor prepare_pixels(const cv::Mat& bgr, const Preprocess& rules, const std::string& name,
                      const Limits& limits) {
    const cv::Mat crop = crop_picture(bgr, rules, name, limits);
    Tensor tensor = Tensor::zeros("uint8", {1, crop.rows, crop.cols, 3});
    cv::Mat out(crop.rows, crop.cols, CV_8UC3, tensor.data.data());
    if (rules.rgb)
        cv::cvtColor(crop, out, cv::COLOR_BGR2RGB);
    else
        crop.copyTo(out);
    return tensor;
}

std::array<std::array<float, 256>, 3> normalization_table(const Preprocess& rules) {
    std::array<std::array<float, 256>, 3> table{};
    for (std::size_t channel = 0; channel < 3; ++channel)
        for (std::size_t value = 0; value < 256; ++value) {
            // Step by step, as NumPy: the build allows no fused multiplication and subtraction.
            const float scaled = static_cast<float>(value) * rules.scale[channel];
            const float shifted = scaled - rules.mean[channel];
            table[channel][value] = shifted / rules.std[channel];
        }
    return table;
}

}  // namespace paddleport
