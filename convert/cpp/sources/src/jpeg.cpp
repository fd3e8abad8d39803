#include "jpeg.hpp"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
// after <cstdio>, which it needs
#include <jpeglib.h>

#include "exif_orientation.hpp"

#ifndef JCS_EXTENSIONS
#error "This libjpeg is not libjpeg-turbo: others make other pixels"
#endif

namespace paddleport {
namespace {

using Data = std::vector<unsigned char>;

struct Errors {
    jpeg_error_mgr manager;
    std::jmp_buf back;
};

[[noreturn]] void give_up(j_common_ptr info) {
    std::longjmp(reinterpret_cast<Errors*>(info->err)->back, 1);
}

void give_up_at_warnings(j_common_ptr info, int level) {
    if (level < 0) give_up(info);
}

void say_nothing(j_common_ptr) {}

// As OpenCV converts CMYK: integers, and a division by 256.
void write_bgr(const unsigned char* cmyk, unsigned char* bgr, std::size_t pixels) {
    for (std::size_t pixel = 0; pixel < pixels; ++pixel, cmyk += 4, bgr += 3)
        for (std::size_t colour = 0; colour < 3; ++colour) {
            const int black = cmyk[3];
            const int value = black - ((255 - cmyk[colour]) * black >> 8);
            bgr[2 - colour] = static_cast<unsigned char>(value);
        }
}

// libjpeg's own state. Whatever may fail runs in `survives`, and no object with a destructor lives
// in a step: an error jumps out of it.
class Decompressor {
  public:
    Decompressor() {
        info_.err = jpeg_std_error(&errors_.manager);
        errors_.manager.error_exit = give_up;
        errors_.manager.emit_message = give_up_at_warnings;
        errors_.manager.output_message = say_nothing;
    }
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;
    ~Decompressor() { jpeg_destroy_decompress(&info_); }

    bool read_header(const Data& data) {
        return survives([this, &data] {
            jpeg_create_decompress(&info_);
            jpeg_mem_src(&info_, data.data(), static_cast<unsigned long>(data.size()));
            jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
            jpeg_read_header(&info_, TRUE);
        });
    }

    bool is_plain(std::uint64_t height, std::uint64_t width) const {
        const int channels = info_.num_components;
        const auto has_table = [this](std::size_t index) {
            return info_.ac_huff_tbl_ptrs[index] != nullptr ||
                   info_.dc_huff_tbl_ptrs[index] != nullptr;
        };
        return info_.image_height == height && info_.image_width == width &&
               info_.data_precision == 8 && !info_.arith_code &&
               (channels == 1 || channels == 3 || channels == 4) && (has_table(0) || has_table(1));
    }

    // Of the one segment with EXIF, wherever it stands, as OpenCV 5 takes it; OpenCV 4.6 looks into
    // the first APP1 segment alone, which may be XMP. Nothing where there are two.
    std::optional<std::uint64_t> orientation() const {
        std::optional<std::uint64_t> found;
        for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr;
             marker = marker->next) {
            const Data segment(marker->data, marker->data + marker->data_length);
            if (!is_exif(segment)) continue;
            if (found) return std::nullopt;
            found = plain_orientation(segment);
            if (!found) return std::nullopt;
        }
        return found.value_or(1);
    }

    std::optional<cv::Mat> pixels() {
        const bool is_cmyk = info_.num_components == 4;
        info_.out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_BGR;
        if (!survives([this] { jpeg_start_decompress(&info_); })) return std::nullopt;
        const auto rows = static_cast<int>(info_.output_height);
        const std::size_t width = info_.output_width;
        cv::Mat picture(rows, static_cast<int>(width), CV_8UC3);
        Data cmyk(is_cmyk ? width * 4 : 0);
        const bool whole = survives([this, rows, width, &picture, &cmyk] {
            for (int row = 0; row < rows; ++row) {
                unsigned char* bgr = picture.ptr<unsigned char>(row);
                JSAMPROW line = cmyk.empty() ? bgr : cmyk.data();
                jpeg_read_scanlines(&info_, &line, 1);
                if (!cmyk.empty()) write_bgr(line, bgr, width);
            }
            jpeg_finish_decompress(&info_);
        });
        return whole ? std::optional(picture) : std::nullopt;
    }

  private:
    template <typename Step>
    bool survives(Step step) {
        if (setjmp(errors_.back) != 0) return false;
        step();
        return true;
    }

    Errors errors_{};
    jpeg_decompress_struct info_{};
};

}  // namespace

std::optional<cv::Mat> decode_jpeg(const Data& data, std::uint64_t height, std::uint64_t width) {
    Decompressor libjpeg;
    if (!libjpeg.read_header(data) || !libjpeg.is_plain(height, width)) return std::nullopt;
    const std::optional<std::uint64_t> orientation = libjpeg.orientation();
    if (!orientation) return std::nullopt;
    const std::optional<cv::Mat> picture = libjpeg.pixels();
    if (!picture) return std::nullopt;
    return turned(*picture, *orientation);
}

}  // namespace paddleport
