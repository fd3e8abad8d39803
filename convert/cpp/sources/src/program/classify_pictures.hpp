// Many pictures on their way to the model: decoded by threads, inferred in streams, printed in
// order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"

namespace paddleport {

// Classify and print; gives the exit code. Throws Error.
int classify_pictures(const Arguments& arguments, const std::string& bundle);

// A classifier whose threads were read back and are those asked for. Throws Error.
class Classifier;
std::unique_ptr<Classifier> open_classifier(const Arguments& arguments, const std::string& bundle,
                                            int streams);

}  // namespace paddleport
