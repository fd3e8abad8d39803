"""What the server and its workers say to each other: small headers, tensors are in the slots."""

import struct
from typing import Literal

import msgspec

from paddleport.errors import FeedError, ImageError, OutputError, PortError, UsageError
from paddleport.serve.hosting.model_host import DeadlineError, HostError
from paddleport.serve.hosting.shared_slot import Placed

Work = Literal["infer", "read"]
_LENGTH = struct.Struct("<I")
_KINDS: dict[str, type[PortError]] = {
    kind.__name__: kind for kind in (DeadlineError, FeedError, ImageError, OutputError, UsageError)
}


class ComputeError(HostError):
    """The model's runtime failed at this feed, and its worker goes on."""


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A request to a worker.

    Attributes:
        number: what the answer refers to.
        slot: where its tensors lie, and its answer's will.
        size: bytes of the slot's file.
        tensors: there.
        deadline: on the monotonic clock, after which nothing is computed; 0 is none.
    """

    number: int
    slot: int
    size: int
    tensors: tuple[Placed, ...]
    deadline: float


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A worker's answer.

    Attributes:
        number: of the request.
        size: bytes of the slot's file now.
        tensors: there; none where there is an error.
        took_s: seconds of the work itself.
        kind: of the error, a class's name; empty if there is none.
        error: in one line.
    """

    number: int
    size: int
    tensors: tuple[Placed, ...] = ()
    took_s: float = 0.0
    kind: str = ""
    error: str = ""

    def failure(self) -> PortError | None:
        """The error as the server raises it."""
        if not self.kind:
            return None
        return _KINDS.get(self.kind, ComputeError)(self.error)


ask_decoder = msgspec.msgpack.Decoder(Ask)
answer_decoder = msgspec.msgpack.Decoder(Answer)
_encoder = msgspec.msgpack.Encoder()


def framed(message: Ask | Answer) -> bytes:
    """A message as it is sent."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Bytes that arrive in any pieces, as the messages that they are."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, data: bytes) -> list[bytes]:
        """The messages that are whole by now."""
        data = self._rest + data if self._rest else data
        found, start = [], 0
        while len(data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, start)
            end = start + _LENGTH.size + length
            if end > len(data):
                break
            found.append(data[start + _LENGTH.size : end])
            start = end
        self._rest = data[start:]
        return found
