// OpenVINO's CPU plug-in, in the precision that the bundle says.
//
// Left alone, it computes in bf16 where the CPU can. The settings are those of paddleport's Python.

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <openvino/openvino.hpp>

#include "one_line.hpp"
#include "paddleport/engine.hpp"
#include "paddleport/error.hpp"

namespace paddleport {
namespace {

constexpr char kDevice[] = "CPU";
constexpr char kResultSuffix[] = "/sink_port_0";  // what its ONNX reader adds to an output's name

const std::map<std::string, ov::element::Type>& hints() {
    static const std::map<std::string, ov::element::Type> known = {
        {"fp32", ov::element::f32},
        {"bf16", ov::element::bf16},
        {"int8", ov::element::f32},  // what is quantised in the file is in int8 under any hint
    };
    return known;
}

const std::map<std::string, ov::element::Type>& dtypes() {
    static const std::map<std::string, ov::element::Type> known = {
        {"float64", ov::element::f64},  {"float32", ov::element::f32},
        {"float16", ov::element::f16},  {"bfloat16", ov::element::bf16},
        {"int64", ov::element::i64},    {"int32", ov::element::i32},
        {"int16", ov::element::i16},    {"int8", ov::element::i8},
        {"uint64", ov::element::u64},   {"uint32", ov::element::u32},
        {"uint16", ov::element::u16},   {"uint8", ov::element::u8},
        {"bool", ov::element::boolean},
    };
    return known;
}

std::string dtype_of(const ov::element::Type& type) {
    for (const auto& [name, known] : dtypes())
        if (known == type) return name;
    throw ModelError("openvino gives tensors of " + type.get_type_name() + ", which are not known");
}

TensorSpec spec_of(const ov::Output<const ov::Node>& port) {
    // a port that a node was folded into has several names; its node has the file's
    std::string name = port.get_node()->get_friendly_name();
    const std::string suffix = kResultSuffix;
    if (name.size() > suffix.size() &&
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
        name.resize(name.size() - suffix.size());
    if (port.get_names().count(name) == 0) name = port.get_any_name();
    TensorSpec spec{name, dtype_of(port.get_element_type()), {}};
    const ov::PartialShape& shape = port.get_partial_shape();
    if (shape.rank().is_static())
        for (const ov::Dimension& side : shape)
            spec.shape.push_back(side.is_dynamic() ? -1 : side.get_length());
    return spec;
}

std::vector<TensorSpec> specs_of(const std::vector<ov::Output<const ov::Node>>& ports) {
    std::vector<TensorSpec> specs;
    for (const auto& port : ports) specs.push_back(spec_of(port));
    return specs;
}

// On the feed's own memory, which OpenVINO only reads.
ov::Tensor shared(const Tensor& tensor) {
    const ov::Shape shape(tensor.shape.begin(), tensor.shape.end());
    return {dtypes().at(tensor.dtype), shape, const_cast<std::byte*>(tensor.data.data())};
}

Tensor copied(const ov::Tensor& tensor) {
    const ov::Shape& sides = tensor.get_shape();
    Tensor copy = Tensor::zeros(dtype_of(tensor.get_element_type()), {sides.begin(), sides.end()});
    if (!copy.data.empty()) std::memcpy(copy.data.data(), tensor.data(), copy.data.size());
    return copy;
}

// A network that is compiled for some shapes, and its idle requests.
class Compiled {
  public:
    explicit Compiled(ov::CompiledModel model) : model_(std::move(model)) {
        requests_.push_back(model_.create_infer_request());
    }

    ov::CompiledModel& model() { return model_; }

    ov::InferRequest take() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (requests_.empty()) return model_.create_infer_request();
        ov::InferRequest request = std::move(requests_.back());
        requests_.pop_back();
        return request;
    }

    void give_back(ov::InferRequest request) {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(std::move(request));
    }

  private:
    ov::CompiledModel model_;
    std::mutex mutex_;
    std::vector<ov::InferRequest> requests_;
};

class OpenVinoEngine : public Engine {
  public:
    OpenVinoEngine(const Bundle& bundle, const EngineOptions& options)
        : options_(options),
          precision_(bundle.precision),
          path_((bundle.folder / bundle.model_file).string()) {
        if (options_.threads == 0) options_.threads = available_threads();
        check_precision();
        try {
            const std::shared_ptr<ov::Model> network = core_.read_model(path_);
            inputs_ = specs_of(std::as_const(*network).inputs());
            outputs_ = specs_of(std::as_const(*network).outputs());
            const bool one_size = takes_pictures_of_one_size(*network);
            if (one_size) network->reshape(as_shape(options_.picture_shape));
            (one_size ? for_pictures_ : for_all_) = compile(network);
        } catch (const ov::Exception& error) {
            throw ModelError("openvino does not take this model: " + one_line(error.what()));
        }
    }

    std::string version() const override { return ov::get_openvino_version().buildNumber; }

    std::optional<int> threads() const override {
        return static_cast<int>(loaded().model().get_property(ov::inference_num_threads));
    }

    const std::vector<TensorSpec>& inputs() const override { return inputs_; }
    const std::vector<TensorSpec>& outputs() const override { return outputs_; }

    std::vector<Tensor> run(const Feed& feed) override {
        try {
            Compiled& compiled = compiled_for(feed);
            ov::InferRequest request = compiled.take();
            give(request, feed);
            request.infer();
            std::vector<Tensor> outputs;
            outputs.reserve(outputs_.size());
            for (std::size_t place = 0; place < outputs_.size(); ++place)
                outputs.push_back(copied(request.get_output_tensor(place)));
            compiled.give_back(std::move(request));
            return outputs;
        } catch (const ov::Exception& error) {
            throw FeedError("openvino can't compute this feed: " + one_line(error.what()));
        }
    }

    std::function<void()> bare_call(const Feed& feed) override {
        ov::InferRequest request = compiled_for(feed).model().create_infer_request();
        give(request, feed);
        return [request]() mutable { request.infer(); };
    }

  private:
    void check_precision() {
        if (hints().count(precision_) == 0)
            throw EngineError("openvino does not compute in " + precision_ +
                              " on a CPU, only bf16, fp32, int8");
        if (precision_ != "bf16") return;
        const auto known = core_.get_property(kDevice, ov::device::capabilities);
        if (std::find(known.begin(), known.end(), "BF16") == known.end())
            throw EngineError("openvino does not compute in bf16 on this CPU");
    }

    // Whether compiling for the one shape that pictures have gains anything.
    bool takes_pictures_of_one_size(const ov::Model& network) const {
        const auto inputs = network.inputs();
        return !options_.picture_shape.empty() && inputs.size() == 1 &&
               inputs[0].get_partial_shape().is_dynamic() &&
               inputs[0].get_partial_shape().compatible(as_shape(options_.picture_shape));
    }

    static ov::PartialShape as_shape(const std::vector<std::int64_t>& sides) {
        return ov::PartialShape(std::vector<ov::Dimension>(sides.begin(), sides.end()));
    }

    std::unique_ptr<Compiled> compile(const std::shared_ptr<ov::Model>& network) {
        const bool several = options_.streams > 1;
        ov::CompiledModel model = core_.compile_model(
            network, kDevice, ov::hint::inference_precision(hints().at(precision_)),
            ov::inference_num_threads(options_.threads), ov::num_streams(options_.streams),
            ov::hint::performance_mode(several ? ov::hint::PerformanceMode::THROUGHPUT
                                               : ov::hint::PerformanceMode::LATENCY));
        check_compiled(model);
        return std::make_unique<Compiled>(std::move(model));
    }

    // Hold what the plug-in took against what it was given.
    void check_compiled(const ov::CompiledModel& model) const {
        const auto devices = model.get_property(ov::execution_devices);
        if (devices.size() != 1 || devices[0] != kDevice)
            throw EngineError("openvino was asked for CPU and took another device");
        const ov::element::Type taken = model.get_property(ov::hint::inference_precision);
        if (taken != hints().at(precision_))
            throw EngineError("openvino was asked for " + precision_ + " and computes in " +
                              taken.get_type_name());
        const int threads = model.get_property(ov::inference_num_threads);
        if (threads != options_.threads)
            throw EngineError("openvino was asked for " + std::to_string(options_.threads) +
                              " threads and took " + std::to_string(threads) + ": try --threads " +
                              std::to_string(threads));
        const int streams = model.get_property(ov::num_streams);
        if (streams != options_.streams)
            throw EngineError("openvino was asked for " + std::to_string(options_.streams) +
                              " streams and took " + std::to_string(streams));
    }

    Compiled& loaded() const { return for_pictures_ ? *for_pictures_ : *for_all_; }

    // The one for pictures, or else one for every shape, which is compiled when it is first needed.
    Compiled& compiled_for(const Feed& feed) {
        if (for_pictures_ && feed[0]->shape == options_.picture_shape) return *for_pictures_;
        const std::lock_guard<std::mutex> lock(compiling_);
        if (!for_all_) for_all_ = compile(core_.read_model(path_));
        return *for_all_;
    }

    static void give(ov::InferRequest& request, const Feed& feed) {
        for (std::size_t place = 0; place < feed.size(); ++place)
            request.set_input_tensor(place, shared(*feed[place]));
    }

    EngineOptions options_;
    std::string precision_;
    std::string path_;
    ov::Core core_;
    std::mutex compiling_;
    std::unique_ptr<Compiled> for_pictures_;
    std::unique_ptr<Compiled> for_all_;
    std::vector<TensorSpec> inputs_;
    std::vector<TensorSpec> outputs_;
};

}  // namespace

const char* engine_name() {
    return "openvino";
}

std::unique_ptr<Engine> load_engine(const Bundle& bundle, const EngineOptions& options) {
    if (!options.library.empty())
        throw UsageError("--engine-library is ONNX Runtime's: this program is built with OpenVINO");
    try {
        return std::make_unique<OpenVinoEngine>(bundle, options);
    } catch (const ov::Exception& error) {
        throw EngineError("openvino does not start: " + one_line(error.what()));
    }
}

}  // namespace paddleport
