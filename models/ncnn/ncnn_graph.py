"""What stands in a pair of ncnn files: layers with their parameters and weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from paddleport.errors import ModelFileError
from paddleport.tensors import Array

FP32_FLAG, FP16_FLAG, INT8_FLAG, SCALED_FLAG = 0, 0x01306B47, 0x000D4B38, 0x0002C056


@dataclass(frozen=True, kw_only=True)
class NcnnWeight:
    """One array of a layer, as it is stored.

    Attributes:
        name: that of ncnn's documentation, such as ``weight_data``.
        flag: the word before it, which says how it is stored; ``None`` where none is written,
            and it is float32.
        stored: flat; float32, float16, int8, or uint8 that index ``table``.
        table: the 256 values of a quantised array.
        padding: the bytes after it, up to a multiple of four.
    """

    name: str
    flag: int | None
    stored: Array
    table: Array | None = None
    padding: bytes = b""

    @property
    def values(self) -> Array:
        """Flat, float32; of int8 the whole numbers, which are still to be divided by a scale."""
        if self.table is not None:
            return np.asarray(self.table[self.stored])
        return self.stored.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class NcnnLayer:
    """One line of the .param file, with its weights.

    ncnn tells numbers by their text: with a point or an e they are float32, else int32. A whole
    number is taken where a float32 is wanted, but not the other way round.

    Attributes:
        operator: the layer's type, such as ``ConvolutionDepthWise``.
        name: not always unique: pnnx gives some twice.
        inputs, outputs: names of blobs.
        parameters: the texts as they stand in the file, by number; arrays of the old style begin
            with their length.
        old_arrays: the numbers of those that are written as ``-233xx=length,...``.
        weights: in the file's order.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[int, str]
    old_arrays: frozenset[int] = frozenset()
    weights: tuple[NcnnWeight, ...] = ()

    def integer(self, number: int, default: int = 0) -> int:
        """A whole number.

        Raises:
            ModelFileError: it is a float32 in the file, which ncnn refuses.
        """
        text = self.parameters.get(number)
        return default if text is None else self._whole(number, text)

    def number(self, number: int, default: float = 0.0) -> float:
        """A float32."""
        return float(np.float32(self.parameters.get(number, default)))

    def integers(self, number: int) -> tuple[int, ...]:
        """An array of whole numbers, empty where it is not there.

        Raises:
            ModelFileError: as ``integer``.
        """
        return tuple(self._whole(number, item) for item in self._items(number))

    def numbers(self, number: int) -> tuple[float, ...]:
        """An array of float32, empty where it is not there."""
        return tuple(float(np.float32(item)) for item in self._items(number))

    def text(self, number: int) -> str:
        """A text without its quotes, empty where it is not there."""
        return self.parameters.get(number, "").strip('"')

    def weight(self, name: str) -> NcnnWeight | None:
        """The array of that name, where the layer has it."""
        return next((item for item in self.weights if item.name == name), None)

    def values(self, name: str) -> Array:
        """The array of that name, flat, float32.

        Raises:
            KeyError: the layer has none.
        """
        found = self.weight(name)
        if found is None:
            raise KeyError(name)
        return found.values

    def with_parameters(self, changed: Mapping[int, str]) -> "NcnnLayer":
        """The same layer with other texts, the new ones at the end."""
        return replace(self, parameters={**self.parameters, **changed})

    def _items(self, number: int) -> list[str]:
        text = self.parameters.get(number, "").removesuffix(",")
        items = text.split(",") if text else []
        return items[1:] if number in self.old_arrays else items

    def _whole(self, number: int, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise ModelFileError(
                f"layer {self.name} of the ncnn file has {text} as its parameter {number}, where "
                "a whole number belongs"
            ) from None


@dataclass(frozen=True)
class NcnnGraph:
    """Everything that a pair of ncnn files holds.

    Attributes:
        layers: each after those whose blobs it takes.
    """

    layers: tuple[NcnnLayer, ...]

    @property
    def blobs(self) -> tuple[str, ...]:
        """Every blob, in the order in which they are computed."""
        return tuple(name for layer in self.layers for name in layer.outputs)

    @property
    def results(self) -> tuple[str, ...]:
        """The blobs that no layer takes, in the order in which they are computed."""
        taken = {name for layer in self.layers for name in layer.inputs}
        return tuple(name for name in self.blobs if name not in taken)

    def with_layers(self, changed: Mapping[int, NcnnLayer]) -> "NcnnGraph":
        """The graph with other layers at some places, counted from 0."""
        layers = enumerate(self.layers)
        return NcnnGraph(tuple(changed.get(place, layer) for place, layer in layers))


def is_float(text: str) -> bool:
    """Whether ncnn reads a number's text as float32."""
    return "." in text or "e" in text.lower()
