"""What a request that got no result is answered, over HTTP and gRPC."""

from dataclasses import dataclass
from typing import Final

from paddleport.errors import FeedError, ImageError, PortError, UsageError
from paddleport.serve.hosting.host_registry import NotAllowedError, UnknownModelError
from paddleport.serve.hosting.model_host import (
    DeadlineError,
    NotReadyError,
    OverloadedError,
    WorkerLostError,
)
from paddleport.serve.open_inference.datatypes import ProtocolError, TooLargeError

_MOST_CHARACTERS = 2000  # a client's own names may be in it, and gRPC sends 8 kB of headers
_CODES: Final[tuple[tuple[type[PortError], int, str], ...]] = (
    (TooLargeError, 413, "RESOURCE_EXHAUSTED"),
    (ProtocolError, 400, "INVALID_ARGUMENT"),
    (FeedError, 400, "INVALID_ARGUMENT"),
    (ImageError, 400, "INVALID_ARGUMENT"),
    (UsageError, 400, "INVALID_ARGUMENT"),
    (UnknownModelError, 404, "NOT_FOUND"),
    (NotAllowedError, 403, "PERMISSION_DENIED"),
    (OverloadedError, 503, "RESOURCE_EXHAUSTED"),
    (NotReadyError, 503, "UNAVAILABLE"),
    (DeadlineError, 504, "DEADLINE_EXCEEDED"),
    (WorkerLostError, 500, "INTERNAL"),
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How an error is answered.

    Attributes:
        message: one line.
        kind: the error's class.
        http: a status code.
        grpc: a status code's name.
        retry_after_s: when it is worth to ask again; ``None`` where nobody knows.
    """

    message: str
    kind: str
    http: int
    grpc: str
    retry_after_s: float | None = None


def failure_of(error: Exception) -> Failure:
    """How an error is answered; what is none of ours is 500 and keeps its text to itself."""
    kind = type(error).__name__
    if not isinstance(error, PortError):
        message = f"{kind} in the server: its log says more"
        return Failure(message=message, kind=kind, http=500, grpc="INTERNAL")
    message = " ".join(str(error).split())[:_MOST_CHARACTERS]
    for known, http, grpc in _CODES:
        if isinstance(error, known):
            later = error.retry_after_s if isinstance(error, OverloadedError) else None
            return Failure(message=message, kind=kind, http=http, grpc=grpc, retry_after_s=later)
    return Failure(message=message, kind=kind, http=500, grpc="INTERNAL")
