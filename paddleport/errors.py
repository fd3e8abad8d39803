"""Everything that can go wrong for a user, as one tree, and the wording for names nobody knows.

::

    PortError                    the question got no answer: exit code 2
    ├── UsageError               an option, opset, shape or name that cannot be
    ├── ModelNotFoundError       no such model, file or folder
    ├── ModelFileError           the files are there and are not what they should be
    ├── DownloadError            the pretrained weights could not be fetched
    ├── ConversionError          Paddle2ONNX or a check after it said no
    │   ├── SettledConversionError  no other shape or opset need be tried
    │   └── NotProvenError       the file is not proven to be the same model
    ├── BackendUnavailableError  a runtime, device or precision that this machine cannot give
    ├── FeedError                tensors that the model does not take
    ├── ImageError               a picture that cannot be read
    ├── OutputError              a result that cannot be written or read as an answer
    └── WorkerCrashed            a child process died, hung or was killed

A message is one line: what was asked, what is there instead, what to type next.
A model that gives other numbers is a result (exit code 1), never an exception.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PortError(Exception):
    """The question got no answer; the message says what to do next."""


class UsageError(PortError):
    """An option, opset, shape or name that cannot be."""


class ModelNotFoundError(PortError):
    """No such model, file or folder."""


class ModelFileError(PortError):
    """The model's files are there and are not what they should be."""


class DownloadError(PortError):
    """The pretrained weights could not be fetched."""


class ConversionError(PortError):
    """Paddle2ONNX, or a check after it, said no."""


class SettledConversionError(ConversionError):
    """A refusal that already says what helps: no other shape and no other opset would."""


class NotProvenError(ConversionError):
    """A conversion that differs from native Paddle, or that nothing could be proven of."""


class BackendUnavailableError(PortError):
    """A runtime, device or precision that this machine cannot give."""


class FeedError(PortError):
    """Tensors that the model does not take."""


class ImageError(PortError):
    """A picture that cannot be read."""


class OutputError(PortError):
    """A result that cannot be written, or that is no answer (NaN scores, no classifier)."""


class WorkerCrashed(PortError):
    """A child process died, hung or was killed.

    Attributes:
        reason: how it ended, for example ``SIGSEGV`` or ``no answer within 60 s``.
        log: the last lines it wrote to its standard output and error.
    """

    def __init__(self, message: str, *, reason: str, log: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.log = log

    @property
    def would_come_again(self) -> bool:
        """Whether it hung or wanted too much memory, rather than met a fault of its own."""
        return not self.reason.startswith(("SIGABRT", "SIGSEGV", "exit"))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_worker_crashed, (str(self), self.reason, self.log)


def _rebuild_worker_crashed(message: str, reason: str, log: str) -> WorkerCrashed:
    return WorkerCrashed(message, reason=reason, log=log)


class ModelWarning(UserWarning):
    """What must not be missed about a model, such as labels that mean nothing."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name nobody knows: the likely one first, then the list.

    Args:
        kind: what is named, as in ``unknown backend 'x'``.
        name: what was asked for.
        known: every name that would have worked.
    """
    names = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in names}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    hint = f" Did you mean '{by_lower[close[0]]}'?" if close else ""
    return f"unknown {kind} '{name}'.{hint} Known: {', '.join(names)}"
