// ONNX Runtime on the CPU, through its C API, from a library that is loaded at run time.
//
// The settings are those of paddleport's Python. One way in for the released C++ package and for
// the Python wheel, which has the library and no headers.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "one_line.hpp"
#include "onnxruntime_api.hpp"
#include "paddleport/engine.hpp"
#include "paddleport/error.hpp"
#include "shared_library.hpp"
#include "threads.hpp"

namespace paddleport {
namespace {

constexpr char kVariable[] = "PADDLEPORT_ONNXRUNTIME_LIBRARY";
constexpr const char* kUsualName = "libonnxruntime.so.1";

struct NamedType {
    const char* name;
    ort::ElementType type;
};
constexpr NamedType kTypes[] = {
    {"float32", ort::kFloat},     {"float64", ort::kDouble}, {"float16", ort::kFloat16},
    {"bfloat16", ort::kBfloat16}, {"int64", ort::kInt64},    {"int32", ort::kInt32},
    {"int16", ort::kInt16},       {"int8", ort::kInt8},      {"uint64", ort::kUint64},
    {"uint32", ort::kUint32},     {"uint16", ort::kUint16},  {"uint8", ort::kUint8},
    {"bool", ort::kBool},
};

std::string dtype_of(ort::ElementType type) {
    for (const NamedType& known : kTypes)
        if (known.type == type) return known.name;
    throw ModelError("onnxruntime has tensors of type " + std::to_string(type) +
                     ", which are not known");
}

ort::ElementType type_of(const std::string& dtype) {
    for (const NamedType& known : kTypes)
        if (dtype == known.name) return known.type;
    throw FeedError("tensors of " + dtype + " are not known");
}

std::string library_of(const EngineOptions& options) {
    if (!options.library.empty()) return options.library;
    const char* variable = std::getenv(kVariable);
    if (variable != nullptr && *variable != '\0') return variable;
    const std::string built_with = PADDLEPORT_ONNXRUNTIME_LIBRARY;
    return built_with.empty() ? kUsualName : built_with;
}

// Whether a version such as "1.32.0" has the table that is asked for.
bool is_new_enough(const std::string& version) {
    char* rest = nullptr;
    const long major = std::strtol(version.c_str(), &rest, 10);
    const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
    return major == 1 && minor >= static_cast<long>(ort::kApiVersion);
}

struct Library {
    const ort::Api* api;
    std::string version;
};

Library load(const EngineOptions& options) {
    const std::string path = library_of(options);
    const std::string how = std::string(": name the library with --engine-library, or in ") +
                            kVariable + ", or build with -DONNXRUNTIME_LIBRARY=";
    std::string reason;
    void* library = load_library(path, reason);
    if (library == nullptr)
        throw EngineError("onnxruntime can't be loaded: " + single_spaced(reason) + how);
    using GetBase = const ort::ApiBase*(PADDLEPORT_ORT_CALL*)();
    const auto get_base = reinterpret_cast<GetBase>(find_symbol(library, "OrtGetApiBase"));
    if (get_base == nullptr) throw EngineError(path + " is no ONNX Runtime" + how);
    const std::string version = get_base()->get_version_string();
    const std::string wanted = "1." + std::to_string(ort::kApiVersion) + " or newer, below 2";
    if (!is_new_enough(version))
        throw EngineError(path + " is ONNX Runtime " + version + ", and " + wanted + " is needed");
    const ort::Api* api = get_base()->get_api(ort::kApiVersion);
    if (api == nullptr)
        throw EngineError(path + " is ONNX Runtime " + version + " without the C API of 1." +
                          std::to_string(ort::kApiVersion));
    return {api, version};
}

template <typename Object>
using Owned = std::unique_ptr<Object, ort::Release<Object>>;

class OnnxRuntimeEngine : public Engine {
  public:
    OnnxRuntimeEngine(const Bundle& bundle, EngineOptions options)
        : library_(load(options)), api_(*library_.api) {
        if (options.threads == 0) options.threads = available_threads();
        const std::filesystem::path model = bundle.folder / bundle.model_file;
        if (model.extension() != ".onnx")
            throw ModelError("onnxruntime loads .onnx files, and " + model.string() +
                             " is another");
        env_ = made<ort::Env>(api_.release_env, [this](ort::Env** env) {
            return api_.create_env(ort::kFatal, "paddleport", env);
        });
        check<EngineError>(api_.disable_telemetry_events(env_.get()), "does not start");
        start(model, options);
        inputs_ = specs(api_.session_get_input_count, api_.session_get_input_name,
                        api_.session_get_input_type_info);
        outputs_ = specs(api_.session_get_output_count, api_.session_get_output_name,
                         api_.session_get_output_type_info);
        for (const TensorSpec& spec : inputs_) input_names_.push_back(spec.name.c_str());
        for (const TensorSpec& spec : outputs_) output_names_.push_back(spec.name.c_str());
        memory_ = made<ort::MemoryInfo>(api_.release_memory_info, [this](ort::MemoryInfo** info) {
            return api_.create_cpu_memory_info(ort::kDeviceAllocator, ort::kDefaultMemory, info);
        });
    }

    std::string version() const override { return library_.version; }
    std::optional<int> threads() const override { return threads_; }
    const std::vector<TensorSpec>& inputs() const override { return inputs_; }
    const std::vector<TensorSpec>& outputs() const override { return outputs_; }

    std::vector<Tensor> run(const Feed& feed) override {
        const std::vector<Owned<ort::Value>> values = shared(feed);
        std::vector<Tensor> outputs;
        outputs.reserve(outputs_.size());
        for (const Owned<ort::Value>& value : called(pointers(values)))
            outputs.push_back(copied(value.get()));
        return outputs;
    }

    std::function<void()> bare_call(const Feed& feed) override {
        const auto values = std::make_shared<const std::vector<Owned<ort::Value>>>(shared(feed));
        const std::vector<const ort::Value*> inputs = pointers(*values);
        return [this, values, inputs] { called(inputs); };
    }

  private:
    template <typename Failure>
    void check(ort::Status* status, const char* what) const {
        if (status == nullptr) return;
        const std::string message = api_.get_error_message(status);
        api_.release_status(status);
        throw Failure(std::string("onnxruntime ") + what + ": " + one_line(message));
    }

    template <typename Object, typename Create, typename Failure = EngineError>
    Owned<Object> made(ort::Release<Object> release, const Create& create,
                       const char* what = "does not start") const {
        Object* object = nullptr;
        check<Failure>(create(&object), what);
        return {object, release};
    }

    // What is read from a session that stands does not fail.
    void read(ort::Status* status) const { check<ModelError>(status, "does not say what it has"); }

    void start(const std::filesystem::path& model, const EngineOptions& options) {
        const auto settings = made<ort::SessionOptions>(
            api_.release_session_options,
            [this](ort::SessionOptions** made) { return api_.create_session_options(made); });
        const auto set = [this](ort::Status* status) {
            check<EngineError>(status, "does not start");
        };
        set(api_.set_intra_op_num_threads(settings.get(), options.threads / options.streams));
        set(api_.set_inter_op_num_threads(settings.get(), 1));
        if (options.streams > 1)  // a thread that spins takes a CPU from another stream
            set(api_.add_session_config_entry(settings.get(), "session.intra_op.allow_spinning",
                                              "0"));
        set(api_.set_session_graph_optimization_level(settings.get(), ort::kOptimizeAll));
        set(api_.set_session_log_severity_level(settings.get(), ort::kFatal));
        const std::optional<int> before = running_threads();
        ort::Session* session = nullptr;
        check<ModelError>(api_.create_session(env_.get(), model.c_str(), settings.get(), &session),
                          "does not take this model");
        session_ = {session, api_.release_session};
        // The C API does not say how many threads a session has: those that came with it, and ours.
        const std::optional<int> after = running_threads();
        if (before && after) threads_ = (*after - *before + 1) * options.streams;
    }

    template <typename Count, typename Name, typename Info>
    std::vector<TensorSpec> specs(Count count_of, Name name_of, Info info_of) const {
        std::size_t count = 0;
        read(count_of(session_.get(), &count));
        ort::Allocator* allocator = nullptr;
        read(api_.get_allocator_with_default_options(&allocator));
        std::vector<TensorSpec> found;
        for (std::size_t place = 0; place < count; ++place) {
            char* name = nullptr;
            read(name_of(session_.get(), place, allocator, &name));
            TensorSpec spec{name, "", {}};
            read(api_.allocator_free(allocator, name));
            const auto info = made<ort::TypeInfo>(api_.release_type_info,
                                                  [this, &info_of, place](ort::TypeInfo** type) {
                                                      return info_of(session_.get(), place, type);
                                                  });
            const ort::TensorInfo* tensor = nullptr;
            read(api_.cast_type_info_to_tensor_info(info.get(), &tensor));
            if (tensor == nullptr)
                throw ModelError(spec.name + " is no tensor; only tensors are supported");
            describe_tensor(tensor, spec.dtype, spec.shape);
            for (std::int64_t& side : spec.shape) side = std::max<std::int64_t>(side, -1);
            found.push_back(std::move(spec));
        }
        return found;
    }

    void describe_tensor(const ort::TensorInfo* info, std::string& dtype,
                         std::vector<std::int64_t>& shape) const {
        ort::ElementType type{};
        read(api_.get_tensor_element_type(info, &type));
        dtype = dtype_of(type);
        std::size_t rank = 0;
        read(api_.get_dimensions_count(info, &rank));
        shape.resize(rank);
        read(api_.get_dimensions(info, shape.data(), rank));
    }

    // On the feed's own memory, which ONNX Runtime only reads.
    std::vector<Owned<ort::Value>> shared(const Feed& feed) const {
        std::vector<Owned<ort::Value>> values;
        for (const Tensor* fed : feed) {
            const Tensor& tensor = *fed;
            ort::Value* value = nullptr;
            check<FeedError>(
                api_.create_tensor_with_data(
                    memory_.get(), const_cast<std::byte*>(tensor.data.data()), tensor.data.size(),
                    tensor.shape.data(), tensor.shape.size(), type_of(tensor.dtype), &value),
                "can't compute this feed");
            values.emplace_back(value, api_.release_value);
        }
        return values;
    }

    static std::vector<const ort::Value*> pointers(const std::vector<Owned<ort::Value>>& values) {
        std::vector<const ort::Value*> found;
        for (const Owned<ort::Value>& value : values) found.push_back(value.get());
        return found;
    }

    std::vector<Owned<ort::Value>> called(const std::vector<const ort::Value*>& inputs) const {
        std::vector<ort::Value*> given(output_names_.size(), nullptr);
        ort::Status* status =
            api_.run(session_.get(), nullptr, input_names_.data(), inputs.data(), inputs.size(),
                     output_names_.data(), output_names_.size(), given.data());
        std::vector<Owned<ort::Value>> outputs;
        for (ort::Value* value : given) outputs.emplace_back(value, api_.release_value);
        check<FeedError>(status, "can't compute this feed");
        return outputs;
    }

    Tensor copied(ort::Value* value) const {
        const auto info = made<ort::TensorInfo>(
            api_.release_tensor_info, [this, value](ort::TensorInfo** tensor) {
                return api_.get_tensor_type_and_shape(value, tensor);
            });
        Tensor copy;
        describe_tensor(info.get(), copy.dtype, copy.shape);
        copy.data.resize(tensor_bytes(copy.dtype, copy.shape));
        void* data = nullptr;
        read(api_.get_tensor_mutable_data(value, &data));
        if (!copy.data.empty()) std::memcpy(copy.data.data(), data, copy.data.size());
        return copy;
    }

    Library library_;
    const ort::Api& api_;
    Owned<ort::Env> env_{nullptr, nullptr};
    Owned<ort::Session> session_{nullptr, nullptr};
    Owned<ort::MemoryInfo> memory_{nullptr, nullptr};
    std::optional<int> threads_;
    std::vector<TensorSpec> inputs_;
    std::vector<TensorSpec> outputs_;
    std::vector<const char*> input_names_;
    std::vector<const char*> output_names_;
};

}  // namespace

const char* engine_name() {
    return "onnxruntime";
}

std::unique_ptr<Engine> load_engine(const Bundle& bundle, const EngineOptions& options) {
    return std::make_unique<OnnxRuntimeEngine>(bundle, options);
}

}  // namespace paddleport
