#include "quiet_decoders.hpp"

#include <cstdio>
#include <iostream>
#include <mutex>
#include <opencv2/core/utils/logger.hpp>
#include <streambuf>

namespace paddleport {
namespace {

class Nowhere : public std::streambuf {
  protected:
    int_type overflow(int_type character) override { return traits_type::not_eof(character); }
    std::streamsize xsputn(const char*, std::streamsize count) override { return count; }
};

struct Streams {
    std::mutex mutex;
    int users = 0;
    Nowhere nowhere;
    std::streambuf* cerr_before = nullptr;
    std::FILE* stderr_before = nullptr;
    std::FILE* null = nullptr;
    cv::utils::logging::LogLevel level_before = cv::utils::logging::LOG_LEVEL_WARNING;
};

Streams& streams() {
    static Streams shared;
    return shared;
}

}  // namespace

QuietDecoders::QuietDecoders() {
    Streams& shared = streams();
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (shared.users++ > 0) return;
    shared.level_before = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    shared.cerr_before = std::cerr.rdbuf(&shared.nowhere);
#ifdef __GLIBC__
    if (shared.null == nullptr) shared.null = std::fopen("/dev/null", "w");
    shared.stderr_before = stderr;
    if (shared.null != nullptr) stderr = shared.null;
#endif
}

QuietDecoders::~QuietDecoders() {
    Streams& shared = streams();
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (--shared.users > 0) return;
#ifdef __GLIBC__
    stderr = shared.stderr_before;
#endif
    std::cerr.rdbuf(shared.cerr_before);
    cv::utils::logging::setLogLevel(shared.level_before);
}

}  // namespace paddleport
