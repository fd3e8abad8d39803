"""What a device folder is asked to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET
from paddleport.runners.runner_options import Precision
from paddleport.tensors import GivenFeeds, ShapeRange

if TYPE_CHECKING:
    from paddleport.convert.precision.gate_inputs import GateOptions


@dataclass(frozen=True, kw_only=True)
class DeviceRequest:
    """What a folder is to hold.

    Attributes:
        to: a target's name.
        asked: what the user calls the model, so that its answers can be looked into later.
        weights: that were asked for.
        precision: of the file; ``None`` is fp32.
        opset: of the ONNX file between.
        shapes: input name to its shapes, where the model leaves them free.
        feed: tensors to feed, instead of made-up ones.
        pictures: files to feed, instead of drawn ones.
        keep_fp32: layers that a lower precision leaves alone.
        gate: how a lower precision is checked.
        timeout_s: for the conversion.
    """

    to: str
    asked: str
    weights: str = "auto"
    precision: Precision | None = None
    opset: int = DEFAULT_OPSET
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    feed: GivenFeeds = ()
    pictures: Sequence[Path] = ()
    keep_fp32: Sequence[str] = ()
    gate: "GateOptions | None" = None
    timeout_s: float | None = None
