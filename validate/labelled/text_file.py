"""Lines of somebody's text file, one at a time."""

from collections.abc import Iterator
from pathlib import Path

from paddleport.errors import UsageError

_LONGEST = 1 << 16  # characters; a line of more is of no list


def text_lines(file: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, with or without a byte order mark, without their ends.

    Raises:
        UsageError: it cannot be read, or is no text of lines.
    """
    try:
        if not file.is_file():  # never a device or a pipe, which may have no end
            raise UsageError(f"{file}: no such file")
        with file.open(encoding="utf-8-sig", newline=None) as stream:
            while line := stream.readline(_LONGEST):
                if len(line) == _LONGEST or "\0" in line:
                    raise UsageError(f"{file} is no text file of one picture a line")
                yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text: save it as such") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
