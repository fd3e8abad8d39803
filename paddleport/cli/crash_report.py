"""An exception that nobody foresaw: one line for the user, and all there is to know in a log."""

import os
import platform
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from paddleport.cli.console import print_error

_KEPT_LOGS = 10
_NAME = "crash-*.log"
_LONGEST_MESSAGE = 300
_ROOMS = ("convert", "models", "runners", "validate")
_START = "Traceback (most recent call last):\n"
_FRAME = re.compile(r'^\s*(?:\| )?File "(.+?)", line (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class _Place:
    """Where an exception was raised, or passed last in somebody's code.

    Attributes:
        owner: ``paddleport``, or the plug-in whose code it is.
        line: a file, as seen from the owner's folder, and the line.
    """

    owner: str
    line: str


def report_crash(error: BaseException) -> None:
    """Print what failed on one line and where its log is; a plug-in's traceback comes before.

    The exception may be of a worker, whose traceback is its text.
    """
    trace = "".join(traceback.format_exception(error))
    place = _place_of(trace)
    where = f" ({place.line})" if place.line else ""
    what = f"{_last_line(error, trace)}{where}"
    log = _written(trace)
    if place.owner != "paddleport":
        print(trace, end="", file=sys.stderr)
        print_error(f"the plug-in {place.owner} failed: {what}. Please report it to its author")
    elif log is None:
        print(trace, end="", file=sys.stderr)
        print_error(f"paddleport itself failed: {what}. Please report it with the lines above")
    else:
        print_error(f"paddleport itself failed: {what}. Please report it with the log: {log}")


def _last_line(error: BaseException, trace: str) -> str:
    """``IndexError: ...`` of the exception itself, in a worker's too, on one line."""
    _, _, block = trace.rpartition(_START)
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith(" ")]
    message = " ".join(" ".join(lines).split()) or type(error).__name__
    shortened = len(message) > _LONGEST_MESSAGE
    return f"{message[:_LONGEST_MESSAGE]} ..." if shortened else message


def _place_of(trace: str) -> _Place:
    """The innermost frame in paddleport's code or in a plug-in's."""
    _, _, block = trace.rpartition(_START)
    roots = list(_roots())
    for file, line in reversed(_FRAME.findall(block)):
        for owner, shown, folder in roots:
            path = Path(file)
            if path == folder or folder in path.parents:
                inside = "" if path == folder else path.relative_to(folder).as_posix()
                return _Place(owner, f"{'/'.join(filter(None, (shown, inside)))}:{line}")
    return _Place("paddleport", "")


def _roots() -> Iterator[tuple[str, str, Path]]:
    """Whose code lies where, and what the folder is called; a plug-in may be one file."""
    plugins = {
        entry.module.partition(".")[0]
        for distribution in distributions()
        for entry in distribution.entry_points
        if entry.group.startswith("paddleport.")
    }
    for name in sorted(plugins - {"paddleport"}):
        yield from ((name, path.name, path) for path in _code_of(name))
    for room in _ROOMS:  # in a checkout they are links
        yield from (("paddleport", room, path) for path in _code_of(f"paddleport.{room}"))
    yield from (("paddleport", "paddleport", path) for path in _code_of("paddleport"))


def _code_of(module: str) -> list[Path]:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    places = spec.submodule_search_locations or ([spec.origin] if spec.origin else [])
    return [found for place in places for found in {Path(place), Path(place).resolve()}]


def _written(trace: str) -> Path | None:
    """The log, in the user's folder of logs or else among temporary files; ``None`` if neither."""
    now = datetime.now().astimezone()
    name = f"crash-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
    facts = (
        f"time      {now.isoformat(timespec='seconds')}",
        f"command   {shlex.join(['paddleport', *sys.argv[1:]])}",
        f"folder    {_current_folder()}",
        f"python    {platform.python_version()} on {platform.platform()}",
        f"packages  {' '.join(_packages())}",
    )
    content = "\n".join((*facts, "", trace))
    for folder in _log_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8", errors="backslashreplace")
            for old in sorted(folder.glob(_NAME))[:-_KEPT_LOGS]:
                old.unlink(missing_ok=True)
        except OSError:
            continue
        return folder / name
    return None


def _log_folders() -> Iterator[Path]:
    import platformdirs

    yield Path(platformdirs.user_log_dir("paddleport", appauthor=False))
    yield Path(tempfile.gettempdir()) / "paddleport-logs"


def _current_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "one that is no longer there"


def _packages() -> list[str]:
    """Every installed distribution and its version."""
    found = {item.name: item.version for item in distributions() if item.name}
    return [f"{name}=={found[name]}" for name in sorted(found, key=str.lower)]
