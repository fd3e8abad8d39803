#include "paddleport/bundle.hpp"

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "paddleport/error.hpp"
#include "sha256.hpp"

namespace paddleport {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::int64_t kMostSide = 1 << 15;  // as models/preprocess.py has it

[[noreturn]] void refuse(const std::string& what) {
    throw ModelError(what);
}

const Json& member(const Json& object, const char* key) {
    if (!object.is_object()) refuse(std::string("what should hold '") + key + "' is no object");
    const auto found = object.find(key);
    if (found == object.end()) refuse(std::string("'") + key + "' is missing");
    return *found;
}

const Json* optional_member(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text(const Json& object, const char* key) {
    const Json& value = member(object, key);
    if (!value.is_string()) refuse(std::string("'") + key + "' is no text");
    return value.get<std::string>();
}

std::int64_t whole(const Json& value, const char* key, std::int64_t least, std::int64_t most) {
    if (!value.is_number_integer()) refuse(std::string("'") + key + "' is no whole number");
    const bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
    const std::int64_t found = huge ? INT64_MAX : value.get<std::int64_t>();
    if (found < least || found > most) refuse(std::string("'") + key + "' cannot be");
    return found;
}

std::optional<Size> size(const Json& object, const char* key) {
    const Json* value = optional_member(object, key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_array() || value->size() != 2)
        refuse(std::string("'") + key + "' is not [height, width]");
    return Size{whole((*value)[0], key, 1, kMostSide), whole((*value)[1], key, 1, kMostSide)};
}

float number(const Json& value, const char* key) {
    if (!value.is_number()) refuse(std::string("'") + key + "' is no number");
    const double found = value.get<double>();
    if (!std::isfinite(found)) refuse(std::string("'") + key + "' is no number");
    return static_cast<float>(found);  // rounded once, as NumPy does it
}

// Three numbers, or one for all channels.
std::array<float, 3> numbers(const Json& object, const char* key, bool one_is_enough) {
    const Json& value = member(object, key);
    if (one_is_enough && value.is_number()) {
        const float all = number(value, key);
        return {all, all, all};
    }
    if (!value.is_array() || value.size() != 3)
        refuse(std::string("'") + key + "' is not three numbers");
    return {number(value[0], key), number(value[1], key), number(value[2], key)};
}

int interpolation(const std::string& name) {
    if (name == "nearest") return cv::INTER_NEAREST;
    if (name == "linear") return cv::INTER_LINEAR;
    if (name == "cubic") return cv::INTER_CUBIC;
    if (name == "area") return cv::INTER_AREA;
    if (name == "lanczos4") return cv::INTER_LANCZOS4;
    refuse("interpolation '" + name + "' is not one of area, cubic, lanczos4, linear, nearest");
}

Preprocess preprocess(const Json& object) {
    const Json* backend = optional_member(object, "resize_backend");
    if (backend != nullptr && *backend != "cv2")
        refuse("'resize_backend' is not cv2: no other resizes here");
    Preprocess rules{};
    const Json* short_side = optional_member(object, "resize_short");
    if (short_side != nullptr)
        rules.resize_short = whole(*short_side, "resize_short", 1, kMostSide);
    rules.resize = size(object, "resize");
    if (rules.resize && rules.resize_short) refuse("'resize_short' and 'resize' are both given");
    rules.crop = size(object, "crop");
    rules.interpolation = interpolation(text(object, "interpolation"));
    rules.scale = numbers(object, "scale", true);
    rules.mean = numbers(object, "mean", false);
    rules.std = numbers(object, "std", false);
    for (const Json& value : member(object, "std"))
        if (value.get<double>() == 0) refuse("'std' holds 0, and pixels are divided by it");
    const std::string channels = text(object, "channels");
    if (channels != "RGB" && channels != "BGR") refuse("'channels' is not RGB or BGR");
    rules.rgb = channels == "RGB";
    const Json* count = optional_member(object, "channel_num");
    rules.channel_num = count ? static_cast<int>(whole(*count, "channel_num", 3, 4)) : 3;
    return rules;
}

std::vector<TensorSpec> specs(const Json& object, const char* key) {
    const Json& list = member(object, key);
    if (!list.is_array()) refuse(std::string("'") + key + "' is no list");
    std::vector<TensorSpec> found;
    for (const Json& item : list) {
        TensorSpec spec{text(item, "name"), text(item, "dtype"), {}};
        const Json& shape = member(item, "shape");
        if (!shape.is_array()) refuse("'shape' is no list");
        for (const Json& side : shape)
            spec.shape.push_back(side.is_null() ? -1 : whole(side, "shape", -1, INT64_MAX));
        found.push_back(std::move(spec));
    }
    return found;
}

// A file of the bundle's own folder.
std::string file_name(const std::string& name, const char* key) {
    const fs::path path = fs::u8path(name).lexically_normal();
    if (name.empty() || name.find('\0') != std::string::npos || path.is_absolute() ||
        *path.begin() == "..")
        refuse(std::string("'") + key + "' is no file of the bundle");
    return name;
}

Limits limits(const Json& object) {
    Limits found;
    const Json* given = optional_member(object, "limits");
    if (given == nullptr) return found;
    // A picture is at most 2^31 bytes to OpenCV, so the numbers below fit into all that follows.
    if (const Json* pixels = optional_member(*given, "max_pixels"))
        found.max_pixels = static_cast<std::uint64_t>(whole(*pixels, "max_pixels", 1, INT32_MAX));
    if (const Json* bytes = optional_member(*given, "max_file_bytes"))
        found.max_file_bytes =
            static_cast<std::uint64_t>(whole(*bytes, "max_file_bytes", 1, INT32_MAX - (1 << 20)));
    return found;
}

// It is told, and nothing depends on it.
std::string weights(const Json& object) {
    const Json* found = &object;
    for (const char* key : {"provenance", "source", "weights"}) {
        found = optional_member(*found, key);
        if (found == nullptr) return "";
    }
    return found->is_string() ? found->get<std::string>() : "";
}

Bundle from_json(const Json& object) {
    whole(member(object, "schema"), "schema", 1, 1);
    Bundle bundle;
    bundle.name = text(object, "name");
    bundle.engine = text(object, "engine");
    bundle.precision = text(object, "precision");
    bundle.weights = weights(object);
    bundle.model_file = file_name(text(object, "model_file"), "model_file");
    const Json& digests = member(object, "model_sha256");
    if (!digests.is_object()) refuse("'model_sha256' is no object");
    for (const auto& [file, digest] : digests.items()) {
        if (!digest.is_string()) refuse("'model_sha256' holds what is no text");
        bundle.digests.emplace_back(file_name(file, "model_sha256"), digest.get<std::string>());
    }
    if (digests.find(bundle.model_file) == digests.end())
        refuse("'model_sha256' has no digest of " + bundle.model_file);
    if (optional_member(object, "labels_file") != nullptr)
        bundle.labels_file = file_name(text(object, "labels_file"), "labels_file");
    bundle.inputs = specs(object, "inputs");
    bundle.outputs = specs(object, "outputs");
    if (const Json* rules = optional_member(object, "preprocess")) {
        if (!rules->is_object()) refuse("'preprocess' is no object");
        bundle.preprocess = preprocess(*rules);
    }
    bundle.limits = limits(object);
    return bundle;
}

std::string whole_file(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw ModelError(path.string() + " cannot be read");
    std::string content((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (stream.bad()) throw ModelError(path.string() + " cannot be read");
    return content;
}

std::vector<std::string> lines(const std::string& content) {
    std::vector<std::string> found;
    for (std::size_t start = 0; start < content.size();) {
        const std::size_t end = std::min(content.find('\n', start), content.size());
        found.push_back(content.substr(start, end - start));
        start = end + 1;
    }
    return found;
}

}  // namespace

Bundle parse_bundle(const std::string& content, const std::string& name) {
    const Json object = Json::parse(content, nullptr, false);
    if (object.is_discarded()) throw ModelError(name + " is no JSON");
    try {
        return from_json(object);
    } catch (const ModelError& error) {
        throw ModelError(name + " describes no bundle of this version: " + error.what());
    }
}

Bundle read_bundle(const fs::path& folder) {
    std::error_code error;
    const fs::path description = folder / "bundle.json";
    if (!fs::is_regular_file(description, error))
        throw ModelError(folder.string() + " holds no bundle.json: name a bundle with --bundle");
    Bundle bundle = parse_bundle(whole_file(description), description.string());
    bundle.folder = folder;
    if (bundle.labels_file)
        bundle.labels = lines(whole_file(folder / fs::u8path(*bundle.labels_file)));
    return bundle;
}

void check_digests(const Bundle& bundle) {
    for (const auto& [file, digest] : bundle.digests) {
        const fs::path path = bundle.folder / fs::u8path(file);
        if (sha256_of_file(path) != digest)
            throw ModelError(path.string() +
                             " is not the file that bundle.json was written for (its SHA-256 is "
                             "another): convert the model again");
    }
}

}  // namespace paddleport
