// What is typed after paddleport-classify.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace paddleport {

struct Arguments {
    std::vector<std::string> names;  // pictures and folders
    std::string bundle;              // empty: the one that was built
    std::string engine_library;
    std::size_t topk = 5;
    int threads = 0;         // 0: one per CPU
    int decode_threads = 0;  // 0: one per CPU, at most 16
    std::size_t repeat = 0;  // timed runs per picture
    std::size_t bench = 0;   // rounds
    bool json = false;
    bool pipe = false;
    bool check_digests = true;
    bool help = false;
    bool version = false;
};

extern const char* const kHelp;

// Throws UsageError: an option that is not known, or a value that cannot be.
Arguments read_arguments(const std::vector<std::string>& words);

}  // namespace paddleport
