#include "latency.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "console.hpp"

namespace paddleport {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

double timed_ms(const std::function<void()>& call) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    return taken.count();
}

Latency latency_of(std::vector<double> times_ms) {
    std::sort(times_ms.begin(), times_ms.end());
    return {quantile(times_ms, 0.5), quantile(times_ms, 0.25), quantile(times_ms, 0.75),
            times_ms.size()};
}

std::string in_words(const Latency& latency) {
    std::array<char, 160> text{};
    std::snprintf(text.data(), text.size(), "median %.3g ms, middle half %.3g to %.3g ms, %zu runs",
                  latency.median_ms, latency.low_ms, latency.high_ms, latency.runs);
    return text.data();
}

std::string as_json(const Latency& latency) {
    const auto to_the_nanosecond = [](double ms) {
        return json_number(std::nearbyint(ms * 1e6) / 1e6);
    };
    return "{\"median\": " + to_the_nanosecond(latency.median_ms) +
           ", \"low\": " + to_the_nanosecond(latency.low_ms) +
           ", \"high\": " + to_the_nanosecond(latency.high_ms) +
           ", \"runs\": " + std::to_string(latency.runs) + "}";
}

}  // namespace paddleport
