"""A C++ bundle's program, built once on this machine, and asked over a pipe.

- toolchain.py: compiler, CMake, OpenCV, JSON for Modern C++: found, or what to type
- engine_libraries.py: where the engine for C++ is found, in its Python wheel or elsewhere
- built_program.py: the program, built once and kept; bundle_process.py: it, running
- cpp_runner.py: the runner
"""
