"""What an interrupted pass goes on from: the tally, how far it is, and what was asked."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.errors import ModelFileError, OutputError, UsageError
from paddleport.files import write_atomically
from paddleport.runners.compiled_cache import FROM_CACHE
from paddleport.tensors import Array
from paddleport.validate.evaluate.rows.hosted_row import LoadedFacts

STATE_FILE = "evaluate.state.npz"
_REST = "state.json"
_TALLY = "tally."
_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(EOFError, NotImplementedError, zipfile.BadZipFile),  # what numpy and zipfile add to these
)


@dataclass
class RowProgress:
    """How far one row is.

    Attributes:
        pictures: how many it has answered.
        seconds: what its answers took.
        failed: why it ended; empty while it goes on.
        precision: read back from the runtime.
        note: what differs from the plain case.
    """

    pictures: int = 0
    seconds: float = 0.0
    failed: str = ""
    precision: str = ""
    note: str = ""

    def describe(self, facts: LoadedFacts, note: str) -> None:
        """What its runner says of itself, and how it was made."""
        self.precision = facts.computes_in
        notes = [text for text in facts.notes if text != FROM_CACHE]  # it computes the same
        self.note = " · ".join(text for text in (note, *notes) if text)


@dataclass
class SavedPass:
    """A pass as it stands.

    Attributes:
        asked: all that the counts depend on, each under the name that a user reads.
        position: pictures of the listing that are counted.
        seconds: what the pass has taken so far.
        rows: by name.
        tally: its own state.
    """

    asked: Mapping[str, Any]
    position: int = 0
    seconds: float = 0.0
    rows: dict[str, RowProgress] = field(default_factory=dict)
    tally: Mapping[str, Array | Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all; raises OutputError."""
        arrays = {key: value for key, value in self.tally.items() if isinstance(value, np.ndarray)}
        rest = {
            "asked": self.asked,
            "position": self.position,
            "seconds": self.seconds,
            "rows": {name: asdict(row) for name, row in self.rows.items()},
            "tally": {key: value for key, value in self.tally.items() if key not in arrays},
        }
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(rest).encode(), np.uint8)
        named = {f"{_TALLY}{key}": value for key, value in arrays.items()}
        np.savez(buffer, allow_pickle=False, **{_REST: text}, **named)
        write_atomically(folder / STATE_FILE, buffer.getvalue())

    @classmethod
    def load(cls, folder: Path) -> "SavedPass | None":
        """What ``save`` wrote there; ``None`` where there is nothing.

        Raises:
            ModelFileError: the file is damaged.
        """
        path = folder / STATE_FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                rest = json.loads(stored[_REST].tobytes())
                arrays = {
                    key.removeprefix(_TALLY): stored[key] for key in stored.files if key != _REST
                }
            return cls(
                asked=rest["asked"],
                position=rest["position"],
                seconds=rest["seconds"],
                rows={name: RowProgress(**row) for name, row in rest["rows"].items()},
                tally={**arrays, **rest["tally"]},
            )
        except _DAMAGED as error:
            raise ModelFileError(
                f"{path} is no state that evaluate wrote ({error}): leave --resume out to begin "
                "anew"
            ) from None


def remove_state(folder: Path) -> None:
    """A pass that is complete is not gone on with; raises OutputError."""
    try:
        (folder / STATE_FILE).unlink(missing_ok=True)
    except NotADirectoryError:  # then nothing was written there
        pass
    except OSError as error:
        raise OutputError(f"{folder / STATE_FILE} cannot be removed: {error.strerror}") from None


def check_same(saved: SavedPass, asked: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with something else than what was begun.

    Raises:
        UsageError: says what differs.
    """
    now = json.loads(json.dumps(asked))  # as it came back from the file
    differing = [
        difference
        for key in {**saved.asked, **now}
        for difference in _differences(key, saved.asked.get(key), now.get(key))
    ]
    if differing:
        raise UsageError(
            f"--resume goes on with what {folder / STATE_FILE} was begun with, and not the same "
            f"are: {'; '.join(differing)}. Ask for the same again, or leave --resume out to begin "
            "anew"
        )


def _differences(name: str, before: Any, now: Any) -> list[str]:
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            text
            for key in {**before, **now}
            for text in _differences(f"{name} {key}", before.get(key), now.get(key))
        ]
    return [f"{name} (was {_shown(before)}, is {_shown(now)})"]


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, dict):
        return "there"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"
