"""A folder of answers, one Parquet file a part: each is whole or not there."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddleport.errors import OutputError, UsageError
from paddleport.files import write_atomically
from paddleport.integrations.stores import filesystem, local_path, one_line

ASKED = "_paddleport.json"
_FAILED = b"paddleport.failed"


class AnswerParts:
    """The folder at a path or an address of fsspec; an object appears there whole by itself."""

    def __init__(self, address: str) -> None:
        local = local_path(address)
        self.address = (address if local is None else local).rstrip("/")
        self.is_local = local is not None
        self._system, self._path = filesystem(self.address)

    def check(self, asked: Mapping[str, Any]) -> None:
        """See that a run before, if it has left answers, computed the same.

        Raises:
            UsageError: the folder is of another run, or a file.
        """
        if self.is_local and Path(self.address).exists() and not Path(self.address).is_dir():
            raise UsageError(f"{self.address} is a file: give a folder as -o")
        changed = self._changed(asked)
        if changed and self.names():
            raise UsageError(
                f"{self.address} holds answers of another run ({', '.join(changed)} differ): "
                "give another -o"
            )

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Note what is computed; raises as ``check``, too.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.check(asked)
        self.write(ASKED, told(asked))

    def names_among(self, names: set[str]) -> set[str]:
        """The parts that are there, which are some of these.

        Raises:
            UsageError: another one is there.
        """
        found = self.names()
        if strange := sorted(found - names):
            raise UsageError(
                f"{self.address} has answers to other pictures, or with other options, in "
                f"{strange[0]}: pictures came, went or were replaced since, or two runs wrote "
                "there. Give another -o"
            )
        return found

    def _changed(self, asked: Mapping[str, Any]) -> list[str]:
        """What the folder's note says otherwise."""
        with one_line(f"{self.address} cannot be read"):
            try:
                before = json.loads(self._system.cat_file(f"{self._path}/{ASKED}"))
            except FileNotFoundError:
                return []
        now = json.loads(told(asked))
        return sorted(key for key in before | now if before.get(key) != now.get(key))

    def names(self) -> set[str]:
        """The parts that are there."""
        self._system.invalidate_cache()
        with one_line(f"{self.address} cannot be listed"), contextlib.suppress(FileNotFoundError):
            found = self._system.ls(self._path, detail=False)
            return {
                name
                for item in found
                if (name := item.rsplit("/", 1)[-1]).startswith("part-")
                and name.endswith(".parquet")
            }
        return set()

    def seen(self, name: str) -> tuple[int, list[str]] | None:
        """Pictures in a part, and why some were not read; ``None`` if the file is damaged."""
        import pyarrow
        from pyarrow import parquet

        try:
            with self._system.open(f"{self._path}/{name}", "rb") as stream:
                file = parquet.ParquetFile(stream)
                if not int(file.metadata.metadata[_FAILED]):  # hardly anything is read
                    return file.metadata.num_rows, []
                errors = file.read(columns=["error"]).column("error").to_pylist()
            return len(errors), [error for error in errors if error]
        except (pyarrow.ArrowException, OSError, KeyError, TypeError):
            return None

    def write_part(self, name: str, content: bytes, asked: Mapping[str, Any]) -> None:
        """A part of what was asked.

        Raises:
            UsageError: another run has begun here meanwhile.
            OutputError: the folder cannot be written.
        """
        if changed := self._changed(asked):
            raise UsageError(
                f"another run has begun in {self.address} ({', '.join(changed)} differ): "
                "give another -o"
            )
        self.write(name, content)

    def write(self, name: str, content: bytes) -> None:
        """A file that is whole once it has its name.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self.is_local:
            write_atomically(Path(self.address) / name, content)
        else:
            with one_line(f"{self.address} cannot be written", OutputError):
                self._system.pipe_file(f"{self._path}/{name}", content)


def told(asked: Mapping[str, Any]) -> bytes:
    """What was asked, as the folder's note has it."""
    return json.dumps(asked, indent=1, sort_keys=True, default=str).encode()


def encoded(table: Any, failed: int) -> bytes:
    """A table of answers as a Parquet file that says how many pictures were not read."""
    import pyarrow
    from pyarrow import parquet

    stream = pyarrow.BufferOutputStream()
    marked = table.replace_schema_metadata({_FAILED: str(failed).encode()})
    parquet.write_table(marked, stream, compression="zstd")
    return bytes(stream.getvalue())
