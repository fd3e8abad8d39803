"""The protocol over gRPC: what is refused, deadlines, tokens; foreign clients have the rest."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from fake_hosts import EVERY, Identity, serving

from paddleport.serve.hosting.model_host import OverloadedError
from paddleport.serve.rpc.open_inference_messages import METHODS, SERVICE, message
from paddleport.serve.server import Addresses
from paddleport.serve.server_metrics import ServerMetrics


@pytest.fixture(scope="module")
def at() -> Iterator[Addresses]:
    with serving(Identity("echo", EVERY), Identity("one"), max_body_bytes=2**20) as found:
        yield found


def call(address: str, name: str, asked: Any, *, metadata: Any = (), timeout: float = 10) -> Any:
    with grpc.insecure_channel(address) as channel:
        _, answer = METHODS[name]
        method = channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda it: it if isinstance(it, bytes) else it.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return method(asked, timeout=timeout, metadata=metadata)


def request(model: str = "one", **changes: Any) -> Any:
    plain = {"name": "in_float32", "datatype": "FP32", "shape": [1, 2]}
    raws = changes.pop("raws", [np.array([1.5, -2], np.float32).tobytes()])
    return message("ModelInferRequest")(
        model_name=model, inputs=[plain | changes], raw_input_contents=raws
    )


def refusal(address: str, asked: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(address, "ModelInfer", asked, **options)
    error: Any = raised.value
    return error.code().name, error.details()


def test_typed_contents_are_read(at: Addresses) -> None:
    given = request(contents={"fp32_contents": [3, 4]}, raws=[])
    answer = call(at.grpc, "ModelInfer", given)
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [3, 4]
    assert list(answer.outputs[0].shape) == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"raws": [b"abc"]}, "3 bytes"),
        ({"raws": [b"12345678"] * 2}, "2 raw_input_contents"),
        ({"shape": [-1, 2]}, "shape"),
        ({"shape": [2**40, 4]}, "8 bytes"),
        ({"shape": [1, 2**62, 0], "raws": [b""]}, "more elements than there are"),
        ({"raws": [], "contents": {"fp32_contents": [1, 2], "int_contents": [1]}}, "has int_"),
        ({"datatype": "FP99"}, "no datatype"),
        ({"datatype": "INT64", "shape": [1, 1]}, "takes FP32"),
        ({"datatype": "BF16", "raws": [], "contents": {"fp32_contents": [1, 2]}}, "raw_input"),
        ({"raws": [], "contents": {"fp32_contents": [1]}}, "1 values"),
        ({"datatype": "INT8", "raws": [], "contents": {"int_contents": [1, 300]}}, "beyond INT8"),
        ({"contents": {"fp32_contents": [1, 2]}}, "contents and raw"),
        ({"name": "other"}, "other"),
        ({"parameters": {"shared_memory_region": {"string_param": "x"}}}, "shared memory"),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said(
    at: Addresses, changes: dict[str, Any], words: str
) -> None:
    code, details = refusal(at.grpc, request(**changes))
    assert code == "INVALID_ARGUMENT" and words in details and "\n" not in details


def test_what_is_no_message_or_too_large(at: Addresses) -> None:
    assert refusal(at.grpc, b"\xff\xff\xff")[0] == "INVALID_ARGUMENT"
    assert refusal(at.grpc, request(raws=[b"x" * 2**21]))[0] == "RESOURCE_EXHAUSTED"
    assert refusal(at.grpc, request("nobody"))[0] == "NOT_FOUND"
    code, details = refusal(at.grpc, request("n" * 200_000))  # which the answer names
    assert code == "NOT_FOUND" and len(details) == 2000
    assert call(at.grpc, "ServerLive", message("ServerLiveRequest")()).live


def test_a_clients_deadline_cancels_what_it_asked() -> None:
    host, metrics = Identity("one", delay_s=30), ServerMetrics()
    with serving(host, metrics=metrics) as at:
        assert refusal(at.grpc, request(), timeout=0.4)[0] == "DEADLINE_EXCEEDED"
        host.check_cancelled()
        assert 'errors_total{kind="GoneError",model="one"} 1.0' in metrics.text().decode()


def test_the_parameter_timeout_is_a_deadline_here_too() -> None:
    host = Identity("one")

    def asked(timeout: int) -> Any:
        found = request()
        found.parameters["timeout"].int64_param = timeout
        return found

    with serving(host) as at:
        call(at.grpc, "ModelInfer", asked(2_500_000))
        assert host.deadline_s == 2.5
        call(at.grpc, "ModelInfer", asked(60_000_000), timeout=5)
        # gRPC rounds a timeout up when it sends it: 5.01 s was seen.
        assert host.deadline_s is not None and 4 < host.deadline_s < 6
        assert refusal(at.grpc, asked(-1))[0] == "INVALID_ARGUMENT"


def test_a_model_is_loaded_as_it_lies_there(at: Addresses) -> None:
    asked = message("RepositoryModelLoadRequest")(model_name="one")
    asked.parameters["config"].string_param = "{}"
    with pytest.raises(grpc.RpcError) as raised:
        call(at.grpc, "RepositoryModelLoad", asked)
    error: Any = raised.value
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "config" in error.details()


def test_overload_says_when_to_come_again() -> None:
    host = Identity("one")
    host.error = OverloadedError("full", 1.5)
    with serving(host) as at, pytest.raises(grpc.RpcError) as raised:
        call(at.grpc, "ModelInfer", request())
    error: Any = raised.value
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(error.trailing_metadata())["retry-after"] == "1.500"


def test_a_token_is_asked_for() -> None:
    with serving(Identity("one"), token="secret") as at:
        assert call(at.grpc, "ServerLive", message("ServerLiveRequest")()).live
        for metadata, why in (
            ((), "asks for a token"),
            ((("authorization", "Bearer other"),), "is not this server's"),
        ):
            status, said = refusal(at.grpc, request(), metadata=metadata)
            assert status == "UNAUTHENTICATED" and why in said
        right = (("authorization", "Bearer secret"),)
        assert call(at.grpc, "ModelInfer", request(), metadata=right).model_name == "one"
