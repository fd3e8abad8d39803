"""ONNX Runtime with its inputs and outputs in a device's own memory, so that copies are ours."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleport.tensors import Array, Feed, feed_signature


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
