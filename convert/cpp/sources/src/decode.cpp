// Picture files to pixels.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "jpeg.hpp"
#include "opencv_codecs.hpp"
#include "paddleport/error.hpp"
#include "paddleport/preprocess.hpp"
#include "picture_header.hpp"
#include "quiet_decoders.hpp"
#include "webp_orientation.hpp"

namespace paddleport {
namespace {

namespace fs = std::filesystem;

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

void check_is_file(const std::string& path) {
    if (path.find('\0') != std::string::npos) throw PictureError("no picture " + path);
    std::error_code error;
    const fs::file_status status = fs::status(fs::u8path(path), error);
    if (status.type() == fs::file_type::not_found) throw PictureError("no picture " + path);
    if (error) throw PictureError(path + " cannot be read: " + error.message());
    // never a device or a pipe, which may have no end
    if (fs::is_directory(status)) throw PictureError(path + " is a folder");
    if (!fs::is_regular_file(status)) throw PictureError(path + " is no file");
}

std::uint64_t pixels_or_most(const PictureHeader& header) {
    const bool overflows = header.height > UINT64_MAX / header.width;
    return overflows ? UINT64_MAX : header.height * header.width;
}

// By libjpeg, or nothing where the file is to be read by OpenCV.
std::optional<cv::Mat> decoded_jpeg(const std::vector<unsigned char>& data,
                                    const PictureHeader& header) {
    if (header.format != "JPEG") return std::nullopt;
    try {
        return decode_jpeg(data, header.height, header.width);
    } catch (const std::exception&) {  // a cv::Exception, or too little memory
        return std::nullopt;
    }
}

cv::Mat decoded_by_opencv(const std::vector<unsigned char>& data, const PictureHeader& header,
                          const std::string& name) {
    const QuietDecoders quiet;
    if (!missing_codecs().empty())
        throw PictureError(name +
                           " cannot be decoded, as it is no plain JPEG: " + missing_codecs());
    try {
        if (header.format == "PNG") return imdecode(without_animation(data));
        const cv::Mat picture = imdecode(data);
        return header.format == "WebP" && !picture.empty() ? turned_webp(picture, data) : picture;
    } catch (const std::exception&) {  // too little memory
        return {};
    }
}

}  // namespace

std::vector<unsigned char> read_picture_file(const std::string& path, const Limits& limits) {
    check_is_file(path);
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
    const auto fail = [&path] {
        return PictureError(path + " cannot be read: " + std::strerror(errno));
    };
    if (!file) throw fail();
    // Memory of just that size, so that a sanitizer sees whoever reads beyond its end.
    std::error_code unknown;
    const std::uint64_t size = fs::file_size(fs::u8path(path), unknown);
    std::vector<unsigned char> data(unknown ? 0 : std::min(size, limits.max_file_bytes));
    errno = 0;
    data.resize(std::fread(data.data(), 1, data.size(), file.get()));
    for (int byte = std::fgetc(file.get());  // of a file that grows, or did not know its size
         byte != EOF && data.size() <= limits.max_file_bytes; byte = std::fgetc(file.get()))
        data.push_back(static_cast<unsigned char>(byte));
    if (std::ferror(file.get())) throw fail();
    if (data.size() > limits.max_file_bytes)
        throw PictureError(path + " is larger than the " +
                           std::to_string(limits.max_file_bytes >> 20) + " MB that are read");
    return data;
}

cv::Mat decode_picture(const std::vector<unsigned char>& data, const std::string& name,
                       const Limits& limits) {
    PictureHeader header;
    try {
        header = read_header(data);
    } catch (const HeaderError& error) {
        throw PictureError(name + " " + error.what());
    }
    const std::string described = header.format + " of " + std::to_string(header.width) + "x" +
                                  std::to_string(header.height) + " pixels";
    if (pixels_or_most(header) > limits.max_pixels)
        throw PictureError(name + " is a " + described + "; at most " +
                           std::to_string(limits.max_pixels) + " are decoded");
    if (const auto picture = decoded_jpeg(data, header)) return *picture;
    cv::Mat picture = decoded_by_opencv(data, header, name);
    if (picture.empty())
        throw PictureError(name + " is a " + described +
                           ", but its data is cut short, damaged, or of a kind that OpenCV does "
                           "not read");
    return picture;
}

}  // namespace paddleport
