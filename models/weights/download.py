"""Fetch one file: resumed where it was cut, verified, never half there under its own name."""

import contextlib
import json
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import DownloadError
from paddleport.files import sha256 as sha256_of
from paddleport.files import write_atomically
from paddleport.models.cache import locked, not_writable

if TYPE_CHECKING:
    import httpx

ANSWER_TIMEOUT_S = 4.0  # from the first look-up of a name to the last redirect's headers
STALL_TIMEOUT_S = 15.0  # without a byte
MAX_CUTS = 8  # connections lost in one download before it is given up
MAX_BYTES = 2 << 30
_MAX_REDIRECTS = 5

ByteProgress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A file that was fetched, and what is recorded beside it as ``NAME.json``."""

    path: Path
    url: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class _Partial:
    """What is known of the file whose first bytes lie in ``NAME.part``, kept beside it."""

    url: str
    validator: str | None  # a strong ETag, else Last-Modified: what If-Range takes
    total_bytes: int | None


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
    progress: ByteProgress | None = None,
) -> Downloaded:
    """Fetch ``url`` to ``target``, or find it there from before.

    What an interrupted call has received stays in ``NAME.part``, and the next call goes on from
    there, if the server says that the file is still the same one. Of several processes one
    downloads and the others wait.

    Args:
        url: http or https.
        target: the file to write; missing folders are made.
        sha256: what the file must have, where that is known.
        max_bytes: more is refused.
        progress: called with the bytes there so far and the bytes in all, if the server says.

    Raises:
        DownloadError: no connection within 5 seconds, a refusal, a stall, or another content
            than ``sha256`` says.
        OutputError: the target cannot be written.
    """
    with locked(target):
        done = _recorded(url, target, sha256)
        if done:
            return done
        fetch = _Fetch(url, target, max_bytes, progress)
        try:
            digest, size = fetch.run()
            if sha256 and digest != sha256:
                fetch.forget()
                raise DownloadError(
                    f"{url} has the sha256 {digest}, not the pinned {sha256}: it was thrown away"
                )
            done = Downloaded(path=target, url=url, sha256=digest, size_bytes=size)
            record = {key: value for key, value in asdict(done).items() if key != "path"}
            write_atomically(_record_file(target), json.dumps(record, indent=1).encode())
            fetch.part.replace(target)
            fetch.forget()
        except OSError as error:
            raise not_writable(target.parent, error) from error
    return done


def _record_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _recorded(url: str, target: Path, pinned: str | None) -> Downloaded | None:
    """The file of an earlier call, if it is still what was recorded then."""
    try:
        record = json.loads(_record_file(target).read_text("utf-8"))
        done = Downloaded(
            path=target, url=record["url"], sha256=record["sha256"], size_bytes=record["size_bytes"]
        )
        wanted = pinned or done.sha256
        return done if done.url == url and sha256_of([target]) == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Fetch:
    """One download in progress: its .part file, what is known of it, and the requests."""

    def __init__(
        self, url: str, target: Path, max_bytes: int, progress: ByteProgress | None
    ) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self._state_file = target.with_name(f"{target.name}.part.json")
        self._url = url
        self._max_bytes = max_bytes
        self._progress = progress or (lambda done, total: None)

    def run(self) -> tuple[str, int]:
        """Fetch until it is complete; returns sha256 and size."""
        import httpx

        cuts = 0
        while True:
            try:
                self._request()
                return sha256_of([self.part]), self.part.stat().st_size
            except (httpx.TimeoutException, httpx.TransportError) as error:
                cuts += 1
                if cuts >= MAX_CUTS or isinstance(error, httpx.TimeoutException):
                    have = self.part.stat().st_size if self.part.exists() else 0
                    reason = (
                        f"no byte for {STALL_TIMEOUT_S:g} s"
                        if isinstance(error, httpx.TimeoutException)
                        else f"the connection was lost {cuts} times"
                    )
                    raise DownloadError(
                        f"{self._url}: {reason}; {have:,} bytes are kept, and the same command "
                        "goes on from there"
                    ) from None

    def forget(self) -> None:
        """Remove the .part file and what is known of it."""
        self.part.unlink(missing_ok=True)
        self._state_file.unlink(missing_ok=True)

    def _request(self) -> None:
        import httpx

        known = self._known()
        have = self.part.stat().st_size if known and self.part.exists() else 0
        if known and known.total_bytes == have > 0:
            return
        headers = {"Accept-Encoding": "identity"}  # ranges count the bytes of the file itself
        if known and known.validator and have:
            headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
        timeout = httpx.Timeout(STALL_TIMEOUT_S, connect=ANSWER_TIMEOUT_S)
        with httpx.Client(
            follow_redirects=True, max_redirects=_MAX_REDIRECTS, timeout=timeout
        ) as client:
            response = _answer(client, self._url, headers)
            try:
                start, total = self._check(response, have)
                changed = known and start and total not in (None, known.total_bytes)
                if changed or response.status_code == 416:  # 416: it has become shorter
                    self.forget()
                    raise httpx.RemoteProtocolError("the file on the server has changed")
                self._receive(response, start, total)
            finally:
                response.close()

    def _check(self, response: "httpx.Response", have: int) -> tuple[int, int | None]:
        """Where the body starts in the file, and the file's size if that is said."""
        status = response.status_code
        if status == 416:
            return 0, None
        if status not in (200, 206):
            raise DownloadError(f"{self._url} was answered with {status} {response.reason_phrase}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError(f"{self._url} was sent compressed though that was not asked for")
        length = _number(response.headers.get("Content-Length"))
        if status == 200:
            start, total = 0, length
        else:
            start, total = _content_range(response.headers.get("Content-Range", ""))
            if start != have:
                raise DownloadError(f"{self._url} was sent from byte {start}, asked from {have}")
        if total is not None and total > self._max_bytes:
            raise DownloadError(f"{self._url} has {total:,} bytes, more than {self._max_bytes:,}")
        return start, total

    def _receive(self, response: "httpx.Response", start: int, total: int | None) -> None:
        import httpx

        etag = response.headers.get("ETag", "")
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        if start == 0:
            self.part.unlink(missing_ok=True)
            state = asdict(_Partial(self._url, validator, total))
            write_atomically(self._state_file, json.dumps(state).encode())
        done = start
        with self.part.open("ab") as stream:
            self._progress(done, total)
            for chunk in response.iter_raw():  # as received: a chunk size would hold bytes back
                done += len(chunk)
                if done > self._max_bytes:
                    self.forget()
                    raise DownloadError(f"{self._url} has more than {self._max_bytes:,} bytes")
                stream.write(chunk)
                self._progress(done, total)
        if total is not None and done != total:
            raise httpx.RemoteProtocolError(f"{done} of {total} bytes")

    def _known(self) -> _Partial | None:
        try:
            known = _Partial(**json.loads(self._state_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return known if known.url == self._url else None


def _answer(client: "httpx.Client", url: str, headers: dict[str, str]) -> "httpx.Response":
    """Ask for ``url`` and wait for the headers of its answer, redirects followed.

    In a thread, since nothing else limits how long a name look-up may hang.
    """
    import httpx

    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def send() -> None:
        try:
            request = client.build_request("GET", url, headers=headers)
            answers.put(client.send(request, stream=True))
        except Exception as error:  # raised again below, in the thread that asked
            answers.put(error)

    threading.Thread(target=send, daemon=True).start()
    try:
        got = answers.get(timeout=ANSWER_TIMEOUT_S)
    except queue.Empty:
        raise DownloadError(f"{url}: no answer within {ANSWER_TIMEOUT_S:g} s") from None
    if isinstance(got, httpx.RemoteProtocolError | httpx.ReadError):  # worth another attempt
        raise got
    if isinstance(got, httpx.HTTPError | httpx.InvalidURL):
        raise DownloadError(f"{url} cannot be reached: {got}") from None
    if isinstance(got, Exception):
        raise got
    response: httpx.Response = got
    hops = [hop.url for hop in (*response.history, response)]
    if hops[0].scheme == "https" and any(hop.scheme != "https" for hop in hops):
        response.close()
        raise DownloadError(f"{url} leads to {response.url}, which is not encrypted")
    return response


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _content_range(text: str) -> tuple[int, int | None]:
    """``bytes 100-199/200`` as (100, 200)."""
    with contextlib.suppress(ValueError):
        unit, _, rest = text.partition(" ")
        span, _, total = rest.partition("/")
        if unit == "bytes":
            return int(span.partition("-")[0]), _number(total)
    raise DownloadError(f"the server answered a range with Content-Range '{text}'")
