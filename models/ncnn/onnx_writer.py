"""An ONNX graph put together node by node, with the shape of every tensor known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleport.tensors import Array

if TYPE_CHECKING:
    import onnx

OPSET = 21  # GroupNormalization has a scale per channel from here on
IR_VERSION = 10  # of that opset


@dataclass(frozen=True)
class Blob:
    """One of ncnn's blobs as a tensor of ONNX: its samples one after another.

    Attributes:
        name: of the tensor, whose shape is (samples, *shape).
        shape: of one sample, outermost first: (c, h, w), (c, d, h, w), (h, w) or (w,).
        samples: their number; 1 for constants, which are broadcast.
    """

    name: str
    shape: tuple[int, ...]
    samples: int = 1

    @property
    def size(self) -> int:
        """Values of one sample."""
        return prod(self.shape)

    def axis(self, axis: int) -> int:
        """Ncnn's axis, negative ones from the end, as one of the tensor."""
        return axis % len(self.shape) + 1


class OnnxWriter:
    """Collects nodes and constants.

    Attributes:
        prefix: of the names of what comes next.
        nodes, initializers: what there is so far.
    """

    def __init__(self) -> None:
        self.prefix = ""
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(
        self,
        operator: str,
        inputs: Sequence[Blob | str],
        shape: Sequence[int],
        *,
        samples: int | None = None,
        **attributes: Any,
    ) -> Blob:
        """Add a node with one output.

        Args:
            operator: ONNX's.
            inputs: blobs, and names of constants.
            shape: of the output's sample.
            samples: of the output; by default the most that an input has.
            attributes: ONNX's.
        """
        return self.several(operator, inputs, [shape], samples=samples, **attributes)[0]

    def several(
        self,
        operator: str,
        inputs: Sequence[Blob | str],
        shapes: Sequence[Sequence[int]],
        *,
        samples: int | None = None,
        **attributes: Any,
    ) -> list[Blob]:
        """The same with several outputs."""
        import onnx

        if samples is None:
            samples = max((item.samples for item in inputs if isinstance(item, Blob)), default=1)
        names = [item.name if isinstance(item, Blob) else item for item in inputs]
        at = len(self.nodes)
        outputs = [
            Blob(f"{self.prefix}/{operator}.{at}.{index}", tuple(shape), samples)
            for index, shape in enumerate(shapes)
        ]
        made = onnx.helper.make_node(
            operator,
            names,
            [item.name for item in outputs],
            name=f"{self.prefix}/{operator}.{at}",
            **attributes,
        )
        self.nodes.append(made)
        return outputs

    def constant(self, values: Any) -> str:
        """The name of a constant of any shape; numbers become float32, whole ones stay."""
        from onnx import numpy_helper

        tensor = np.asarray(values)
        if tensor.dtype.kind == "f":
            tensor = tensor.astype(np.float32)
        name = f"{self.prefix}/constant.{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(tensor), name))
        return name

    def integers(self, *values: int) -> str:
        """The name of a constant of 64-bit whole numbers, such as a shape."""
        return self.constant(np.array(values, np.int64))

    def constant_blob(self, values: Array) -> Blob:
        """A blob of one sample with these values."""
        return Blob(self.constant(values[None]), values.shape)

    def reshaped(self, x: Blob, shape: Sequence[int]) -> Blob:
        """The same values of each sample in another shape."""
        if tuple(shape) == x.shape:
            return x
        return self.node("Reshape", [x, self.integers(x.samples, *shape)], shape)

    def repeated(self, x: Blob, samples: int) -> Blob:
        """A constant as often as there are samples."""
        if x.samples == samples:
            return x
        wanted = self.integers(samples, *x.shape)
        return self.node("Expand", [x, wanted], x.shape, samples=samples)

    def published(self, x: Blob, name: str) -> Blob:
        """The blob under its name in the file: its node's output is renamed where that can be."""
        last = self.nodes[-1] if self.nodes else None
        if last is not None and list(last.output) == [x.name] and x.name.startswith(self.prefix):
            last.output[0] = name
        else:
            self.node("Identity", [x], x.shape)
            self.nodes[-1].output[0] = name
        return Blob(name, x.shape, x.samples)
