// paddleport-classify: every way that it ends is an exit code and at most one line.

#include <cstdlib>
#include <memory>
#include <new>
#include <opencv2/core/utility.hpp>
#include <system_error>

#include "arguments.hpp"
#include "classify_pictures.hpp"
#include "console.hpp"
#include "default_bundle.hpp"
#include "paddleport/classifier.hpp"
#include "pipe.hpp"

namespace paddleport {
namespace {

constexpr int kNoAnswer = 2;
constexpr int kFault = 70;  // EX_SOFTWARE of sysexits.h, as paddleport's

using Json = nlohmann::ordered_json;

Json as_json(const std::vector<TensorSpec>& specs) {
    Json list = Json::array();
    for (const TensorSpec& spec : specs)
        list.push_back({{"name", spec.name}, {"dtype", spec.dtype}, {"shape", spec.shape}});
    return list;
}

// The bundle is read, and its model loaded, when something first needs them, so that what is wrong
// with them is an answer.
class BundleOnPipe : public PipeModel {
  public:
    BundleOnPipe(Arguments arguments, std::string folder)
        : arguments_(std::move(arguments)), folder_(std::move(folder)) {}

    Json describe() override {
        Engine& engine = classifier().engine();
        const std::optional<int> threads = engine.threads();
        return {{"engine", engine_name()},
                {"engine_version", engine.version()},
                {"opencv", cv::getVersionString()},
                {"compiler", PADDLEPORT_COMPILER},
                {"threads", threads ? Json(*threads) : Json()},
                {"inputs", as_json(engine.inputs())},
                {"outputs", as_json(engine.outputs())}};
    }

    std::vector<Tensor> run(const std::vector<Tensor>& feed) override {
        Feed tensors;
        for (const Tensor& tensor : feed) tensors.push_back(&tensor);
        return classifier().run(tensors);
    }

    Tensor prepare(const std::string& picture) override {
        if (!bundle_) bundle_ = read_bundle(std::filesystem::u8path(folder_));
        return prepare_file_for(*bundle_, picture);
    }

    std::pair<std::vector<Tensor>, std::vector<Prediction>> classify(const std::string& picture,
                                                                     std::size_t topk) override {
        const Tensor tensor = prepare(picture);
        std::vector<Tensor> outputs = classifier().run({&tensor});
        std::vector<Prediction> predictions = classifier().answer(outputs, topk);
        return {std::move(outputs), std::move(predictions)};
    }

  private:
    Classifier& classifier() {
        if (!classifier_) classifier_ = open_classifier(arguments_, folder_, 1);
        return *classifier_;
    }

    Arguments arguments_;
    std::string folder_;
    std::optional<Bundle> bundle_;
    std::unique_ptr<Classifier> classifier_;
};

int run(const std::vector<std::string>& words) {
    const Arguments arguments = read_arguments(words);
    if (arguments.help || arguments.version) {
        const std::string version = std::string("paddleport-classify · ") + engine_name() +
                                    " · OpenCV " + cv::getVersionString() + " · " +
                                    PADDLEPORT_COMPILER + "\n";
        std::fputs(arguments.help ? kHelp : version.c_str(), stdout);
        flush_output();
        return 0;
    }
    const std::string bundle = arguments.bundle.empty() ? default_bundle() : arguments.bundle;
    if (arguments.pipe) {
        if (!arguments.names.empty()) throw UsageError("--pipe takes no pictures");
        BundleOnPipe model(arguments, bundle);
        return serve_pipe(stdin, take_standard_output(), model);
    }
    if (arguments.names.empty()) throw UsageError("name a picture or a folder: try --help");
    return classify_pictures(arguments, bundle);
}

int own_fault(const std::exception& error) {
    print_error(std::string("a fault of paddleport's own: ") + error.what());
    return kFault;
}

int guarded(const std::vector<std::string>& words) {
    try {
        return run(words);
    } catch (const Error& error) {
        print_error(error.what());
    } catch (const std::bad_alloc&) {
        print_error("out of memory: this machine has too little for that");
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::resource_unavailable_try_again) return own_fault(error);
        print_error("this machine does not start so many threads: try --threads 1");
    } catch (const std::exception& error) {
        return own_fault(error);
    }
    return kNoAnswer;
}

}  // namespace
}  // namespace paddleport

int main(int count, char** words) {
    const int code = paddleport::guarded({words + (count > 0 ? 1 : 0), words + count});
    std::fflush(stdout);
    return code;
}
