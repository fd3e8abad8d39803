// Answers as they come, printed as `paddleport run` prints them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "latency.hpp"
#include "paddleport/classifier.hpp"

namespace paddleport {

// One picture's answer, or why there is none.
struct Answer {
    std::string picture;
    std::vector<Prediction> predictions;
    std::string error;  // empty if it could be read
    std::optional<Latency> latency;
};

class AnswerPrinter {
  public:
    // `where` is what computed them, in a line.
    AnswerPrinter(std::string where, bool json);

    void print(const Answer& answer);

    // After the last one. Gives the exit code: 0, 1 if some could not be read, 2 if none could.
    int finish();

  private:
    bool json_;
    std::size_t read_ = 0;
    std::size_t failed_ = 0;
};

}  // namespace paddleport
