// How much time the classifier adds to its engine.
#pragma once

#include <cstddef>
#include <string>

#include "paddleport/classifier.hpp"

namespace paddleport {

// Time the engine's bare call and the classifier's on one tensor, in turns in one process, and give
// the times as JSON: both latencies in ms, and the ratio of their medians.
std::string bench_overhead(Classifier& classifier, const Tensor& tensor, std::size_t rounds);

}  // namespace paddleport
