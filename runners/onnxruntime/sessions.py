"""ONNX Runtime's sessions: started from the optimised graph, and run on a device's own memory."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.models.onnx.onnx_file import external_files
from paddleport.runners.compiled_cache import Entry, entry_for, identity
from paddleport.tensors import Array, Feed, feed_signature

MOST_BYTES = 1 << 30
"""The largest file whose graph is kept: protobuf, which ONNX Runtime writes, ends at twice that."""


def start_cached(
    ort: Any, model: Path, settings: Any, start: Callable[[Path], Any]
) -> tuple[Any, bool]:
    """A session with the graph that was optimised before; else one that keeps it for the next.

    Kept as ONNX, which is read faster than ONNX Runtime's own format, and by its path, since of
    bytes the session makes two copies. Not of a model with weights in other files: the optimised
    one would look for them beside itself.

    Args:
        ort: the module.
        model: the file.
        settings: of the session, changed on the way.
        start: makes a session of a file with these settings.

    Returns:
        The session, and whether it is from the cache.
    """
    if external_files(model) or model.stat().st_size > MOST_BYTES:
        return start(model), False
    level = settings.graph_optimization_level
    version = f"{ort.__version__} {ort.get_build_info()}"
    entry = entry_for("onnxruntime", version, model, {"optimization": level})
    found = entry.intact()
    if found is not None:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        with suppress(Exception):  # of a build that calls itself by another's name
            session = start(entry.path)
            if identity(entry.path) == found:
                return session, True
        settings.graph_optimization_level = level
    return _start_and_keep(model, settings, start, entry), False


def _start_and_keep(model: Path, settings: Any, start: Callable[[Path], Any], entry: Entry) -> Any:
    file = entry.path.with_name(f".{entry.path.name}.{os.urandom(4).hex()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        settings.optimized_model_filepath = str(file)
        session = start(model)
        with file.open("ab") as stream:
            stream.write(_unknown_field(entry.tail_bytes))
        entry.keep(file)
    except (
        Exception
    ):  # the cache can't be written, or the model is at fault, which is then raised again
        settings.optimized_model_filepath = ""
        session = start(model)
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
    return session


def _unknown_field(size: int) -> bytes:
    """What makes the next ``size`` bytes (128 to 16383) a field that protobuf passes over: 1023."""
    return b"\xfa\x3f" + bytes([size & 0x7F | 0x80, size >> 7])


def can_bind(session: Any) -> bool:
    """Whether all that a session takes and gives are numbers: texts can't be bound.

    Binding a text is refused, and copying one that was bound ends the process (1.32).
    """
    return all(
        "string" not in item.type for item in (*session.get_inputs(), *session.get_outputs())
    )


@dataclass(frozen=True)
class Placed:
    """A feed in a device's memory.

    Attributes:
        bound: ONNX Runtime's binding of the inputs and outputs.
        inputs: what it is bound to, which it does not keep itself before 1.32.
    """

    bound: Any
    inputs: dict[str, Any]


class Binding:
    """Runs a session on one device's memory; the device ``cpu`` takes the same way as ``cuda``.

    Attributes:
        device: as ONNX Runtime names it, ``cuda`` or ``cpu``.
        device_id: which of them.
    """

    def __init__(self, onnxruntime: Any, session: Any, device: str, device_id: int = 0) -> None:
        self.device, self.device_id = device, device_id
        self._to_device = onnxruntime.OrtValue.ortvalue_from_numpy
        self._session = session
        self._names = [item.name for item in session.get_outputs()]
        self._inputs: dict[str, Any] = {}
        self._signature: object = None
        self._bound = session.io_binding()

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Copy the feed to the device, run, wait, and copy the outputs to arrays of their own.

        The memory that the last feed took is written again where the next has its shapes.
        """
        signature = feed_signature(feed)
        if signature == self._signature:
            for name, value in self._inputs.items():
                value.update_inplace(np.require(feed[name], requirements="C"))
        else:
            self._signature = None  # until every input is in place
            self._bound.clear_binding_inputs()
            self._inputs = self._bind_inputs(self._bound, feed)
            self._signature = signature
        self._bind_outputs(self._bound)  # their shapes may be others than the last time
        self._run(self._bound)
        return dict(zip(self._names, self._bound.copy_outputs_to_cpu(), strict=True))

    def place(self, feed: Feed) -> Placed:
        """Copy a feed to memory of its own on the device; its outputs will stay there as well."""
        bound = self._session.io_binding()
        inputs = self._bind_inputs(bound, feed)
        self._bind_outputs(bound)
        return Placed(bound, inputs)

    def infer_placed(self, placed: Placed) -> None:
        """Run on what ``place`` gave, without a copy from or to the host, and wait."""
        self._run(placed.bound)

    def _run(self, bound: Any) -> None:
        self._session.run_with_iobinding(bound)
        bound.synchronize_outputs()

    def _bind_inputs(self, bound: Any, feed: Feed) -> dict[str, Any]:
        # a copy, for on the device "cpu" ONNX Runtime would keep and later write the caller's
        values = {
            name: self._to_device(np.array(item, order="C"), self.device, self.device_id)
            for name, item in feed.items()
        }
        for name, value in values.items():
            bound.bind_ortvalue_input(name, value)
        bound.synchronize_inputs()
        return values

    def _bind_outputs(self, bound: Any) -> None:
        bound.clear_binding_outputs()
        for name in self._names:
            bound.bind_output(name, self.device, self.device_id)
