#include "default_bundle.hpp"

#include <filesystem>

namespace paddleport {

std::string default_bundle() {
    namespace fs = std::filesystem;
    std::error_code error;  // elsewhere than on Linux there is no such link
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (!error)
        for (const char* place : {"..", "../share/paddleport-bundle"}) {
            const fs::path folder = (program.parent_path() / place).lexically_normal();
            if (fs::is_regular_file(folder / "bundle.json", error)) return folder.string();
        }
    return PADDLEPORT_BUNDLE;
}

}  // namespace paddleport
