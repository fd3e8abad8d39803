// The one function of paddleport-codecs, which alone is linked with OpenCV's imgcodecs.

#include <climits>
#include <opencv2/imgcodecs.hpp>

#ifdef _WIN32
#define PADDLEPORT_EXPORT __declspec(dllexport)
#else
#define PADDLEPORT_EXPORT __attribute__((visibility("default")))
#endif

// As ImDecode in opencv_codecs.hpp. No exception leaves it.
extern "C" PADDLEPORT_EXPORT void paddleport_imdecode(const unsigned char* data, std::size_t size,
                                                      cv::Mat* picture) noexcept {
    try {
        if (size > INT_MAX) return;
        const cv::Mat bytes(1, static_cast<int>(size), CV_8UC1, const_cast<unsigned char*>(data));
        *picture = cv::imdecode(bytes, cv::IMREAD_COLOR);
    } catch (const std::exception&) {
        // a cv::Exception, or memory that a damaged header asks for: the picture stays empty
    }
}
