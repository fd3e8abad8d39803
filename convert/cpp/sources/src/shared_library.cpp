#include "shared_library.hpp"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace paddleport {

#ifdef _WIN32

void* load_library(const std::string& path, std::string& reason) {
    void* library = reinterpret_cast<void*>(LoadLibraryA(path.c_str()));
    if (library == nullptr) reason = "error " + std::to_string(GetLastError());
    return library;
}

void* find_symbol(void* library, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

void* load_library(const std::string& path, std::string& reason) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) reason = dlerror();
    return library;
}

void* find_symbol(void* library, const char* name) {
    return dlsym(library, name);
}

#endif

}  // namespace paddleport
