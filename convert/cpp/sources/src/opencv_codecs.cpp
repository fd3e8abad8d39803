#include "opencv_codecs.hpp"

#include "one_line.hpp"
#include "shared_library.hpp"

namespace paddleport {
namespace {

struct Codecs {
    ImDecode decode = nullptr;
    std::string missing;
};

Codecs load() {
    const std::string file = find_library(PADDLEPORT_CODECS);
    if (file.empty())
        return {nullptr, PADDLEPORT_CODECS " is not beside the program: copy it from the build"};
    std::string reason;
    void* library = load_library(file, reason);
    if (library == nullptr) return {nullptr, one_line(reason)};
    void* decode = find_symbol(library, "paddleport_imdecode");
    if (decode == nullptr) return {nullptr, file + " is another version's"};
    return {reinterpret_cast<ImDecode>(decode), ""};
}

const Codecs& codecs() {
    static const Codecs loaded = load();
    return loaded;
}

}  // namespace

const std::string& missing_codecs() {
    return codecs().missing;
}

cv::Mat imdecode(const std::vector<unsigned char>& data) {
    cv::Mat picture;
    if (codecs().decode != nullptr) codecs().decode(data.data(), data.size(), &picture);
    return picture;
}

}  // namespace paddleport
