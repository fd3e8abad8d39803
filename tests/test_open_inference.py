"""The protocol's codec alone: every value comes back, and no bytes do anything but be refused."""

import json
import math
from typing import Any

import numpy as np
import pytest
from fake_hosts import EVERY
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paddleport.serve.open_inference.datatypes import (
    BF16,
    BYTES,
    ProtocolError,
    TooLargeError,
    datatype_of,
)
from paddleport.serve.open_inference.inference import deadline_of
from paddleport.serve.open_inference.json_values import MOST_VALUES
from paddleport.serve.open_inference.messages import InferResponse, ResponseTensor, texts
from paddleport.serve.open_inference.raw_values import as_bf16, read_raw, write_raw
from paddleport.serve.open_inference.rest_codec import (
    JSON_LENGTH,
    MOST_JSON_BYTES,
    read_request,
    write_response,
)
from paddleport.tensors import Array

TENSORS = st.sampled_from(EVERY).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
)


def echoed(values: Array, *, binary: bool) -> Array:
    """Written as an output, read as an input of the same name."""
    datatype = BYTES if values.dtype == object else datatype_of(values.dtype.name)
    tensor = ResponseTensor(name="x", datatype=datatype, values=values, binary=binary)
    parts, headers = write_response(InferResponse(model="m", outputs=[tensor]))
    length = headers.get(JSON_LENGTH)
    told = json.loads(bytes(parts[0]))
    told["inputs"] = told.pop("outputs")
    head = json.dumps(told).encode()
    body = head + b"".join(parts[1:])
    (item,) = read_request(body, None if length is None else len(head)).inputs
    return item.values


@given(TENSORS)
def test_every_value_comes_back_as_binary(values: Array) -> None:
    found = echoed(values, binary=True)
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert found.tobytes() == values.tobytes()
    assert not found.flags.writeable


@given(TENSORS)
def test_every_finite_value_comes_back_as_json(values: Array) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        with pytest.raises(ProtocolError, match="NaN or infinity"):
            echoed(values, binary=False)
        return
    found = echoed(values, binary=False)
    assert found.shape == values.shape
    assert np.array_equal(found, values)


@given(st.lists(st.binary(max_size=9), max_size=5))
def test_bytes_come_back(items: list[bytes]) -> None:
    values = texts(items)
    found = echoed(values, binary=True)
    assert found.tolist() == items


def test_bf16_is_rounded_to_the_nearest_even() -> None:
    ones = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -1e38, np.inf, -np.inf], np.float32)
    raw = bytes(write_raw(BF16, ones))
    found = read_raw("x", BF16, (6,), raw)
    assert found.tolist()[:3] == [1, 1, 1 + 2**-6]
    assert np.array_equal(found, as_bf16(ones)) and np.isinf(found[4:]).all()
    assert math.isnan(read_raw("x", BF16, (1,), write_raw(BF16, np.array([np.nan])))[0])


@given(st.binary(max_size=200), st.none() | st.integers(-5, 300))
def test_no_bytes_do_anything_but_be_refused(body: bytes, length: int | None) -> None:
    with pytest.raises(ProtocolError):
        read_request(body, length)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {
            "name": st.just("x") | JSON,
            "datatype": st.sampled_from(["FP32", "INT8", "BOOL", "BYTES", "FP16", "BF16"]) | JSON,
            "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        },
        optional={
            "data": JSON,
            "parameters": st.fixed_dictionaries({"binary_data_size": JSON}) | JSON,
        },
    ),
    st.binary(max_size=20),
)
def test_almost_requests_are_read_or_refused(item: dict[str, Any], after: bytes) -> None:
    head = json.dumps({"inputs": [item]}).encode()
    try:
        found = read_request(head + after, len(head))
    except ProtocolError as error:
        assert "\n" not in str(error).strip()
        return
    assert found.inputs[0].values.shape == found.inputs[0].shape


@given(st.binary(max_size=60), st.integers(0, 10))
def test_lengths_of_elements_never_lead_out(raw: bytes, count: int) -> None:
    try:
        found = read_raw("x", BYTES, (count,), raw)
    except ProtocolError:
        return
    assert sum(len(item) + 4 for item in found) == len(raw)


def test_json_has_an_end_that_binary_data_has_not() -> None:
    body = b'{"inputs": [], "id": "' + b"x" * MOST_JSON_BYTES + b'"}'
    with pytest.raises(TooLargeError, match="send tensors as binary data"):
        read_request(body, None)
    many = np.zeros(MOST_VALUES + 1, np.int8)
    assert np.array_equal(echoed(many, binary=True), many)
    with pytest.raises(ProtocolError, match="ask for it as binary data"):
        echoed(many, binary=False)


@pytest.mark.parametrize("timeout", [-1, True, "1", 10**400])
def test_a_deadline_is_a_count_of_microseconds(timeout: object) -> None:
    assert deadline_of({"timeout": 2_500_000}) == 2.5
    with pytest.raises(ProtocolError, match="microseconds"):
        deadline_of({"timeout": timeout})
