"""Parquet files as Hugging Face has them: a picture's bytes and its label in every row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from paddleport.errors import UsageError
from paddleport.validate.labelled.column_names import LABELS, PICTURES, column
from paddleport.validate.labelled.listing import ListedPicture, Listing, shown

_LABEL_ROWS = 4096
_PICTURE_ROWS = 16


class _Columns(NamedTuple):
    """Names in a file's schema."""

    picture: str
    in_struct: bool
    has_path: bool
    label: str


class ParquetFiles(Listing):
    """Parquet with a column of pictures, ``{bytes, path}`` or bytes, and one of labels."""

    def __init__(self, files: Sequence[Path], title: str) -> None:
        if not _is_installed():
            raise UsageError(
                f"{title} is Parquet, which pyarrow reads: pip install 'paddleport[parquet]'"
            )
        self.title = title
        self._files = files
        self._rows = _RowReader()

    def class_names(self) -> list[str] | None:
        """What the data calls its classes, where Hugging Face's header has it."""
        with _opened(self._files[0]) as opened:
            metadata = opened.schema_arrow.metadata or {}
            label = _columns(opened, self._files[0]).label
        try:
            features = json.loads(metadata[b"huggingface"])["info"]["features"]
            names = features[label]["names"]
        except (KeyError, ValueError, TypeError):
            return None
        return [str(name) for name in names] if isinstance(names, list) else None

    def entries(self) -> Iterator[ListedPicture]:
        """By file, as they are named, then in a file's order; the pictures are not read."""
        for file in self._files:
            with _opened(file) as opened:
                columns = _columns(opened, file)
                wanted = [columns.label]
                if columns.has_path:
                    wanted.append(f"{columns.picture}.path")
                row = 0
                for batch in opened.iter_batches(batch_size=_LABEL_ROWS, columns=wanted):
                    for values in batch.to_pylist():
                        yield _entry(file, row, values, columns)
                        row += 1

    def read(self, entry: ListedPicture) -> bytes:
        """Its bytes; in the order of ``entries`` every row group is read once."""
        file, row = entry.place
        return self._rows.read(file, row)


class _RowReader:
    """Pictures of rows; forward in a row group nothing is read twice."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._next, self._end = 0, 0
        self._pictures: Iterator[bytes] = iter(())

    def read(self, file: Path, row: int) -> bytes:
        if file != self._file or not self._next <= row < self._end:
            self._file = file
            group, self._next, self._end = _row_group(file, row)
            self._pictures = _pictures_of(file, group)
        found = b""
        while self._next <= row:
            found = next(self._pictures, b"")
            self._next += 1
        return found


def _row_group(file: Path, row: int) -> tuple[int, int, int]:
    """The number of the row group that holds a row, its first row and the one after its last."""
    with _opened(file) as opened:
        start = 0
        for group in range(opened.metadata.num_row_groups):
            end = start + opened.metadata.row_group(group).num_rows
            if row < end:
                return group, start, end
            start = end
    raise UsageError(f"{file} has fewer rows than when it was first read: start anew")


def _pictures_of(file: Path, group: int) -> Iterator[bytes]:
    with _opened(file) as opened:
        columns = _columns(opened, file)
        name = f"{columns.picture}.bytes" if columns.in_struct else columns.picture
        batches = opened.iter_batches(
            batch_size=_PICTURE_ROWS, row_groups=[group], columns=[name], use_threads=False
        )
        for batch in batches:
            for values in batch.to_pylist():
                value = values[columns.picture]
                yield (value and value["bytes"] if columns.in_struct else value) or b""


def _entry(file: Path, row: int, values: Mapping[str, Any], columns: _Columns) -> ListedPicture:
    label = values[columns.label]
    if label is None:
        raise UsageError(f"{file} row {row} has no label in '{shown(columns.label)}'")
    path = (values[columns.picture] or {}).get("path") if columns.has_path else None
    return ListedPicture(f"{file.name}/{path or row}", str(label), (file, row))


def _columns(opened: Any, file: Path) -> _Columns:
    import pyarrow

    schema = opened.schema_arrow
    picture = schema.names[column(schema.names, PICTURES, "picture", file.name)]
    label = schema.names[column(schema.names, LABELS, "label", file.name)]
    kind = schema.field(picture).type
    in_struct = pyarrow.types.is_struct(kind)
    inside = [field.name for field in kind] if in_struct else []
    binary = pyarrow.types.is_binary, pyarrow.types.is_large_binary
    stored = kind.field("bytes").type if "bytes" in inside else kind
    if not any(is_such(stored) for is_such in binary):
        raise UsageError(
            f"{file.name}: column '{shown(picture)}' is {shown(str(kind))}, and pictures are "
            "{bytes, path} or bytes"
        )
    return _Columns(picture, in_struct, "path" in inside, label)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file, memory_map=True) as opened:
            yield opened
    except (pyarrow.ArrowException, OSError) as error:
        reason = shown(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        raise UsageError(f"{file} is damaged or no Parquet file: {reason}") from None


def _is_installed() -> bool:
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None
