// Tensors, what a model takes and gives, and the check between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace paddleport {

// The name, NumPy's dtype name and the shape of one input or output; -1 is a free dimension.
struct TensorSpec {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
};

// Dense values in row-major order, in this machine's byte order.
struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> data;

    // Zeros. Throws FeedError: an unknown dtype, or a shape that no memory holds.
    static Tensor zeros(const std::string& dtype, const std::vector<std::int64_t>& shape);

    template <typename Value>
    Value* values() {
        return reinterpret_cast<Value*>(data.data());
    }
    template <typename Value>
    const Value* values() const {
        return reinterpret_cast<const Value*>(data.data());
    }
};

// The inputs' tensors in their order, which live elsewhere: nothing is copied on the way in.
using Feed = std::vector<const Tensor*>;

// Bytes of one value by NumPy's dtype name; 0 for an unknown one.
std::size_t item_bytes(const std::string& dtype);

// Bytes of a tensor. Throws FeedError: an unknown dtype, a negative size, or more than 2^62.
std::size_t tensor_bytes(const std::string& dtype, const std::vector<std::int64_t>& shape);

// {-1, 3, 224, 224} as "?, 3, 224, 224".
std::string format_shape(const std::vector<std::int64_t>& shape);

// "x float32 [?, 3, 224, 224]".
std::string describe(const TensorSpec& spec);

// Throws FeedError: not as many tensors as inputs, or one that its input does not take.
void check_feed(const std::vector<TensorSpec>& inputs, const Feed& feed);

}  // namespace paddleport
