#include "paddleport/classifier.hpp"

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace paddleport {
namespace {

// Whether the input takes 8-bit pictures, [N, height, width, 3], and normalises them itself.
bool takes_pixels(const TensorSpec& spec) {
    return spec.dtype == "uint8" && spec.shape.size() == 4 && spec.shape[3] == 3;
}

const Preprocess& rules_of(const Bundle& bundle) {
    if (!bundle.preprocess) throw UsageError(bundle.name + " does not say how pictures are fed");
    return *bundle.preprocess;
}

const TensorSpec& picture_input(const std::vector<TensorSpec>& inputs,
                                const std::vector<TensorSpec>& outputs) {
    if (inputs.size() != 1 || inputs[0].shape.size() != 4 || outputs.size() != 1)
        throw UsageError("this model is no image classifier (one 4-D input, one output)");
    if (inputs[0].shape[0] != -1 && inputs[0].shape[0] != 1)
        throw UsageError("the model takes batches of " + std::to_string(inputs[0].shape[0]) + " (" +
                         describe(inputs[0]) + "), and one picture is fed at a time");
    return inputs[0];
}

// The shape of every picture's tensor, or nothing where that depends on the picture.
std::vector<std::int64_t> picture_shape(const Bundle& bundle) {
    if (!bundle.preprocess || bundle.inputs.size() != 1) return {};
    const Preprocess& rules = *bundle.preprocess;
    const std::optional<Size> size = rules.crop ? rules.crop : rules.resize;
    if (!size) return {};
    if (takes_pixels(bundle.inputs[0])) return {1, size->height, size->width, 3};
    return {1, rules.channel_num, size->height, size->width};
}

EngineOptions for_pictures(const Bundle& bundle, EngineOptions options) {
    if (options.picture_shape.empty()) options.picture_shape = picture_shape(bundle);
    return options;
}

}  // namespace

void check_takes_pictures(const Bundle& bundle) {
    rules_of(bundle);
    picture_input(bundle.inputs, bundle.outputs);
}

Tensor prepare_for(const Bundle& bundle, const cv::Mat& bgr, const std::string& name) {
    const Preprocess& rules = rules_of(bundle);
    const bool pixels = takes_pixels(picture_input(bundle.inputs, bundle.outputs));
    const auto prepare = pixels ? prepare_pixels : prepare_picture;
    return prepare(bgr, rules, name, bundle.limits);
}

Tensor prepare_file_for(const Bundle& bundle, const std::string& path) {
    check_takes_pictures(bundle);
    const std::vector<unsigned char> data = read_picture_file(path, bundle.limits);
    return prepare_for(bundle, decode_picture(data, path, bundle.limits), path);
}

Classifier::Classifier(const std::filesystem::path& folder, const ClassifierOptions& options)
    : bundle_(read_bundle(folder)) {
    if (options.check_digests) check_digests(bundle_);
    engine_ = load_engine(bundle_, for_pictures(bundle_, options.engine));
#ifdef __GLIBC__
    malloc_trim(0);  // what the engine took and freed while it loaded: tens of MB
#endif
}

std::vector<Prediction> Classifier::classify(const cv::Mat& bgr, std::size_t k) {
    return classify(prepare(bgr), k);
}

std::vector<Prediction> Classifier::classify(const std::filesystem::path& picture, std::size_t k) {
    return classify(prepare(picture), k);
}

std::vector<Prediction> Classifier::classify(const Tensor& tensor, std::size_t k) {
    return answer(run({&tensor}), k);
}

Tensor Classifier::prepare(const cv::Mat& bgr, const std::string& name) const {
    return prepare_for(bundle_, bgr, name);
}

Tensor Classifier::prepare(const std::filesystem::path& picture) const {
    return prepare_file_for(bundle_, picture.u8string());
}

std::vector<Tensor> Classifier::run(const Feed& feed) {
    check_feed(engine_->inputs(), feed);
    return engine_->run(feed);
}

std::vector<Prediction> Classifier::answer(const std::vector<Tensor>& outputs,
                                           std::size_t k) const {
    picture_input(engine_->inputs(), engine_->outputs());
    return top_k(outputs.at(0), k, bundle_.labels);
}

}  // namespace paddleport
