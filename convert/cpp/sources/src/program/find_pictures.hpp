// Picture files by the names that are typed.
#pragma once

#include <string>
#include <vector>

namespace paddleport {

// A path as Python's pathlib writes it: "./a//b/" is "a/b".
std::string tidy_path(const std::string& path);

// The files that names stand for: files as they are, even missing ones (reading will tell), and
// what folders hold, sorted. Throws UsageError: a folder without pictures.
std::vector<std::string> find_pictures(const std::vector<std::string>& names);

}  // namespace paddleport
