// A model that is loaded in one runtime. There is one translation unit per engine,
// src/engine_*.cpp, and a build has one of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paddleport/bundle.hpp"
#include "paddleport/tensor.hpp"

namespace paddleport {

struct EngineOptions {
    int threads = 0;                          // on the CPU, of all streams; 0: one per CPU
    int streams = 1;                          // inferences at a time, which divide the threads
    std::string library;                      // of ONNX Runtime; empty: where the build found it
    std::vector<std::int64_t> picture_shape;  // of the input, where only pictures are fed
};

class Engine {
  public:
    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    virtual std::string version() const = 0;

    // Read back after loading: what the runtime says, or the threads that it started.
    virtual std::optional<int> threads() const = 0;

    virtual const std::vector<TensorSpec>& inputs() const = 0;
    virtual const std::vector<TensorSpec>& outputs() const = 0;

    // Run once, from any thread, on a checked feed in the order of the inputs.
    // Throws FeedError: the runtime says no.
    virtual std::vector<Tensor> run(const Feed& feed) = 0;

    // The runtime's own call on this feed, with nothing of ours around it, to be timed against
    // `run`. The tensors must live as long.
    virtual std::function<void()> bare_call(const Feed& feed) = 0;
};

// "openvino" or "onnxruntime".
const char* engine_name();

// Load the bundle's model. Throws EngineError: the runtime or what was asked is not to be had;
// ModelError: it does not take the file.
std::unique_ptr<Engine> load_engine(const Bundle& bundle, const EngineOptions& options);

// As many as this process may use CPUs.
int available_threads();

}  // namespace paddleport
