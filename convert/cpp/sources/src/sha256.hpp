// SHA-256 of a file (FIPS 180-4), so that no cryptographic library is needed for a digest.
#pragma once

#include <filesystem>
#include <string>

namespace paddleport {

// In lower-case hex. Throws ModelError: the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace paddleport
