// Whatever comes as bundle.json, as a picture or through the pipe is read, or refused in one line.
//
// The first byte of an input says which: 'b', 'p' or 'r'. Seeds are made by test_cpp_sources.py.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "paddleport/bundle.hpp"
#include "paddleport/error.hpp"
#include "paddleport/preprocess.hpp"
#include "program/pipe.hpp"

namespace {

using namespace paddleport;

constexpr std::uint64_t kMostPixels = 1 << 20;  // so that no input takes long

void check_one_line(const char* message) {
    if (std::string(message).find('\n') != std::string::npos) std::abort();
}

void read_as_bundle(const std::string& text) {
    try {
        parse_bundle(text, "bundle.json");
    } catch (const Error& error) {
        check_one_line(error.what());
    }
}

void read_as_picture(const std::string& text) {
    Preprocess rules{};
    rules.resize_short = 32;
    rules.crop = Size{24, 24};
    rules.interpolation = 1;
    rules.scale = rules.std = {1, 1, 1};
    rules.rgb = true;
    rules.channel_num = 3;
    const Limits limits{kMostPixels, kMostPixels};
    try {
        const cv::Mat picture = decode_picture({text.begin(), text.end()}, "x", limits);
        prepare_picture(picture, rules, "x", limits);
    } catch (const PictureError& error) {
        check_one_line(error.what());
    }
}

class Echo : public PipeModel {
  public:
    nlohmann::ordered_json describe() override { return {{"engine", "none"}}; }
    std::vector<Tensor> run(const std::vector<Tensor>& feed) override { return feed; }
    Tensor prepare(const std::string& picture) override { throw PictureError("no " + picture); }
    std::pair<std::vector<Tensor>, std::vector<Prediction>> classify(const std::string& picture,
                                                                     std::size_t topk) override {
        return {{}, {{topk, picture, 0.5}}};
    }
};

void read_as_requests(std::string text) {
    if (text.empty()) return;  // fmemopen takes no empty buffer
    std::FILE* in = fmemopen(text.data(), text.size(), "r");
    std::FILE* out = std::fopen("/dev/null", "wb");
    Echo model;
    serve_pipe(in, out, model);
    std::fclose(in);
    std::fclose(out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'b') read_as_bundle(rest);
    if (data[0] == 'p') read_as_picture(rest);
    if (data[0] == 'r') read_as_requests(rest);
    return 0;
}
