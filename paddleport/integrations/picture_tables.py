"""Parquet files of pictures: a column of bytes, or of ``{bytes, path}``."""

import contextlib
from collections.abc import Iterator
from typing import Any

from paddleport.errors import UsageError
from paddleport.integrations.stores import filesystem, reason
from paddleport.runners.picture_pipeline import Source
from paddleport.validate.labelled.column_names import PICTURES, column


def rows_in(name: str) -> int:
    """How many.

    Raises:
        UsageError: the file cannot be read, or holds no pictures.
    """
    with _opened(name) as opened:
        _picture_column(opened, name)
        return int(opened.metadata.num_rows)


def pictures_in(name: str, first: int, end: int) -> Iterator[Source]:
    """Rows of a file by the row groups that hold them, a few at a time; raises as ``rows_in``."""
    with _opened(name) as opened:
        column_name, in_struct, has_path = _picture_column(opened, name)
        row, groups = 0, []
        start = None
        for group in range(opened.metadata.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            if row < end and row + rows > first:
                start = row if start is None else start
                groups.append(group)
            row += rows
        row = start or 0
        batches = opened.iter_batches(
            batch_size=16, row_groups=groups, columns=[column_name], use_threads=False
        )
        while row < end and (values := _next_values(batches, name)) is not None:
            for value in values:
                if first <= row < end:
                    called = value["path"] if value and has_path else None
                    content = (value["bytes"] if value and in_struct else value) or b""
                    yield f"{name}#{row}" + (f" {called}" if called else ""), content
                row += 1


def _next_values(batches: Iterator[Any], name: str) -> list[Any] | None:
    with _readable(name):
        batch = next(batches, None)
        return None if batch is None else list(batch.column(0).to_pylist())


def _opened(name: str) -> Any:
    from pyarrow import parquet

    system, path = filesystem(name)
    with _readable(name):
        return parquet.ParquetFile(system.open(path, "rb"))


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """Have what Arrow or a store raises name the file, in one line."""
    import pyarrow

    try:
        yield
    except FileNotFoundError:
        raise UsageError(f"{name} does not exist") from None
    except Exception as error:  # each kind of store has errors of its own
        of_arrow = isinstance(error, OSError) and error.errno is None
        damaged = of_arrow or isinstance(error, pyarrow.ArrowException)
        what = "is damaged or no Parquet file" if damaged else "cannot be read"
        raise UsageError(f"{name} {what}: {reason(error)}") from None


def _picture_column(opened: Any, name: str) -> tuple[str, bool, bool]:
    """The column of pictures, whether it is a struct, and whether that has paths."""
    import pyarrow

    schema = opened.schema_arrow
    found = schema.names[column(schema.names, PICTURES, "picture", name)]
    kind = schema.field(found).type
    inside = [field.name for field in kind] if pyarrow.types.is_struct(kind) else []
    stored = kind.field("bytes").type if "bytes" in inside else kind
    if not (pyarrow.types.is_binary(stored) or pyarrow.types.is_large_binary(stored)):
        raise UsageError(
            f"{name}: column '{found}' is {kind}, and pictures are {{bytes, path}} or bytes"
        )
    return found, bool(inside), "path" in inside
