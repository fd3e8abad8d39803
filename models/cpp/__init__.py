"""A C++ bundle on disk: its ``bundle.json``, and the engine's own model file in it."""
