#include "classify_pictures.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <opencv2/core/utility.hpp>

#include "answers.hpp"
#include "bench.hpp"
#include "console.hpp"
#include "find_pictures.hpp"
#include "ordered_stage.hpp"
#include "paddleport/classifier.hpp"

namespace paddleport {
namespace {

constexpr int kMostStreams = 8;         // each holds the model's intermediate results once more
constexpr int kMostDecodeThreads = 16;  // as `paddleport run`

// A picture that is ready to be fed, or why it is not.
struct Prepared {
    std::string picture;
    Tensor tensor;
    std::string error;
};

Prepared prepared(const Classifier& classifier, std::string picture) {
    try {
        Tensor tensor = classifier.prepare(std::filesystem::u8path(picture));
        return {std::move(picture), std::move(tensor), ""};
    } catch (const PictureError& error) {
        return {std::move(picture), {}, error.what()};
    }
}

Latency latency(Classifier& classifier, const Tensor& tensor, std::size_t runs) {
    std::vector<double> times_ms;
    for (std::size_t run = 0; run < runs; ++run)
        times_ms.push_back(timed_ms([&] { classifier.classify(tensor); }));
    return latency_of(std::move(times_ms));
}

Answer answered(Classifier& classifier, Prepared item, const Arguments& arguments) {
    Answer answer{std::move(item.picture), {}, std::move(item.error), std::nullopt};
    if (!answer.error.empty()) return answer;
    answer.predictions = classifier.classify(item.tensor, arguments.topk);
    if (arguments.repeat > 0) answer.latency = latency(classifier, item.tensor, arguments.repeat);
    return answer;
}

std::string summary(std::size_t pictures, double seconds, int decode_threads, int threads,
                    int streams) {
    std::array<char, 200> text{};
    std::snprintf(text.data(), text.size(),
                  "%zu pictures · %.0f pictures/s · %d decoding threads, %d threads in %d streams",
                  pictures, static_cast<double>(pictures) / seconds, decode_threads, threads,
                  streams);
    return text.data();
}

std::string weights_of(const Bundle& bundle) {
    if (bundle.weights.empty()) return "";
    const bool untrained = bundle.weights == "seeded";
    return " · weights " + bundle.weights + (untrained ? " (untrained: labels mean nothing)" : "");
}

int threads_of(const Arguments& arguments) {
    return arguments.threads > 0 ? arguments.threads : available_threads();
}

}  // namespace

std::unique_ptr<Classifier> open_classifier(const Arguments& arguments, const std::string& bundle,
                                            int streams) {
    ClassifierOptions options;
    options.engine.threads = threads_of(arguments);
    options.engine.streams = streams;
    options.engine.library = arguments.engine_library;
    options.check_digests = arguments.check_digests;
    auto classifier = std::make_unique<Classifier>(bundle, options);
    const std::optional<int> found = classifier->engine().threads();
    const int wanted = options.engine.threads / streams * streams;
    if (found && *found < wanted)
        throw EngineError(std::string(engine_name()) + " was asked for " + std::to_string(wanted) +
                          " threads and has " + std::to_string(*found));
    return classifier;
}

int classify_pictures(const Arguments& arguments, const std::string& bundle) {
    std::vector<std::string> pictures = find_pictures(arguments.names);
    const bool alone = pictures.size() == 1 || arguments.repeat > 0 || arguments.bench > 0;
    const int threads = threads_of(arguments);
    const int streams = alone ? 1 : std::min(threads, kMostStreams);
    int decode_threads = std::min(available_threads(), kMostDecodeThreads);
    if (arguments.decode_threads > 0) decode_threads = arguments.decode_threads;
    if (alone) decode_threads = 1;     // nothing runs beside what is timed
    if (!alone) cv::setNumThreads(1);  // pictures are resized side by side already
    const std::unique_ptr<Classifier> classifier = open_classifier(arguments, bundle, streams);
    check_takes_pictures(classifier->bundle());
    if (arguments.bench > 0) {
        const Tensor tensor = classifier->prepare(std::filesystem::u8path(pictures.front()));
        std::printf("%s\n", bench_overhead(*classifier, tensor, arguments.bench).c_str());
        flush_output();
        return 0;
    }
    const Bundle& description = classifier->bundle();
    AnswerPrinter printer(description.name + weights_of(description) + " · " + engine_name() + " " +
                              description.precision + ", " + std::to_string(threads) + " threads",
                          arguments.json);
    const auto start = std::chrono::steady_clock::now();
    std::size_t taken = 0;
    OrderedStage<std::string, Prepared> decoding(
        [&pictures, &taken]() -> std::optional<std::string> {
            if (taken == pictures.size()) return std::nullopt;
            return std::move(pictures[taken++]);
        },
        [&classifier](std::string picture) { return prepared(*classifier, std::move(picture)); },
        static_cast<std::size_t>(decode_threads), static_cast<std::size_t>(2 * decode_threads + 1));
    OrderedStage<Prepared, Answer> inference(
        [&decoding] { return decoding.next(); },
        [&classifier, &arguments](Prepared item) {
            return answered(*classifier, std::move(item), arguments);
        },
        static_cast<std::size_t>(streams), static_cast<std::size_t>(streams + 1));
    std::size_t read = 0;
    while (const std::optional<Answer> answer = inference.next()) {
        printer.print(*answer);
        if (answer->error.empty()) ++read;
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    const int code = printer.finish();
    if (!alone) print_note(summary(read, passed.count(), decode_threads, threads, streams));
    return code;
}

}  // namespace paddleport
