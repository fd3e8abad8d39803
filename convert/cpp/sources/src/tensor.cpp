#include "paddleport/tensor.hpp"

#include "paddleport/error.hpp"

namespace paddleport {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 62;

std::string found(const Tensor& tensor) {
    return tensor.dtype + " [" + format_shape(tensor.shape) + "]";
}

bool fits(const TensorSpec& spec, const Tensor& tensor) {
    if (spec.shape.size() != tensor.shape.size()) return false;
    for (std::size_t axis = 0; axis < spec.shape.size(); ++axis)
        if (spec.shape[axis] >= 0 && spec.shape[axis] != tensor.shape[axis]) return false;
    return tensor.shape.empty() || tensor.shape.front() != 0;
}

}  // namespace

std::size_t item_bytes(const std::string& dtype) {
    if (dtype == "float64" || dtype == "int64" || dtype == "uint64") return 8;
    if (dtype == "float32" || dtype == "int32" || dtype == "uint32") return 4;
    if (dtype == "float16" || dtype == "bfloat16" || dtype == "int16" || dtype == "uint16")
        return 2;
    if (dtype == "int8" || dtype == "uint8" || dtype == "bool") return 1;
    return 0;
}

std::size_t tensor_bytes(const std::string& dtype, const std::vector<std::int64_t>& shape) {
    std::size_t bytes = item_bytes(dtype);
    if (bytes == 0) throw FeedError("tensors of " + dtype + " are not known");
    bool empty = false;
    for (const std::int64_t side : shape) {
        if (side < 0) throw FeedError("a tensor of [" + format_shape(shape) + "] cannot be");
        if (side == 0) {
            empty = true;
        } else if (bytes > kMostBytes / static_cast<std::size_t>(side)) {
            throw FeedError("a tensor of [" + format_shape(shape) + "] is too large");
        } else {
            bytes *= static_cast<std::size_t>(side);
        }
    }
    return empty ? 0 : bytes;
}

Tensor Tensor::zeros(const std::string& dtype, const std::vector<std::int64_t>& shape) {
    return {dtype, shape, std::vector<std::byte>(tensor_bytes(dtype, shape))};
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t side : shape) {
        if (!text.empty()) text += ", ";
        text += side == -1 ? "?" : std::to_string(side);
    }
    return text;
}

std::string describe(const TensorSpec& spec) {
    return spec.name + " " + spec.dtype + " [" + format_shape(spec.shape) + "]";
}

void check_feed(const std::vector<TensorSpec>& inputs, const Feed& feed) {
    if (feed.size() != inputs.size())
        throw FeedError("the feed has " + std::to_string(feed.size()) +
                        " tensors, the model takes " + std::to_string(inputs.size()));
    for (std::size_t place = 0; place < inputs.size(); ++place) {
        const TensorSpec& spec = inputs[place];
        const Tensor& tensor = *feed[place];
        if (!fits(spec, tensor) || tensor.dtype != spec.dtype)
            throw FeedError("input " + spec.name + " got " + found(tensor) + ", the model takes " +
                            describe(spec));
        if (tensor.data.size() != tensor_bytes(tensor.dtype, tensor.shape))
            throw FeedError("input " + spec.name + " got " + std::to_string(tensor.data.size()) +
                            " bytes for " + found(tensor));
    }
}

}  // namespace paddleport
