"""What Paddle Inference with TensorRT needs, and the first of it that is missing here."""

import ctypes
from importlib.util import find_spec
from typing import Any, Literal

from paddleport.models.artifact import Artifact
from paddleport.runners import gpu
from paddleport.runners.paddle.program_runner import GPU_BUILD, import_quietly

# The names that Paddle gives to dlopen: paddle/phi/backends/dynload/tensorrt.cc. TensorRT's Python
# package has them with a version behind, which is not found.
_LIBRARIES = ("libnvinfer.so", "libnvinfer_plugin.so")

ModelFormat = Literal["pir", "protobuf"]


def why_not(model: Artifact) -> str:
    """Why ``paddle-tensorrt`` can't run ``model`` here and what to type; empty where it can."""
    return missing(model.encoding or None)


def missing(model_format: ModelFormat | None = None) -> str:
    """The first thing that is missing, the cheapest question first; empty with nothing missing.

    Without a GPU this takes milliseconds; with one, Paddle is imported.

    Args:
        model_format: of the program that is to run; ``None`` leaves the format out.
    """
    driver = gpu.find_driver()
    if driver.missing:
        return f"{driver.missing}; {driver.advice}"
    if find_spec("paddle") is None:
        return f"Paddle is not installed: {GPU_BUILD}"
    paddle, inference = import_quietly("paddle"), import_quietly("paddle.inference")
    version = paddle.__version__
    if not paddle.is_compiled_with_cuda():
        return f"this Paddle ({version}) is no GPU build: {GPU_BUILD}"
    return _missing_tensorrt(version, inference) or _missing_format(
        model_format, version, inference
    )


def _missing_tensorrt(version: str, inference: Any) -> str:
    built_for = inference.get_trt_compile_version()
    if not any(built_for):
        return (
            f"this GPU build of Paddle {version} is made without TensorRT "
            f"(get_trt_compile_version is 0.0.0): {GPU_BUILD}, one that is made with TensorRT"
        )
    wanted = ".".join(map(str, built_for))
    get_it = (
        f"install TensorRT {wanted} of NVIDIA and put its lib folder first on LD_LIBRARY_PATH, "
        f"with {' and '.join(_LIBRARIES)} under just these names"
    )
    for library in _LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError as error:
            return f"the TensorRT libraries don't load ({error}): {get_it}"
    try:
        found = inference.get_trt_runtime_version()
    except Exception as error:  # whatever Paddle's loader raises, the reason is the same
        return f"Paddle does not load the TensorRT libraries ({type(error).__name__}): {get_it}"
    if not any(found):
        return f"the TensorRT libraries tell no version: {get_it}"
    # helper.h divides by 1000, and TensorRT 10 counts 10000 per major version: 10 is read as 100.
    if found[0] not in (built_for[0], built_for[0] * 10):
        return (
            f"Paddle {version} is built for TensorRT {wanted} and finds "
            f"{'.'.join(map(str, found))}: {get_it}"
        )
    return ""


def _missing_format(model_format: ModelFormat | None, version: str, inference: Any) -> str:
    if model_format == "pir":
        if find_spec("paddle.tensorrt") is None:
            return (
                f"this build of Paddle {version} can't take a PIR program (.json) to TensorRT, as "
                f"it has no module paddle.tensorrt: {GPU_BUILD}, for Linux and with TensorRT; or "
                "name a .pdmodel of the same model with --model"
            )
        if find_spec("tensorrt") is None:
            wanted = ".".join(map(str, inference.get_trt_compile_version()))
            return (
                "a PIR program (.json) needs TensorRT's Python package, which paddle.tensorrt "
                f"builds engines with: pip install tensorrt=={wanted}"
            )
    if model_format == "protobuf":
        needed = ("enable_tensorrt_engine", "enable_new_ir", "collect_shape_range_info")
        gone = [name for name in needed if not hasattr(inference.Config, name)]
        if gone:
            return (
                f"this build of Paddle {version} can't take a .pdmodel to TensorRT any more, as "
                f"its Config has no {' and no '.join(gone)}: name a PIR program (.json) of the "
                "same model with --model, or install Paddle 3.2"
            )
    return ""
