#include <algorithm>
#include <cmath>
#include <numeric>

#include "paddleport/classifier.hpp"

namespace paddleport {
namespace {

constexpr double kDecimals = 1e5;  // PaddleClas's Topk rounds scores to 5 decimals

template <typename Value>
std::vector<double> as_doubles(const Tensor& tensor) {
    const auto count = tensor.data.size() / sizeof(Value);
    return {tensor.values<Value>(), tensor.values<Value>() + count};
}

std::vector<double> exact(const Tensor& scores) {
    if (scores.dtype == "float32") return as_doubles<float>(scores);
    if (scores.dtype == "float64") return as_doubles<double>(scores);
    throw OutputError("the model gives scores of " + scores.dtype + ", not float32 or float64");
}

}  // namespace

std::vector<Prediction> top_k(const Tensor& scores, std::size_t k,
                              const std::optional<std::vector<std::string>>& labels) {
    if (k < 1) throw UsageError("--topk 0 is not possible: 1 or more");
    if (scores.shape.size() != 2 || scores.shape[0] != 1 || scores.shape[1] < 1)
        throw OutputError("the model gives [" + format_shape(scores.shape) +
                          "], not (1, classes): it is no classifier");
    const std::vector<double> values = exact(scores);
    if (labels && labels->size() != values.size())
        throw ModelError("the model gives " + std::to_string(values.size()) + " scores and has " +
                         std::to_string(labels->size()) + " labels");
    if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
        throw OutputError("the model's scores hold NaN or infinity for picture 1");
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t count = std::min(k, order.size());
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(order.begin(), end, order.end(), [&values](std::size_t a, std::size_t b) {
        return values[a] > values[b] || (values[a] == values[b] && a < b);
    });
    std::vector<Prediction> found;
    found.reserve(count);
    for (auto index = order.begin(); index != end; ++index) {
        const double score = std::nearbyint(values[*index] * kDecimals) / kDecimals;
        const auto label = labels ? std::optional((*labels)[*index]) : std::nullopt;
        found.push_back({*index, label, score});
    }
    return found;
}

}  // namespace paddleport
