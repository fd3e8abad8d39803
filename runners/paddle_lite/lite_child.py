"""Paddle Lite's side of the pipe, run by the user's own old Python, where nothing of ours is.

A request is a line of JSON and the bytes of its arrays, and so is an answer. It takes Python 3.7
or later, and imports numpy only where it is.
"""

from __future__ import annotations

import array
import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Answer = tuple[dict[str, Any], list[Any]]

_CODES = {"float32": "f", "int32": "i", "int8": "b", "uint8": "B"}
_SETTERS = {"float32": "set_float_data", "int32": "set_int32_data", "int8": "set_int8_data"}
_GETTERS = {"float32": "float_data", "int32": "int32_data", "int8": "int8_data"}


class Lite:
    """Answers requests: each is named as the method that does it."""

    def __init__(self) -> None:
        self._predictor: Any = None

    def describe(self, request: dict[str, Any], arrays: list[Any]) -> Answer:
        """The versions, without importing Paddle Lite."""
        return {
            "python": list(sys.version_info[:3]),
            "paddlelite": _paddlelite_version(),
        }, []

    def start(self, request: dict[str, Any], arrays: list[Any]) -> Answer:
        """Import it all, and have its optimiser say what it is."""
        from paddlelite import lite

        return {"optimiser": str(lite.Opt().version()), "numpy": _numpy() is not None}, []

    def optimise(self, request: dict[str, Any], arrays: list[Any]) -> Answer:
        """Write a program and its parameters as an .nb file, in fp32."""
        from paddlelite import lite

        optimiser = lite.Opt()
        optimiser.set_model_type("naive_buffer")
        optimiser.set_model_file(request["program"])
        optimiser.set_param_file(request["params"])
        optimiser.set_valid_places(request["target"])
        optimiser.set_optimize_out(request["out"])
        optimiser.set_quant_model(False)
        optimiser.set_sparse_model(False)
        optimiser.run()
        return {"optimiser": str(optimiser.version())}, []

    def load(self, request: dict[str, Any], arrays: list[Any]) -> Answer:
        """Open an .nb file."""
        from paddlelite import lite

        self._types, self._numpy = _types(lite), _numpy()
        config = lite.MobileConfig()
        config.set_model_from_file(request["file"])
        self._predictor = lite.create_paddle_predictor(config)
        inputs, outputs = self._predictor.get_input_names(), self._predictor.get_output_names()
        self._outputs = len(outputs)
        return {
            "inputs": list(map(str, inputs)),
            "outputs": list(map(str, outputs)),
            "numpy": self._numpy is not None,
        }, []

    def run(self, request: dict[str, Any], arrays: list[Any]) -> Answer:
        """Compute once; arrays come and go in the order of the names that ``load`` gave."""
        for place, given in enumerate(arrays):
            self._put(self._predictor.get_input(place), *given)
        self._predictor.run()
        places = range(self._outputs)
        return {}, [self._taken(self._predictor.get_output(place)) for place in places]

    def _put(self, tensor: Any, dtype: str, shape: list[int], data: bytes) -> None:
        if self._numpy is not None:
            tensor.from_numpy(self._numpy.frombuffer(data, dtype).reshape(shape))
            return
        if dtype not in _SETTERS:
            raise _needs_numpy(dtype)
        values = array.array(_CODES[dtype])
        values.frombytes(data)
        tensor.resize(shape)
        getattr(tensor, _SETTERS[dtype])(values.tolist())

    def _taken(self, tensor: Any) -> tuple[str, list[int], bytes]:
        """Its values in bytes of our own: what ``numpy()`` gives is a view of its buffer."""
        if self._numpy is not None:
            values = tensor.numpy()
            return str(values.dtype), list(values.shape), values.tobytes()
        dtype, shape = self._types.get(tensor.precision(), ""), list(map(int, tensor.shape()))
        if dtype not in _GETTERS:
            raise _needs_numpy(dtype)
        values = getattr(tensor, _GETTERS[dtype])()
        return dtype, shape, array.array(_CODES[dtype], values).tobytes()


def _types(lite: Any) -> dict[Any, str]:
    kinds = lite.PrecisionType
    return {kinds.FP32: "float32", kinds.INT32: "int32", kinds.INT8: "int8", kinds.INT64: "int64"}


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _needs_numpy(dtype: str) -> TypeError:
    named = dtype or "another type"
    return TypeError(f"tensors of {named} take numpy in it: {sys.executable} -m pip install numpy")


def _paddlelite_version() -> str:
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:  # Python 3.7
        return ""
    try:
        return version("paddlelite")
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Paddle Lite prints is a log, and no answer
    requests, lite = sys.stdin.buffer, Lite()
    while True:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line.decode())
        given = [(dtype, shape, requests.read(size)) for dtype, shape, size in request["arrays"]]
        try:
            answer, arrays = getattr(lite, request["do"])(request, given)
        except Exception as error:
            answer, arrays = {"error": f"{type(error).__name__}: {error}"}, []
        answer["from"] = "paddleport"
        answer["arrays"] = [(dtype, shape, len(data)) for dtype, shape, data in arrays]
        answers.write(json.dumps(answer).encode() + b"\n")
        for _, _, data in arrays:
            answers.write(data)
        answers.flush()


if __name__ == "__main__":
    main()
