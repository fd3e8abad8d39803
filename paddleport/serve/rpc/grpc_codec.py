"""Requests out of protobuf messages, and answers into them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from paddleport.serve.open_inference.datatypes import BYTES, NUMPY, ProtocolError, width_of
from paddleport.serve.open_inference.messages import (
    InferRequest,
    InferResponse,
    RequestedOutput,
    RequestTensor,
    texts,
)
from paddleport.serve.open_inference.raw_values import checked_shape, read_raw, write_raw
from paddleport.serve.open_inference.rest_codec import (
    check_names,
    classes_in,
    refuse_shared_memory,
)
from paddleport.serve.rpc.open_inference_messages import message
from paddleport.tensors import Array

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field that has a datatype's values where they are not raw; BF16 and FP16 have none."""


def read_request(asked: Any) -> InferRequest:
    """A ``ModelInferRequest``; raw numbers are views of its bytes.

    Raises:
        ProtocolError: it is not what the protocol allows.
    """
    raws = asked.raw_input_contents
    check_names("input", [item.name for item in asked.inputs])
    if raws and len(raws) != len(asked.inputs):
        raise ProtocolError(
            f"the request has {len(asked.inputs)} inputs and {len(raws)} raw_input_contents"
        )
    inputs = []
    for place, item in enumerate(asked.inputs):
        refuse_shared_memory(item.name, _parameters(item.parameters))
        shape = checked_shape(item.name, list(item.shape))
        width_of(item.datatype)
        if raws:
            if item.HasField("contents"):
                raise ProtocolError(f"input {item.name} has contents and raw_input_contents")
            values = read_raw(item.name, item.datatype, shape, raws[place])
        else:
            values = _contents(item, shape)
        inputs.append(
            RequestTensor(
                name=item.name,
                datatype=item.datatype,
                shape=shape,
                values=values,
                parameters=_parameters(item.parameters),
            )
        )
    return InferRequest(
        inputs=inputs,
        outputs=_outputs(asked.outputs) or None,
        id=asked.id,
        parameters=_parameters(asked.parameters),
        binary=True,
    )


def write_response(response: InferResponse) -> Any:
    """A ``ModelInferResponse`` with raw values, which every client of the protocol reads."""
    answer = message("ModelInferResponse")(
        model_name=response.model, model_version="1", id=response.id
    )
    for item in response.outputs:
        answer.outputs.add(name=item.name, datatype=item.datatype, shape=item.values.shape)
        answer.raw_output_contents.append(bytes(write_raw(item.datatype, item.values)))
    return answer


def _contents(item: Any, shape: tuple[int, ...]) -> Array:
    field = _CONTENTS.get(item.datatype)
    if field is None:
        raise ProtocolError(
            f"input {item.name} is {item.datatype}, which is sent in raw_input_contents"
        )
    if strange := [other.name for other, _ in item.contents.ListFields() if other.name != field]:
        raise ProtocolError(f"input {item.name} is {item.datatype}, and has {strange[0]}")
    listed = getattr(item.contents, field)
    if len(listed) != math.prod(shape):
        raise ProtocolError(
            f"input {item.name} has {len(listed)} values in {field}, and its shape "
            f"{list(shape)} takes {math.prod(shape)}"
        )
    if item.datatype == BYTES:
        return texts(listed).reshape(shape)
    wide = np.array(listed)
    values: Array = wide.astype(NUMPY[item.datatype])
    if values.dtype.kind in "iu" and not np.array_equal(values, wide):
        raise ProtocolError(f"input {item.name} has a value beyond {item.datatype}")
    return values.reshape(shape)


def _outputs(items: Any) -> list[RequestedOutput]:
    check_names("output", [item.name for item in items])
    found = []
    for item in items:
        parameters = _parameters(item.parameters)
        refuse_shared_memory(item.name, parameters)
        found.append(
            RequestedOutput(
                name=item.name, binary=True, classification=classes_in(item.name, parameters)
            )
        )
    return found


def _parameters(given: Any) -> Mapping[str, Any]:
    return {
        key: getattr(value, value.WhichOneof("parameter_choice") or "string_param")
        for key, value in given.items()
    }
