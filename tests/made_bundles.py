"""C++ bundles for tests: of the small network with a preprocessing, and with faults planted."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from lite_interpreters import script
from PIL import Image

from paddleport.convert.making import Making
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import SourceModel, resolve
from paddleport.models.synthetic.samples import draw_picture

RULES = Preprocess(resize_short=12, crop=(9, 9))
"""For the small network, whose input is 9 x 9: sizes fall on halves where the short side is 24."""

_ANSWERING = """#!{python} -I
# This is a stand-in for a bundle's program: it describes itself, then does something else.
import json, os, sys, time
def answer(**values):
    print(json.dumps({{"from": "paddleport", "arrays": [], **values}}), flush=True)
sys.stdin.readline()
answer(**{described!r})
sys.stdin.buffer.readline()
{then}
"""


def with_rules(model: Artifact, rules: Preprocess = RULES) -> SourceModel:
    """A model's own files, and how it is fed with pictures."""
    return replace(resolve(model.path), preprocess=rules, preprocess_unknown="")


def made_bundle(onnx: Artifact, path: Path, engine: str = "openvino") -> Artifact:
    """As ``convert --to cpp`` makes it, before anything is compared."""
    target = target_class("cpp")
    options = target().check(onnx, TargetOptions(engine=engine))
    return Making(target=target, model=onnx, options=options).run(path, 120)[0]


def patched(bundle: Artifact, file: str, old: str, new: str) -> Artifact:
    """A fault in a copied source of a bundle; ``old`` must stand there."""
    path = bundle.path.parent / file
    text = path.read_text()
    assert old in text, f"{file} has no {old}"
    path.write_text(text.replace(old, new))
    return bundle


def with_switch(bundle: Artifact, file: str, fault: str, old: str, new: str) -> Artifact:
    """A fault that the program has where its environment's ``PLANTED`` is the fault's name."""
    asked = 'std::getenv("PLANTED")'
    has = f'({asked} != nullptr && std::string({asked}) == "{fault}")'
    patched(bundle, file, old, f"({has} ? ({new}) : ({old}))")
    path = bundle.path.parent / file
    path.write_text("#include <cstdlib>\n#include <string>\n" + path.read_text())
    return bundle


def stand_in(path: Path, described: Mapping[str, object], then: str) -> Path:
    """A program that takes a bundle's place: it answers ``describe``, then does ``then``."""
    return script(
        path, _ANSWERING.format(python=sys.executable, described=dict(described), then=then)
    )


def picture(path: Path, size: tuple[int, int], *, turn: int = 1, index: int = 0) -> Path:
    """A drawn picture of (height, width), with an EXIF turn if it is a JPEG."""
    image = Image.fromarray(np.ascontiguousarray(draw_picture(index, size)[..., ::-1]))
    exif = Image.Exif()
    exif[0x0112] = turn
    if path.suffix == ".jpg":
        image.save(path, exif=exif.tobytes())
    else:
        image.save(path)
    return path
