#include "threads.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <thread>

#include "paddleport/engine.hpp"

#ifdef __linux__
#include <sched.h>
#endif

namespace paddleport {

std::optional<int> running_threads() {
    std::error_code error;
    const std::filesystem::directory_iterator tasks("/proc/self/task", error);
    if (error) return std::nullopt;
    return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

int available_threads() {
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace paddleport
