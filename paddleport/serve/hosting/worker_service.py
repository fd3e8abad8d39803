"""The worker's side: an opened predictor, and threads that answer what comes by a socket."""

import contextlib
import logging
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddleport.errors import PortError, UsageError
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.serve.hosting.shared_slot import SharedSlot
from paddleport.serve.hosting.worker_messages import Answer, Ask, Frames, ask_decoder, framed
from paddleport.tensors import Array, TensorSpec

PICTURE, NAMED = "picture", "the picture"
_READ_BYTES = 1 << 16
_logger = logging.getLogger(__name__)
Handler = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, kw_only=True)
class LineEnd:
    """The worker's end of one line to it: descriptors that it was started with.

    Attributes:
        socket: where messages come and go.
        slots: the memory, by number.
    """

    socket: int
    slots: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the server is told of a model once it is open.

    Attributes:
        inputs, outputs: of the model.
        streams: inferences that it computes at a time.
        computes_in: precision, as read back.
        device: where.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    streams: int
    computes_in: str
    device: str


def open_service(spec: PredictorSpec, infer: LineEnd, read: LineEnd, readers: int) -> Opened:
    """Open the predictor here, and answer by both lines from now on; raises what opening does.

    Args:
        spec: the predictor's.
        infer: the line of feeds.
        read: the line of pictures.
        readers: threads that decode pictures.
    """
    predictor = spec.open()
    runner = predictor.runner
    _check_numbers((*runner.inputs, *runner.outputs))
    _Service(infer, predictor.run, max(1, runner.streams)).start()
    if spec.preprocess is not None:
        _Service(read, lambda feed: _read_picture(predictor, feed), readers).start()
    return Opened(
        inputs=tuple(runner.inputs),
        outputs=tuple(runner.outputs),
        streams=max(1, runner.streams),
        computes_in=runner.computes_in,
        device=runner.device,
    )


def _check_numbers(specs: Sequence[TensorSpec]) -> None:
    """Raises UsageError: a tensor of texts, say, which has no place in shared memory."""
    for spec in specs:
        try:
            kind = np.dtype(spec.dtype).kind
        except TypeError:
            kind = "O"
        if kind not in "biufV":  # V is bfloat16
            raise UsageError(f"{spec} can't be served, only models of numbers: use paddleport run")


def _read_picture(predictor: Predictor, feed: Mapping[str, Array]) -> Mapping[str, Array]:
    read = predictor.read_picture((NAMED, feed[PICTURE].tobytes()))
    if read.tensor is None:
        return {"error": np.frombuffer(read.error.encode(errors="replace"), np.uint8)}
    return {PICTURE: read.tensor}


class _Service:
    """Threads that take turns at reading the socket; each answers what it has read.

    So a request changes no thread between its arrival and its answer.
    """

    def __init__(self, end: LineEnd, handle: Handler, threads: int) -> None:
        self._socket = socket.socket(fileno=end.socket)
        self._slots = [SharedSlot(descriptor) for descriptor in end.slots]
        self._handle, self._count = handle, threads
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._frames, self._ready = Frames(), deque[bytes]()

    def start(self) -> None:
        for _ in range(self._count):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the server is gone, and the process goes, too
            while (message := self._next()) is not None:
                ask = ask_decoder.decode(message)
                answer = framed(self._answer(ask))
                with self._writing:
                    self._socket.sendall(answer)

    def _next(self) -> bytes | None:
        with self._reading:
            while not self._ready:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    return None
                self._ready += self._frames.add(data)
            return self._ready.popleft()

    def _answer(self, ask: Ask) -> Answer:
        slot = self._slots[ask.slot]
        slot.seen(ask.size)
        began = time.monotonic()
        if ask.deadline and began >= ask.deadline:
            return Answer(
                ask.number, slot.size, kind="DeadlineError", error="its time was over in the queue"
            )
        slot.begin(began)
        try:
            found = self._handle({place.name: slot.view(place) for place in ask.tensors})
            took_s = time.monotonic() - began
            tensors = slot.put(found)
            return Answer(ask.number, slot.size, tensors, took_s)
        except Exception as error:
            return _failed(ask.number, slot.size, error)


def _failed(number: int, size: int, error: Exception) -> Answer:
    if isinstance(error, PortError):
        text = str(error)
    else:  # a runtime's fault, or ours: the log has it all
        _logger.error("%s", traceback.format_exc())
        text = f"the model's runtime failed: {type(error).__name__}: {error}"
    return Answer(number, size, kind=type(error).__name__, error=" ".join(text.split())[:2000])
