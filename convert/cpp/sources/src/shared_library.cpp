#include "shared_library.hpp"

#include <filesystem>
#include <vector>

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

std::string find_library(const std::string& name) {
    return name;
}

#else

std::string find_library(const std::string& name) {
#ifdef __GLIBC__
    Dl_info own;
    void* map = nullptr;
    Dl_serinfo size;
    if (dladdr1(reinterpret_cast<void*>(&find_library), &own, &map, RTLD_DL_LINKMAP) == 0 ||
        dlinfo(map, RTLD_DI_SERINFOSIZE, &size) != 0)
        return "";
    std::vector<unsigned char> memory(size.dls_size);
    auto* places = reinterpret_cast<Dl_serinfo*>(memory.data());
    if (dlinfo(map, RTLD_DI_SERINFOSIZE, places) != 0 || dlinfo(map, RTLD_DI_SERINFO, places) != 0)
        return "";
    const Dl_serpath* place = places->dls_serpath;
    for (unsigned int index = 0; index < places->dls_cnt; ++index) {
        const std::string file = std::string(place[index].dls_name) + "/" + name;
        std::error_code unknown;
        if (file[0] == '/' && std::filesystem::is_regular_file(file, unknown)) return file;
    }
    return "";
#else
    return name;
#endif
}

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
