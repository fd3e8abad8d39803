#include "bench.hpp"

#include <algorithm>

#include "console.hpp"
#include "latency.hpp"

namespace paddleport {

std::string bench_overhead(Classifier& classifier, const Tensor& tensor, std::size_t rounds) {
    const std::function<void()> bare = classifier.engine().bare_call({&tensor});
    const std::function<void()> whole = [&] { classifier.classify(tensor); };
    for (std::size_t round = 0; round < std::max<std::size_t>(5, rounds / 10); ++round) {
        bare();
        whole();
    }
    std::vector<double> bare_ms, whole_ms;
    for (std::size_t round = 0; round < rounds; ++round) {
        const bool bare_first = round % 2 == 0;  // whoever comes second finds other caches
        if (bare_first) bare_ms.push_back(timed_ms(bare));
        whole_ms.push_back(timed_ms(whole));
        if (!bare_first) bare_ms.push_back(timed_ms(bare));
    }
    const Latency one = latency_of(bare_ms);
    const Latency other = latency_of(whole_ms);
    const std::optional<int> threads = classifier.engine().threads();
    return "{\"engine\": " + json_text(engine_name()) +
           ", \"engine_version\": " + json_text(classifier.engine().version()) +
           ", \"threads\": " + (threads ? std::to_string(*threads) : "null") +
           ", \"bare_ms\": " + as_json(one) + ", \"classifier_ms\": " + as_json(other) +
           ", \"ratio\": " + json_number(other.median_ms / one.median_ms) + "}";
}

}  // namespace paddleport
