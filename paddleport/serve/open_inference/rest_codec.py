"""The bodies of REST: JSON, and binary tensors after it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from paddleport.serve.open_inference.datatypes import ProtocolError, TooLargeError, width_of
from paddleport.serve.open_inference.json_values import read_json, write_json
from paddleport.serve.open_inference.messages import (
    InferRequest,
    InferResponse,
    RequestedOutput,
    RequestTensor,
)
from paddleport.serve.open_inference.raw_values import Raw, checked_shape, read_raw, write_raw

JSON_LENGTH = "inference-header-content-length"
"""The header that says where in a body the binary tensors begin."""

MOST_JSON_BYTES = 16 << 20
"""Of a request: everybody waits while they are read, a second for this many."""

_MOST_TENSORS = 1000


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}  # msgspec copies it
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}  # msgspec copies it


class _Request(msgspec.Struct):
    inputs: list[_Input]
    outputs: list[_Output] | None = None
    id: str = ""
    parameters: dict[str, Any] = {}  # msgspec copies it


_DECODER = msgspec.json.Decoder(_Request)


def read_request(body: Raw, json_length: int | None) -> InferRequest:
    """A request; numbers that came as binary data are views of ``body``.

    Args:
        body: all of it.
        json_length: what ``JSON_LENGTH`` says; ``None`` where the whole body is JSON.

    Raises:
        ProtocolError: it is not what the protocol allows.
        TooLargeError: it has more than ``MOST_JSON_BYTES`` of JSON.
    """
    view = memoryview(body)
    end = len(view) if json_length is None else json_length
    if not 0 <= end <= len(view):
        raise ProtocolError(f"{JSON_LENGTH} is {end}, and the body has {len(view)} bytes")
    if end > MOST_JSON_BYTES:
        raise TooLargeError(
            f"{end} bytes of JSON: {MOST_JSON_BYTES} are the most, send tensors as binary data"
        )
    try:
        asked = _DECODER.decode(view[:end])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the body is no inference request: {error}") from None
    check_names("input", [item.name for item in asked.inputs])
    place = end
    inputs = []
    for item in asked.inputs:
        tensor, place = _input(item, view, place)
        inputs.append(tensor)
    if place != len(view):
        raise ProtocolError(f"the body has {len(view) - place} bytes after its last tensor")
    return InferRequest(
        inputs=inputs,
        outputs=None if asked.outputs is None else _outputs(asked.outputs, asked.parameters),
        id=asked.id,
        parameters=asked.parameters,
        binary=_flag(asked.parameters, "binary_data_output"),
    )


def write_response(response: InferResponse) -> tuple[list[Raw], dict[str, str]]:
    """The parts of a body, and the headers that belong to it.

    Raises:
        ProtocolError: a value that JSON has not, in an output that was not asked for as binary.
    """
    outputs: list[dict[str, Any]] = []
    parts: list[Raw] = []
    for item in response.outputs:
        told: dict[str, Any] = {
            "name": item.name,
            "datatype": item.datatype,
            "shape": list(item.values.shape),
        }
        if item.binary:
            raw = write_raw(item.datatype, item.values)
            parts.append(raw)
            told["parameters"] = {"binary_data_size": len(raw)}
        else:
            told["data"] = write_json(item.name, item.datatype, item.values)
        outputs.append(told)
    answer: dict[str, Any] = {"model_name": response.model, "model_version": "1"}
    if response.id:
        answer["id"] = response.id
    head = msgspec.json.encode(answer | {"outputs": outputs})
    if not parts:
        return [head], {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return [head, *parts], headers


def check_names(what: str, names: list[str]) -> None:
    """Refuse what has a name twice, or far too many.

    Raises:
        ProtocolError: so it is.
    """
    if len(names) > _MOST_TENSORS:
        raise ProtocolError(f"a request with {len(names)} {what}s: {_MOST_TENSORS} is the most")
    if len(set(names)) < len(names):
        raise ProtocolError(f"a request with two {what}s of one name")


def refuse_shared_memory(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise ProtocolError for a tensor that is said to lie in this machine's memory."""
    if any(key.startswith("shared_memory") for key in parameters):
        raise ProtocolError(
            f"{name} is said to lie in shared memory, which this server does not open: send its "
            "values"
        )


def _input(item: _Input, view: memoryview, place: int) -> tuple[RequestTensor, int]:
    """One input, and where the next one's bytes begin."""
    refuse_shared_memory(item.name, item.parameters)
    shape = checked_shape(item.name, item.shape)
    width_of(item.datatype)
    size, listed = item.parameters.get("binary_data_size"), bytes(item.data)
    if size is None:
        if not listed:
            raise ProtocolError(f"input {item.name} has neither data nor binary_data_size")
        values = read_json(item.name, item.datatype, shape, listed)
    else:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ProtocolError(f"input {item.name} has binary_data_size {size!r:.40}")
        if listed:
            raise ProtocolError(f"input {item.name} has data and binary_data_size: one of them")
        if place + size > len(view):
            raise ProtocolError(
                f"input {item.name} is said to have {size} bytes, and {len(view) - place} are left"
            )
        values = read_raw(item.name, item.datatype, shape, view[place : place + size])
        place += size
    return (
        RequestTensor(
            name=item.name,
            datatype=item.datatype,
            shape=shape,
            values=values,
            parameters=item.parameters,
        ),
        place,
    )


def _outputs(items: list[_Output], request: Mapping[str, Any]) -> list[RequestedOutput]:
    check_names("output", [item.name for item in items])
    binary = _flag(request, "binary_data_output")
    found = []
    for item in items:
        refuse_shared_memory(item.name, item.parameters)
        found.append(
            RequestedOutput(
                name=item.name,
                binary=_flag(item.parameters, "binary_data", otherwise=binary),
                classification=classes_in(item.name, item.parameters),
            )
        )
    return found


def classes_in(name: str, parameters: Mapping[str, Any]) -> int:
    """What the parameter ``classification`` says; 0 where it is not there.

    Raises:
        ProtocolError: it is no count.
    """
    count = parameters.get("classification", 0)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ProtocolError(f"output {name} has classification {count!r:.40}: a count, please")
    return count


def _flag(parameters: Mapping[str, Any], key: str, *, otherwise: bool = False) -> bool:
    value = parameters.get(key, otherwise)
    if not isinstance(value, bool):
        raise ProtocolError(f"the parameter {key} is {value!r:.40}: true or false, please")
    return value
