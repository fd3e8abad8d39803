// What the bundle's files say: bundle.json, labels and the model's digest.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paddleport/preprocess.hpp"
#include "paddleport/tensor.hpp"

namespace paddleport {

struct Bundle {
    std::filesystem::path folder;
    std::string name;
    std::string engine;     // that it was made for
    std::string precision;  // "fp32", ...
    std::string weights;    // "pretrained", "seeded", ... as its provenance says; may be empty
    std::string model_file;
    std::optional<std::string> labels_file;
    std::vector<std::pair<std::string, std::string>> digests;  // file, SHA-256 in hex
    std::optional<std::vector<std::string>> labels;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;
    std::optional<Preprocess> preprocess;
    Limits limits;
};

// Read bundle.json and the labels. Throws ModelError: they are not there, or not what they should
// be.
Bundle read_bundle(const std::filesystem::path& folder);

// The same from text, without the labels; `name` is what errors call it.
Bundle parse_bundle(const std::string& text, const std::string& name);

// Throws ModelError: a file of the model is not the one that bundle.json was written for.
void check_digests(const Bundle& bundle);

}  // namespace paddleport
