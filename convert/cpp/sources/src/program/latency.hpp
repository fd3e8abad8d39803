// How long something takes: the median and the middle half of several times.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace paddleport {

struct Latency {
    double median_ms;
    double low_ms;   // a quarter took less
    double high_ms;  // a quarter took longer
    std::size_t runs;
};

// Milliseconds that one call took.
double timed_ms(const std::function<void()>& call);

// Of at least one time; quartiles lie between two times as NumPy's percentile has them.
Latency latency_of(std::vector<double> times_ms);

// "median 5.12 ms, middle half 5.01 to 5.30 ms, 100 runs".
std::string in_words(const Latency& latency);

std::string as_json(const Latency& latency);

}  // namespace paddleport
