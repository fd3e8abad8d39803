"""The child's side of a worker, and the messages that both sides send."""

import contextlib
import importlib
import io
import os
import pickle
import queue
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from paddleport.errors import PortError, WorkerCrashed
from paddleport.files import full_disk

OUT_OF_MEMORY = "out of memory"
Message = tuple[bytes, Sequence[bytearray]]  # a pickle, and the arrays that it refers to


@dataclass(frozen=True)
class Handle:
    """Stands for an object that lives in the worker; pass it to ``call`` as an argument."""

    key: int


class RemoteError(RuntimeError):
    """An exception in the worker that is no ``PortError``: a bug, with its traceback as text."""


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message; arrays go out as they lie in memory, without a copy.

    Raises:
        Exception: it can't be pickled, whatever the object says; nothing was written.
        OSError: the other side is gone.
    """
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(head), *(array.raw() for array in arrays)]
    stream.write(struct.pack(f"<{len(parts) + 1}Q", len(parts), *(part.nbytes for part in parts)))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> Message:
    """Read one message; raises EOFError when the other side has closed."""
    (count,) = struct.unpack("<Q", _read(stream, 8))
    sizes = struct.unpack(f"<{count}Q", _read(stream, 8 * count))
    head, *arrays = [_read(stream, size) for size in sizes]
    return bytes(head), arrays


def unpack(message: Message) -> Any:
    """The object that was sent; its arrays can be written to. Only for our own processes."""
    head, arrays = message
    return pickle.loads(head, buffers=arrays)


def _read(stream: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    if stream.readinto(data) < size:  # type: ignore[attr-defined]  # every binary file has it
        raise EOFError
    return data


def serve() -> None:
    """Answer requests until the parent closes its end, then die at once."""
    for stream in (sys.stdout, sys.stderr):  # logs: what the encoding lacks is escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    requests = os.fdopen(int(sys.argv[1]), "rb")
    answers = os.fdopen(int(sys.argv[2]), "wb")
    pending: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                pending.put(receive(requests))
        except EOFError:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    for module in sys.argv[3:]:
        with contextlib.suppress(Exception):  # whoever needs it meets the error again
            importlib.import_module(module)
    held: dict[int, Any] = {}
    while True:
        request = pending.get()
        try:
            answer = _answer(request, held)
            del request  # a large feed is not kept while the next one comes
            send(answers, ("done", answer))
        except (BrokenPipeError, SystemExit):
            raise
        except Exception as error:  # a bug: its traceback goes to the parent, which raises it
            send(answers, ("error", _as_sent(error)))
        answer = None


def _answer(request: Message, held: dict[int, Any]) -> Any:
    function, args, kwargs, hold = unpack(request)
    result = function(
        *(held[arg.key] if isinstance(arg, Handle) else arg for arg in args), **kwargs
    )
    if not hold:
        return result
    held[len(held)] = result
    return Handle(len(held) - 1)


def _as_sent(error: Exception) -> Exception:
    """``error`` as the parent can take it: ours as it is, any other as its traceback."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        line = trace.strip().splitlines()[-1]
        message = f"the worker has run {OUT_OF_MEMORY}: {line}"
        return WorkerCrashed(message, reason=OUT_OF_MEMORY, log=trace)
    if isinstance(error, OSError):
        return full_disk(error) or RemoteError(trace)
    if isinstance(error, PortError) and _travels(error):
        return error
    return RemoteError(trace)


def _travels(error: PortError) -> bool:
    """Whether it can be pickled and built again: a plug-in's own subclass may not be."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its constructor raises
        return False
    return True
