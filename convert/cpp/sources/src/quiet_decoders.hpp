// Nothing that OpenCV, libjpeg or libpng says while decoding reaches the terminal.
#pragma once

namespace paddleport {

// While one of these lives, in any thread, OpenCV logs nothing and what is written to std::cerr, or
// through the C library's `stderr` object, is lost. File descriptor 2 is left alone. The last one
// puts everything back. Where `stderr` is no variable (anything but glibc), a damaged picture may
// print a line.
class QuietDecoders {
  public:
    QuietDecoders();
    QuietDecoders(const QuietDecoders&) = delete;
    QuietDecoders& operator=(const QuietDecoders&) = delete;
    ~QuietDecoders();
};

}  // namespace paddleport
