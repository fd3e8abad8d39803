"""An inference request and its answer, whatever carried them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from paddleport.serve.open_inference.datatypes import BYTES
from paddleport.tensors import Array

Parameters = Mapping[str, Any]


class RequestTensor(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a request.

    Attributes:
        name: of the model's input.
        datatype: the protocol's.
        shape: every size 0 or more; its product is the number of values.
        values: a view of the request's bytes where that is possible, and then read-only; in
            bytes objects, of dtype object, for BYTES; float32 for BF16.
        parameters: the client's.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Array
    parameters: Parameters = {}  # msgspec copies it

    @property
    def is_bytes(self) -> bool:
        """Whether it has texts or files, not numbers."""
        return self.datatype == BYTES


class RequestedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One output that a client asks for.

    Attributes:
        name: of the model's output.
        binary: after the JSON, not in it.
        classification: this many classes of largest score as texts, in the numbers' place; 0 is
            the numbers.
    """

    name: str
    binary: bool = False
    classification: int = 0


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request, read.

    Attributes:
        inputs: by name no more than once.
        outputs: those asked for; ``None`` is all.
        id: the client's own, given back.
        parameters: the client's.
        binary: whether outputs that do not say are given after the JSON, not in it.
    """

    inputs: Sequence[RequestTensor]
    outputs: Sequence[RequestedOutput] | None = None
    id: str = ""
    parameters: Parameters = {}  # msgspec copies it
    binary: bool = False


class ResponseTensor(msgspec.Struct, frozen=True, kw_only=True):
    """One output of an answer.

    Attributes:
        name: of the model's output.
        datatype: the protocol's.
        values: in the output's shape; bytes objects for BYTES.
        binary: after the JSON, not in it.
    """

    name: str
    datatype: str
    values: Array
    binary: bool = False


class InferResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, before it is written."""

    model: str
    outputs: Sequence[ResponseTensor]
    id: str = ""


def texts(values: Sequence[str | bytes]) -> Array:
    """Texts and bytes as the values of a tensor of BYTES, [count]."""
    made = np.empty(len(values), object)
    made[:] = [item.encode() if isinstance(item, str) else item for item in values]
    return made
