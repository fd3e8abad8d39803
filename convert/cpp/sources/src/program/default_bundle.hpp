// The bundle that is read where none is named.
#pragma once

#include <string>

namespace paddleport {

// The folder that the program was built in, or was installed with, wherever that lies now; else the
// folder of its sources.
std::string default_bundle();

}  // namespace paddleport
