"""Cheap clients of the Open Inference Protocol: bytes made once, one connection a thread."""

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TOLERANCE = 1e-5
"""Of scores: other threads sum in another order. Other pictures' scores are farther away."""
DEADLINE_S = 30.0
RETRIES = 5
_GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked, and the right answers.

    Attributes:
        address: ``host:port``.
        model: its name there.
        input: its input's name.
        tensors: what is asked in turn, float32.
        answers: the right first output of each.
        grpc: by gRPC; else REST with binary tensors.
    """

    address: str
    model: str
    input: str
    tensors: Sequence[Any]
    answers: Sequence[Any]
    grpc: bool


@dataclass
class Tally:
    """What became of requests.

    Attributes:
        times_ms: of those answered.
        wrong: answers that were not right.
        refused: told to come again, as the queue was full.
        failed: told that they failed, as by a worker that ended; asked again.
        lost: not answered, or not in time, or not after ``RETRIES``.
    """

    times_ms: list[float] = field(default_factory=list)
    wrong: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0


class Refused(Exception):
    """The queue is full."""


class Failed(Exception):
    """The server told of an error."""


class ClientProcess:
    """Several clients in threads; in a process of its own."""

    def __init__(self, asked: Asked, clients: int) -> None:
        self._asked = asked
        connect = _by_grpc if asked.grpc else RestConnection
        self._calls = [connect(asked) for _ in range(clients)]

    def close(self) -> None:
        """End the connections by REST."""
        for call in self._calls:
            if isinstance(call, RestConnection):
                call.close()

    def one_by_one(self, count: int) -> list[float]:
        """Milliseconds of each of ``count`` requests of one client; all must be right."""
        tally = Tally()
        for index in range(count):
            self._ask(self._calls[0], index, tally)
        if len(tally.times_ms) != count or tally.wrong:
            raise RuntimeError(f"a request was not answered rightly: {tally}")
        return tally.times_ms

    def all_at_once(self, seconds: float) -> Tally:
        """Every client asks without pause for so long."""
        tallies = [Tally() for _ in self._calls]
        end = time.perf_counter() + seconds

        def client(number: int) -> None:
            index = number
            while time.perf_counter() < end:
                self._ask(self._calls[number], index, tallies[number])
                index += 1

        threads = [threading.Thread(target=client, args=(i,)) for i in range(len(tallies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return merged(tallies)

    def _ask(self, call: Callable[[int], Any], index: int, tally: Tally) -> None:
        """One request until it is answered; one that is told to come again does so."""
        which = index % len(self._asked.tensors)
        failures = 0
        while True:
            started = time.perf_counter()
            try:
                found = call(which)
            except Refused:
                tally.refused += 1
                time.sleep(0.02)
                continue
            except Failed:
                tally.failed += 1
                failures += 1
                if failures > RETRIES:
                    tally.lost += 1
                    return
                time.sleep(0.1)
                continue
            except Exception:  # the connection ended, or time is over: nobody told of it
                tally.lost += 1
                return
            tally.times_ms.append((time.perf_counter() - started) * 1e3)
            right = self._asked.answers[which]
            if found.shape != right.shape or np.abs(found - right).max() > TOLERANCE:
                tally.wrong += 1
            return


def merged(tallies: Sequence[Tally]) -> Tally:
    """All of them as one."""
    return Tally(
        times_ms=[ms for tally in tallies for ms in tally.times_ms],
        wrong=sum(tally.wrong for tally in tallies),
        refused=sum(tally.refused for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        lost=sum(tally.lost for tally in tallies),
    )


class RestConnection:
    """One connection that is kept, and opened again where it has ended."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._requests = [_rest_request(asked, tensor) for tensor in asked.tensors]
        self._size = asked.answers[0].nbytes
        self._socket: socket.socket | None = None

    def __call__(self, which: int) -> Any:
        """The answer to one request, float32 [N]."""
        if self._socket is None:
            host, _, port = self._asked.address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(self._requests[which])
            status, found = self._received(self._socket)
        except (OSError, ValueError):
            self.close()
            raise
        if status == 503:
            raise Refused
        if status != 200:
            raise Failed(found[:200])
        return np.frombuffer(found[-self._size :], np.float32)

    def close(self) -> None:
        """It is opened again by the next call."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @staticmethod
    def _received(connection: socket.socket) -> tuple[int, bytes]:
        found = b""
        while (end := found.find(b"\r\n\r\n")) < 0:
            more = connection.recv(1 << 16)
            if not more:
                raise ConnectionError("the connection ended")
            found += more
        head, body = found[:end].lower(), found[end + 4 :]
        _, told, length_on = head.partition(b"\r\ncontent-length:")  # there are longer names too
        if not told:
            raise ValueError("the answer does not say how long it is")
        length = int(length_on.split(b"\r\n", 1)[0])
        while len(body) < length:
            more = connection.recv(1 << 16)
            if not more:
                raise ConnectionError("the connection ended")
            body += more
        return int(head.split(b" ", 2)[1]), body


def _rest_request(asked: Asked, tensor: Any) -> bytes:
    given = {"name": asked.input, "datatype": "FP32", "shape": list(tensor.shape)}
    given["parameters"] = {"binary_data_size": tensor.nbytes}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    lines = (
        f"POST /v2/models/{asked.model}/infer HTTP/1.1",
        f"Host: {asked.address}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {len(head) + tensor.nbytes}",
        f"Inference-Header-Content-Length: {len(head)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + head + bytes(tensor.tobytes())


def _by_grpc(asked: Asked) -> Callable[[int], Any]:
    import grpc

    options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
    channel = grpc.insecure_channel(asked.address, options=options)
    method = channel.unary_unary(_GRPC_METHOD)  # bytes in, bytes out
    requests = [_grpc_request(asked, tensor) for tensor in asked.tensors]
    size = asked.answers[0].nbytes

    def call(which: int) -> Any:
        try:
            found = method(requests[which], timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise Refused from None
            if error.code() is grpc.StatusCode.INTERNAL:
                raise Failed(error.details()) from None
            raise
        return np.frombuffer(found[-size:], np.float32)  # raw_output_contents are written last

    return call


def _grpc_request(asked: Asked, tensor: Any) -> bytes:
    """A ``ModelInferRequest`` as protobuf writes it, so that the client needs none of ours."""
    shape = b"".join(_varint(size) for size in tensor.shape)
    given = _field(1, asked.input.encode()) + _field(2, b"FP32") + _field(3, shape)
    return _field(1, asked.model.encode()) + _field(5, given) + _field(7, tensor.tobytes())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))
