// Threads of this process.
#pragma once

#include <optional>

namespace paddleport {

// How many there are now, as the system counts them; none where it does not say.
std::optional<int> running_threads();

}  // namespace paddleport
