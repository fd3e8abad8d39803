"""A bundle's folder but for its README: the model in it, its constants as data, and the sources."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from paddleport import __version__
from paddleport.convert.naming import write_onnx
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import BUNDLE, LABELS, MODEL_FOLDER, SCHEMA, Engine
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import MAX_FILE_BYTES, MAX_PIXELS
from paddleport.runners.tasks.classification import SCORE_DECIMALS
from paddleport.tensors import TensorSpec
from paddleport.validate.reports.figures import json_value

_PACKAGE, _SOURCES = "paddleport.convert.cpp", "sources"
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.py", "build", "tests")
_UNSAFE = re.compile(r"[^\w.-]+")


def copy_sources(folder: Path) -> None:
    """Copy every C++ file of the package, unchanged, into a folder that may be there."""
    with as_file(files(_PACKAGE).joinpath(_SOURCES)) as sources:
        shutil.copytree(sources, folder, ignore=_NOT_COPIED, dirs_exist_ok=True)


def write_model(onnx: Artifact, folder: Path, engine: Engine) -> tuple[Path, ...]:
    """The engine's own file, the main one first: the ONNX file itself, or OpenVINO's IR of it.

    Raises:
        BackendUnavailableError: OpenVINO is not here to write its IR.
        PortError: as OpenVINO's target does.
    """
    place = folder / MODEL_FOLDER
    place.mkdir(parents=True)
    name = _UNSAFE.sub("_", _model_name(onnx))
    if engine == "onnxruntime":
        return write_onnx(onnx.path, place / f"{name}.onnx")
    from paddleport.convert.targets.base import TargetOptions
    from paddleport.convert.targets.openvino_ir import OpenVinoTarget

    return OpenVinoTarget().make(onnx, place / f"{name}.xml", TargetOptions(), ()).files


def write_constants(
    onnx: Artifact, folder: Path, engine: Engine, model: Sequence[Path]
) -> tuple[Path, ...]:
    """``bundle.json``, and ``labels.txt`` where there are labels; no provenance is in it yet."""
    inputs, outputs = onnx_tensors(onnx.path)
    rules = onnx.preprocess
    if onnx.labels:
        (folder / LABELS).write_text("\n".join(onnx.labels) + "\n", "utf-8")
    names = [file.relative_to(folder).as_posix() for file in model]
    values = {
        "schema": SCHEMA,
        "paddleport": __version__,
        "name": _model_name(onnx),
        "engine": engine,
        "precision": "fp32",
        "model_file": names[0],
        "model_sha256": dict(zip(names, (sha256([file]) for file in model), strict=True)),
        "labels_file": LABELS if onnx.labels else None,
        "inputs": [_tensor(spec) for spec in inputs],
        "outputs": [_tensor(spec) for spec in outputs],
        "preprocess": None if rules is None else preprocess_values(rules),
        "size": _size(rules, inputs),
        "output_scores": {
            "output": outputs[0].name,
            "softmax": False,  # as the model gives them: probabilities where it ends in a softmax
            "decimals": SCORE_DECIMALS,
        },
        "limits": {"max_pixels": MAX_PIXELS, "max_file_bytes": MAX_FILE_BYTES},
        "provenance": {},
    }
    write_table(folder, values)
    return (folder / BUNDLE, *model)


def preprocess_values(rules: Preprocess) -> dict[str, Any]:
    """As ``Preprocess.to_dict``, complete, with the numbers that float32 makes of them.

    Each is the shortest decimal of that float32, so that whoever reads it as a double and rounds
    has the same bits as Python.
    """
    values = {
        **rules.to_dict(),
        "resize_backend": rules.resize_backend,
        "channel_num": rules.channel_num,
    }
    return {
        **values,
        "scale": _shortest(rules.scale),
        "mean": [_shortest(value) for value in rules.mean],
        "std": [_shortest(value) for value in rules.std],
    }


def write_table(folder: Path, values: Mapping[str, Any]) -> None:
    """Write ``bundle.json``; infinity and NaN, which JSON does not have, are null."""
    text = json.dumps(json_value(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / BUNDLE).write_text(text, "utf-8")


def _shortest(value: float) -> float:
    return float(np.format_float_positional(np.float32(value), unique=True))


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "dtype": spec.dtype, "shape": shape}


def _size(rules: Preprocess | None, inputs: Sequence[TensorSpec]) -> list[int] | None:
    """What the model is fed where the preprocessing alone does not say; ``None`` if it is free."""
    if rules is None or rules.size is not None or len(inputs) != 1 or len(inputs[0].shape) != 4:
        return None
    sides = [size for size in inputs[0].shape[2:] if size is not None]
    return sides if len(sides) == 2 else None


def _model_name(onnx: Artifact) -> str:
    return str(onnx.provenance.get("source", {}).get("name", onnx.path.stem))
