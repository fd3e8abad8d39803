"""A tuned configuration as a TOML file: written by ``tune``, used by ``run`` and ``validate``."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.files import sha256, write_atomically
from paddleport.runners.runner_options import Precision, RunnerOptions

_HEAD = "# Written by paddleport tune, for --profile of paddleport run and paddleport validate."
_KNOWN = {
    "model": str,
    "goal": str,
    "backend": str,
    "precision": str,
    "threads": int,
    "batch": int,
    "file": str,
    "sha256": str,
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One configuration.

    Attributes:
        model: what was tuned, as it was named.
        goal: ``latency`` or ``throughput``.
        backend: a runner's name.
        precision: what it computes in.
        threads: CPU threads of one inference.
        batch: pictures per inference.
        options: the backend's own, as after ``-o``.
        file: the main file that it loads, where that is not of the model's plain conversion.
        measured: what was found, for the reader: times, gate, machine, versions.
    """

    model: str
    goal: str
    backend: str
    precision: Precision
    threads: int
    batch: int
    options: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    measured: Mapping[str, str] = field(default_factory=dict)

    @property
    def runner_options(self) -> RunnerOptions:
        """What its runner is opened with; a file of its own has its own precision."""
        precision = None if self.file else self.precision
        return RunnerOptions(
            device=None, precision=precision, threads=self.threads, extras=self.options
        )


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile; its file is named relative to it, with its sha256.

    Raises:
        OutputError: it cannot be written.
    """
    import tomli_w  # of no use to the other commands

    values: dict[str, Any] = {
        "model": profile.model,
        "goal": profile.goal,
        "backend": profile.backend,
        "precision": profile.precision,
        "threads": profile.threads,
        "batch": profile.batch,
    }
    if profile.file is not None:
        values["file"] = profile.file.name
        values["sha256"] = sha256([profile.file])
    values |= {"options": profile.options, "measured": profile.measured}
    write_atomically(path, f"{_HEAD}\n{tomli_w.dumps(values)}".encode())


def read_profile(path: Path) -> Profile:
    """Read what ``write_profile`` wrote, or somebody edited.

    Raises:
        ModelNotFoundError: no such file, or the file that it names is gone.
        UsageError: it is no profile, or says what cannot be.
        ModelFileError: that file is another than was tuned.
    """
    values = _parsed(path)
    options, measured = (values.pop(key, {}) for key in ("options", "measured"))
    for key, kind in _KNOWN.items():
        if key in values and type(values[key]) is not kind:
            raise UsageError(f"{path}: {key} is {values[key]!r}, not of type {kind.__name__}")
    missing = [key for key in list(_KNOWN)[:6] if key not in values]
    unknown = [key for key in values if key not in _KNOWN]
    if missing or unknown or not all(isinstance(item, dict) for item in (options, measured)):
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)} besides"
        raise UsageError(f"{path} is no profile, it {what}: paddleport tune writes one")
    if values["precision"] not in get_args(Precision):
        raise UsageError(f"{path}: precision is {values['precision']!r}, not one there is")
    if values["threads"] < 1 or values["batch"] < 1:
        raise UsageError(f"{path}: threads and batch must be 1 or more")
    file, digest = values.pop("file", None), values.pop("sha256", None)
    texts = {key: str(value) for key, value in measured.items()}
    given = {key: _text(value) for key, value in options.items()}
    return Profile(**values, options=given, file=_file(path, file, digest), measured=texts)


def _file(profile: Path, name: str | None, digest: str | None) -> Path | None:
    if name is None:
        return None
    file = profile.parent / name
    if not file.is_file():
        raise ModelNotFoundError(f"{profile} names {name}, and {file} does not exist")
    if digest is not None and sha256([file]) != digest:
        raise ModelFileError(f"{file} is not the file that {profile} was tuned with: tune again")
    return file


def _parsed(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    if not path.is_file():
        raise ModelNotFoundError(f"{path} does not exist")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML ({error})") from None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
