// Requests on one stream, answers on another: JSON lines with raw tensors behind them.
//
// A request is a line {"do": NAME, "arrays": [[dtype, shape, bytes], ...], ...}, then the arrays'
// little-endian bytes; an answer is a line {"from": "paddleport", "arrays": [...], ...} and bytes,
// or one with "error". NAME is describe, run, prepare or classify.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "paddleport/classifier.hpp"
#include "paddleport/tensor.hpp"

namespace paddleport {

// What answers; whatever it throws is answered as an error.
class PipeModel {
  public:
    PipeModel() = default;
    PipeModel(const PipeModel&) = delete;
    PipeModel& operator=(const PipeModel&) = delete;
    virtual ~PipeModel() = default;

    virtual nlohmann::ordered_json describe() = 0;
    virtual std::vector<Tensor> run(const std::vector<Tensor>& feed) = 0;
    virtual Tensor prepare(const std::string& picture) = 0;
    virtual std::pair<std::vector<Tensor>, std::vector<Prediction>> classify(
        const std::string& picture, std::size_t topk) = 0;
};

// Answer until the input ends: 0. A request after which nobody knows where the next one begins is
// answered with an error, and ends it: 2. So does an output that takes no more.
int serve_pipe(std::FILE* in, std::FILE* out, PipeModel& model);

}  // namespace paddleport
