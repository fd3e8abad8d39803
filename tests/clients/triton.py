"""Run in an environment with tritonclient: every call of both its clients, every datatype.

Arguments: the HTTP address without its scheme, the gRPC address. Ends with 1 and a traceback where
an answer is not what was sent.
"""

import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

EVERY = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
EVERY += ("float16", "float32", "float64")


def feed(module: Any, *, binary: bool) -> tuple[list[Any], dict[str, Any]]:
    """An input of every type; JSON has no float16 here."""
    rng = np.random.default_rng(0)
    inputs, sent = [], {}
    for dtype in EVERY:
        values = rng.integers(0, 2 if dtype == "bool" else 100, (2, 3)).astype(dtype)
        item = module.InferInput(f"in_{dtype}", [2, 3], np_to_triton_dtype(values.dtype))
        if module is over_http:
            item.set_data_from_numpy(values, binary_data=binary or dtype == "float16")
        else:
            item.set_data_from_numpy(values)
        inputs.append(item)
        sent[dtype] = values
    return inputs, sent


def outputs(module: Any, *, binary: bool) -> list[Any]:
    if module is over_grpc:
        return [module.InferRequestedOutput(f"out_{dtype}") for dtype in EVERY]
    return [
        module.InferRequestedOutput(f"out_{dtype}", binary_data=binary or dtype == "float16")
        for dtype in EVERY
    ]


def check(module: Any, client: Any) -> None:
    assert client.is_server_live() and client.is_model_ready("echo")
    assert not client.is_server_ready()  # as one model is not
    assert not client.is_model_ready("waiting")
    told = client.get_server_metadata()
    assert (told["name"] if module is over_http else told.name) == "paddleport"
    model = client.get_model_metadata("echo")
    listed = model["inputs"] if module is over_http else model.inputs
    assert len(listed) == len(EVERY)
    index = client.get_model_repository_index()
    states = (
        index
        if module is over_http
        else [{"name": item.name, "state": item.state} for item in index.models]
    )
    assert {item["name"]: item["state"] for item in states} == {
        "echo": "READY",
        "pics": "READY",
        "waiting": "UNAVAILABLE",
    }
    for send, receive in ((True, True), (False, True), (True, False), (False, False)):
        inputs, sent = feed(module, binary=send)
        found = client.infer(
            "echo", inputs, outputs=outputs(module, binary=receive), request_id="7"
        )
        answer = found.get_response()
        assert (answer["id"] if module is over_http else answer.id) == "7"
        for dtype, values in sent.items():
            got = found.as_numpy(f"out_{dtype}")
            assert got.dtype == values.dtype and np.array_equal(got, values), dtype
    inputs, sent = feed(module, binary=True)
    found = client.infer("echo", inputs)
    assert np.array_equal(found.as_numpy("out_float32"), sent["float32"])
    classify(module, client)
    pictures(module, client)
    refused(module, client)


def classify(module: Any, client: Any) -> None:
    inputs, sent = feed(module, binary=True)
    asked = [module.InferRequestedOutput("out_int32", class_count=2)]
    found = client.infer("echo", inputs, outputs=asked).as_numpy("out_int32")
    first = found[0][0].decode().split(":")
    assert int(first[1]) == int(sent["int32"][0].argmax()), found


def pictures(module: Any, client: Any) -> None:
    item = module.InferInput("pictures", [2], "BYTES")
    item.set_data_from_numpy(np.array([b"abc", b"defgh"], object))
    found = client.infer("pics", [item])
    assert found.as_numpy("labels").tolist() == [[b"cat"], [b"cat"]]
    assert found.as_numpy("scores").tolist() == [[0.75], [0.75]]
    assert found.as_numpy("out_float32").tolist() == [[3.0], [5.0]]


def refused(module: Any, client: Any) -> None:
    item = module.InferInput("in_float32", [1, 2], "FP32")
    item.set_data_from_numpy(np.zeros((1, 2), np.float32))
    for call in (
        lambda: client.infer("nobody", [item]),
        lambda: client.infer("echo", [item]),
        lambda: client.infer("echo", [item], model_version="2"),
        lambda: client.load_model("echo"),
        lambda: client.unload_model("echo"),
    ):
        try:
            call()
        except InferenceServerException as error:
            assert "\n" not in error.message()
        else:
            raise AssertionError("it should have been refused")


def main() -> None:
    http, grpc = sys.argv[1:]
    check(over_http, over_http.InferenceServerClient(http))
    check(over_grpc, over_grpc.InferenceServerClient(grpc))
    print("all right")


if __name__ == "__main__":
    main()
