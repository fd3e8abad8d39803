#include "find_pictures.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "paddleport/error.hpp"

namespace paddleport {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 17> kSuffixes = {
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jp2", ".jpe",  ".jpeg", ".jpg",
    ".pbm",  ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"};

bool is_picture_name(const fs::path& path) {
    std::string suffix = path.extension().string();
    for (char& letter : suffix)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

std::vector<std::string> parts(const std::string& path) {
    std::vector<std::string> found(1);
    for (const char letter : path)
        if (letter == '/')
            found.emplace_back();
        else
            found.back() += letter;
    return found;
}

// In the order in which Python sorts paths: folder by folder.
bool comes_before(const std::string& one, const std::string& other) {
    return parts(one) < parts(other);
}

std::vector<std::string> pictures_in(const std::string& folder) {
    std::vector<std::string> found;
    const auto options = fs::directory_options::skip_permission_denied;
    std::error_code error;
    for (fs::recursive_directory_iterator item(folder, options, error), end; item != end;
         item.increment(error)) {
        if (error) break;
        if (is_picture_name(item->path())) found.push_back(tidy_path(item->path().string()));
    }
    if (error) throw UsageError(folder + " cannot be searched: " + error.message());
    std::sort(found.begin(), found.end(), comes_before);
    return found;
}

}  // namespace

std::string tidy_path(const std::string& path) {
    std::string tidied = !path.empty() && path.front() == '/' ? "/" : "";
    for (const std::string& part : parts(path)) {
        if (part.empty() || part == ".") continue;
        if (!tidied.empty() && tidied.back() != '/') tidied += '/';
        tidied += part;
    }
    return tidied.empty() ? "." : tidied;
}

std::vector<std::string> find_pictures(const std::vector<std::string>& names) {
    std::vector<std::string> pictures;
    for (const std::string& name : names) {
        const std::string path = tidy_path(name);
        std::error_code error;
        if (!fs::is_directory(path, error)) {
            pictures.push_back(path);
            continue;
        }
        const std::vector<std::string> found = pictures_in(path);
        if (found.empty()) {
            std::string suffixes;
            for (const char* suffix : kSuffixes)
                suffixes += (suffixes.empty() ? "" : ", ") + std::string(suffix);
            throw UsageError(name + " holds no pictures (" + suffixes + ")");
        }
        pictures.insert(pictures.end(), found.begin(), found.end());
    }
    return pictures;
}

}  // namespace paddleport
