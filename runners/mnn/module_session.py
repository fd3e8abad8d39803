"""A file in MNN's module, which runs control flow and shapes that follow from contents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.mnn.mnn_file import MnnGraph
from paddleport.runners.mnn.mnn_session import (
    HINTS,
    MODES,
    MnnError,
    MnnSession,
    dense,
    mnn_error,
    session_settings,
)
from paddleport.runners.printed_by_vendors import CapturedPrints
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Array

_HELD_AS = {"int64": "int32", "bool": "int32", "float64": "float32", "float16": "float32"}


class ModuleSession(MnnSession):
    """One module; what it took of its settings can't be read back."""

    def __init__(self, mnn: Any, path: Path, graph: MnnGraph, threads: int) -> None:
        """Load the file with its inputs and outputs in their order.

        Raises:
            MnnError: MNN does not take the file.
        """
        import MNN.expr as expr
        import MNN.nn as nn

        self._expr = expr
        blocks = [op.name for op in graph.ops if op.type == "Input" and _in_blocks(op.parameters)]
        if blocks:
            raise MnnError(
                f"input {blocks[0]} is in blocks of four channels, which MNN's module mixes up: "
                "convert it again with --keepInputFormat=1"
            )
        self.inputs = {spec.name: _HELD_AS.get(spec.dtype, spec.dtype) for spec in graph.inputs}
        self._names = graph.outputs
        with CapturedPrints() as printed:
            printed.text()
            try:
                self._manager = nn.create_runtime_manager((session_settings(threads),))
                for hint in HINTS:
                    self._manager.set_hint(*hint)
                for mode in MODES:
                    self._manager.set_mode(mode)
                self._module = nn.load_module_from_file(
                    str(path),
                    list(self.inputs),
                    list(self._names),
                    runtime_manager=self._manager,
                    shape_mutable=True,
                )
            except Exception as error:  # it says that it failed: the reason is printed
                raise mnn_error(printed, one_line(error)) from error
        self.outputs = dict.fromkeys(self._names, "")  # known only once they are there

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Copy the feed in, run, copy what it gives."""
        kinds = {"float32": self._expr.float, "int32": self._expr.int, "uint8": self._expr.uint8}
        with CapturedPrints() as printed:
            try:
                given = [
                    self._expr.const(
                        dense(feed[name]), list(feed[name].shape), self._expr.NCHW, kinds[dtype]
                    )
                    for name, dtype in self.inputs.items()
                ]
                found = self._module.forward(given)
                if len(found) != len(self._names):
                    raise mnn_error(printed, "it gives no outputs")
                return {
                    name: np.array(self._plain(item).read())
                    for name, item in zip(self._names, found, strict=True)
                }
            except MnnError:
                raise
            except Exception as error:  # MNN raises what it likes, and prints why
                raise mnn_error(printed, one_line(error)) from error

    def _plain(self, item: Any) -> Any:
        blocks = item.data_format == self._expr.NC4HW4
        return self._expr.convert(item, self._expr.NCHW) if blocks else item


def _in_blocks(parameters: Mapping[str, Any]) -> bool:
    return parameters.get("dformat") == "NC4HW4" and len(parameters["dims"]) > 1
