"""PaddleClas's own operators from its wheel, run on pictures: for a process of its own.

``python paddleclas_operators.py OPERATORS.py WORK.json`` prints, of every list of transforms on
every picture, the shape and the SHA-256 of the tensor's bytes, or ``refused``. What the operators
import beside NumPy, OpenCV and Pillow has stand-ins, as none of it computes anything here.
"""

import hashlib
import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

_STAND_INS: dict[str, dict[str, Any]] = {
    "six": {"PY2": False},
    "paddle": {},
    "paddle.vision": {},
    "paddle.vision.transforms": dict.fromkeys(("ToTensor", "Normalize", "Resize", "CenterCrop")),
    "paddleclas": {},
    "paddleclas.deploy": {},
    "paddleclas.deploy.python": {},
    "paddleclas.deploy.python.det_preprocess": dict.fromkeys(
        ("DetNormalizeImage", "DetPadStride", "DetPermute", "DetResize")
    ),
}


def load(path: Path) -> ModuleType:
    for name, members in _STAND_INS.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(members)
    spec = importlib.util.spec_from_file_location("paddleclas_preprocess", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # create_operators looks itself up
    spec.loader.exec_module(module)
    # The file forgets to import the logger that it warns by.
    vars(module)["logger"] = SimpleNamespace(warning=logging.getLogger("operators").info)
    return module


def answer(module: Any, transforms: list[dict[str, Any]], picture: bytes) -> str:
    given = {name for item in transforms for name in item}
    before = [] if "DecodeImage" in given else [{"DecodeImage": None}]
    after = [] if "ToCHWImage" in given else [{"ToCHWImage": None}]
    value: Any = picture
    try:
        for operator in module.create_operators([*before, *transforms, *after]):
            value = operator(value)
    except Exception as refusal:
        if "CropImage must be greater" not in str(refusal):
            raise
        return "refused"
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return f"{list(value.shape)} {value.dtype} {digest}"


def main(operators: str, work: str) -> None:
    module = load(Path(operators))
    asked = json.loads(Path(work).read_text())
    pictures = [Path(name).read_bytes() for name in asked["pictures"]]
    made = [[answer(module, item, one) for one in pictures] for item in asked["transforms"]]
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
