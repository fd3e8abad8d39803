#include "pipe.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>

#include "../one_line.hpp"
#include "paddleport/error.hpp"

namespace paddleport {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostLine = 1 << 20;
constexpr std::size_t kMostArrayBytes = std::size_t{1} << 31;
constexpr std::size_t kStep = 1 << 20;

// What follows cannot be told apart any more.
class LostTrack : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A line without its end; none at the end of the input.
std::optional<std::string> read_line(std::FILE* in) {
    std::string line;
    for (int letter = std::fgetc(in); letter != '\n'; letter = std::fgetc(in)) {
        if (letter == EOF && line.empty()) return std::nullopt;
        if (letter == EOF) throw LostTrack("the input ends inside a request");
        if (line.size() == kMostLine) throw LostTrack("a request's line is longer than 1 MB");
        line += static_cast<char>(letter);
    }
    return line;
}

// Memory grows with what comes, not with what was announced.
std::vector<std::byte> read_bytes(std::FILE* in, std::size_t bytes) {
    std::vector<std::byte> data;
    while (data.size() < bytes) {
        const std::size_t have = data.size();
        data.resize(std::min(bytes, have + std::max(kStep, have)));
        const std::size_t wanted = data.size() - have;
        if (std::fread(data.data() + have, 1, wanted, in) < wanted)
            throw LostTrack("the input ends inside an array");
    }
    return data;
}

Tensor read_array(std::FILE* in, const Json& head) {
    const bool fits = head.is_array() && head.size() == 3 && head[0].is_string() &&
                      head[1].is_array() && head[2].is_number_unsigned();
    if (!fits) throw LostTrack("an array is not [dtype, shape, bytes]");
    Tensor tensor{head[0].get<std::string>(), {}, {}};
    for (const Json& side : head[1]) {
        if (!side.is_number_integer()) throw LostTrack("an array's shape is not whole numbers");
        tensor.shape.push_back(side.get<std::int64_t>());
    }
    const auto bytes = head[2].get<std::uint64_t>();
    if (bytes > kMostArrayBytes) throw LostTrack("an array is larger than 2 GB");
    tensor.data = read_bytes(in, bytes);
    return tensor;
}

struct Request {
    Json head;
    std::vector<Tensor> arrays;
};

std::optional<Request> read_request(std::FILE* in) {
    const std::optional<std::string> line = read_line(in);
    if (!line) return std::nullopt;
    Request request{Json::parse(*line, nullptr, false), {}};
    if (!request.head.is_object()) throw LostTrack("a request is no JSON object");
    const auto arrays = request.head.find("arrays");
    if (arrays == request.head.end()) return request;
    if (!arrays->is_array()) throw LostTrack("'arrays' is no list");
    for (const Json& head : *arrays) request.arrays.push_back(read_array(in, head));
    return request;
}

std::string text(const Json& head, const char* key) {
    const auto found = head.find(key);
    if (found == head.end() || !found->is_string())
        throw UsageError(std::string("a request needs '") + key + "', a text");
    return found->get<std::string>();
}

std::size_t topk(const Json& head) {
    const auto found = head.find("topk");
    if (found == head.end()) return 5;
    if (!found->is_number_unsigned()) throw UsageError("'topk' is 1 or more");
    return found->get<std::size_t>();
}

struct Reply {
    Json fields = Json::object();
    std::vector<Tensor> arrays;
};

Reply reply_to(const Request& request, PipeModel& model) {
    const std::string name = text(request.head, "do");
    Reply reply;
    if (name == "describe") {
        reply.fields = model.describe();
    } else if (name == "run") {
        for (const Tensor& tensor : request.arrays)
            if (tensor.data.size() != tensor_bytes(tensor.dtype, tensor.shape))
                throw FeedError(std::to_string(tensor.data.size()) + " bytes came for " +
                                tensor.dtype + " [" + format_shape(tensor.shape) + "]");
        reply.arrays = model.run(request.arrays);
    } else if (name == "prepare") {
        reply.arrays.push_back(model.prepare(text(request.head, "picture")));
    } else if (name == "classify") {
        auto [outputs, predictions] =
            model.classify(text(request.head, "picture"), topk(request.head));
        reply.arrays = std::move(outputs);
        Json top = Json::array();
        for (const Prediction& item : predictions)
            top.push_back({{"class_id", item.index},
                           {"label", item.label ? Json(*item.label) : Json()},
                           {"score", item.score}});
        reply.fields["top"] = std::move(top);
    } else {
        throw UsageError("'do' is '" + name + "', not describe, run, prepare or classify");
    }
    return reply;
}

bool write_reply(std::FILE* out, const Reply& reply) {
    Json head = {{"from", "paddleport"}, {"arrays", Json::array()}};
    for (const Tensor& tensor : reply.arrays)
        head["arrays"].push_back({tensor.dtype, tensor.shape, tensor.data.size()});
    head.update(reply.fields);
    const std::string line = head.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::fwrite(line.data(), 1, line.size(), out);
    for (const Tensor& tensor : reply.arrays)
        std::fwrite(tensor.data.data(), 1, tensor.data.size(), out);
    return std::fflush(out) == 0 && std::ferror(out) == 0;
}

Reply failure(const std::string& message) {
    Reply reply;
    reply.fields["error"] = single_spaced(message);
    return reply;
}

Reply answered(const Request& request, PipeModel& model) {
    try {
        return reply_to(request, model);
    } catch (const std::bad_alloc&) {
        return failure("out of memory: this machine has too little for that");
    } catch (const std::exception& error) {
        return failure(error.what());
    }
}

}  // namespace

int serve_pipe(std::FILE* in, std::FILE* out, PipeModel& model) {
    try {
        while (const std::optional<Request> request = read_request(in))
            if (!write_reply(out, answered(*request, model))) return 2;
    } catch (const LostTrack& lost) {
        write_reply(out, failure(lost.what()));
        return 2;
    }
    return 0;
}

}  // namespace paddleport
