"""What a vendor's library raises, as an error of ours in one line."""

from collections.abc import Callable
from types import TracebackType

from paddleport.errors import BackendUnavailableError, PortError
from paddleport.runners.vendor_message import one_line


class VendorCall:
    """Around one call of a vendor's; on every inference, so no generator, which costs 20 us more.

    Args:
        backend: its name.
        how_to_install: says what to type where the library is missing.
        failure: what an exception of the vendor's becomes; its cause is kept.
        what: the sentence's end, such as "can't compute this feed".
    """

    __slots__ = ("_backend", "_failure", "_how_to_install", "_what")

    def __init__(
        self, backend: str, how_to_install: Callable[[], str], failure: type[PortError], what: str
    ) -> None:
        self._backend, self._how_to_install = backend, how_to_install
        self._failure, self._what = failure, what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, PortError) or not isinstance(error, Exception):
            return
        if isinstance(error, ImportError):
            missing = isinstance(error, ModuleNotFoundError)
            reason = self._how_to_install() if missing else one_line(error)
            raise BackendUnavailableError(f"{self._backend} can't be used: {reason}") from error
        raise self._failure(f"{self._backend} {self._what}: {one_line(error)}") from error
