"""One line per request that was answered: text for people, or JSON for a log's collector."""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import msgspec

from paddleport.errors import UsageError

LogFormat = Literal["text", "json"]
_logger = logging.getLogger(__name__)
FORMATS: tuple[LogFormat, ...] = ("text", "json")


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request when it was answered.

    Attributes:
        request_id: the client's own, or one that was drawn for it.
        protocol: ``http`` or ``grpc``.
        call: the method and the path, or the procedure's name.
        model: a served one's name; empty where the request named none that there is.
        status: the code that was answered: ``200``, ``INVALID_ARGUMENT``.
        stages_s: seconds by stage, as in ``Inferred``, and ``total``.
        bytes_in, bytes_out: of the bodies.
        batch: examples that were computed together with this one's; 0 where nothing was.
        error: the one line that was answered instead of a result.
    """

    request_id: str
    protocol: str
    call: str
    status: str
    model: str = ""
    stages_s: Mapping[str, float] = {}  # msgspec copies it
    bytes_in: int = 0
    bytes_out: int = 0
    batch: int = 0
    error: str = ""


class RequestLog:
    """Writes a line per request to a stream or a file; a log that can't be written is no error.

    A line is one write, so that lines of several processes that share a file stay whole.
    """

    def __init__(
        self,
        destination: IO[str] | Path | None = None,
        *,
        log_format: str = "text",
        quiet: bool = False,
    ) -> None:
        """Opened now.

        Args:
            destination: a file, to which is added, or a stream; by default standard error.
            log_format: one of ``FORMATS``.
            quiet: write nothing at all.

        Raises:
            UsageError: no such format, or the file can't be written.
        """
        if log_format not in FORMATS:
            raise UsageError(f"--log-format {log_format} is not known: {' or '.join(FORMATS)}")
        self._failing = False
        self._as_json, self._own, self._lock = log_format == "json", False, threading.Lock()
        self._stream: IO[str] | None = None
        if quiet:
            return
        if isinstance(destination, Path):
            try:
                # One write a line: the buffer is flushed at its end.
                destination = destination.open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise UsageError(
                    f"the request log {destination} can't be written: {error.strerror}"
                ) from None
            self._own = True
        self._stream = sys.stderr if destination is None else destination

    def write(self, record: RequestRecord) -> None:
        """Add a request's line."""
        if self._stream is None:
            return
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = _json_line(time, record) if self._as_json else _text_line(time, record)
        with self._lock:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
                self._failing = False
            except ValueError:  # it was closed
                self._stream = None
            except OSError as error:  # full disk, closed pipe: requests go on, and so do tries
                if not self._failing:
                    self._failing = True
                    _logger.warning(
                        "the request log can't be written, and lines are missing: %s",
                        error.strerror,
                    )

    def close(self) -> None:
        """Close the file, if it is one; nothing is written after that."""
        stream, self._stream = self._stream, None
        if stream is not None and self._own:
            stream.close()

    def __enter__(self) -> "RequestLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _json_line(time: str, record: RequestRecord) -> str:
    values: dict[str, Any] = {
        "time": time,
        "request_id": record.request_id,
        "protocol": record.protocol,
        "call": record.call,
        "model": record.model,
        "status": record.status,
        "stages_ms": {name: _ms(seconds) for name, seconds in record.stages_s.items()},
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "batch": record.batch,
    }
    if record.error:
        values["error"] = record.error
    return json.dumps(values)  # ASCII: no client's text ends a line or reaches a terminal


def _text_line(time: str, record: RequestRecord) -> str:
    stages = " ".join(f"{name} {_ms(seconds):g} ms" for name, seconds in record.stages_s.items())
    parts = (
        time,
        record.request_id,
        record.protocol,
        record.call,
        record.status,
        record.model,
        stages,
        f"{record.bytes_in} B in, {record.bytes_out} B out",
        record.error,
    )
    line = "  ".join(part for part in parts if part)
    return line.encode("unicode_escape").decode("ascii")  # as in JSON


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
