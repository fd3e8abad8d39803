"""The folder that ``convert --to cpp`` writes.

``sources`` are the C++ files, copied unchanged; ``bundle_writer`` puts them into a folder with the
engine's model and ``bundle.json``; ``named_bundle`` gives the folder its name, once it is checked,
with a README of ``readme.md.j2``.
"""
