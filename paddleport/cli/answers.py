"""Answers as they come, printed or written to a file; of pictures, or of feeds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.cli.console import as_json, literal, print_error, progress_bar, shown, stdout
from paddleport.errors import ImageError

if TYPE_CHECKING:
    from paddleport.runners.predictor import PictureAnswer
    from paddleport.runners.tasks.base import Task


def show_answers(
    answers: "Iterator[PictureAnswer]",
    task: "Task[Any]",
    where: str,
    *,
    json: bool,
    jsonl: Path | None,
    of: str = "picture",
) -> tuple[int, int]:
    """Print or write every answer as it comes; how many were read and how many were not.

    Args:
        answers: each with what it is of.
        task: what they mean.
        where: what computed them, in a line.
        json: print JSON.
        jsonl: a file for a line of JSON each, instead.
        of: what they are answers to, ``picture`` or ``feed``.
    """
    from paddleport.files import writing_atomically

    read = failed = 0
    if jsonl is not None:
        with writing_atomically(jsonl) as stream, progress_bar() as progress:
            for answer in answers:
                stream.write((_as_json(answer, task, of) + "\n").encode(errors="backslashreplace"))
                read, failed = _count(answer, read, failed)
                progress(f"{read + failed} {of}s, {failed} not read", None)
        stdout().print(f"[bold]{literal(str(jsonl))}[/]  {read} {of}s · {literal(where)}")
        return read, failed
    if not json:
        print(f"\033[2m{shown(where)}\033[0m" if _styled() else shown(where))
    separator = "["
    for answer in answers:
        read, failed = _count(answer, read, failed)
        if json:
            print(f"{separator}{_as_json(answer, task, of)}", end="")
            separator = ",\n "
        elif not answer.error:
            _print(answer, task)
    if json:
        print("]" if read + failed else "[]")
    return read, failed


def _count(answer: "PictureAnswer", read: int, failed: int) -> tuple[int, int]:
    if not answer.error:
        return read + 1, failed
    print_error(ImageError(answer.error))
    return read, failed + 1


def _print(answer: "PictureAnswer", task: "Task[Any]") -> None:
    """Plain lines: importing rich and drawing a table takes as long as an inference."""
    bold, plain = ("\033[1m", "\033[0m") if _styled() else ("", "")
    name = shown(answer.picture).replace("\n", "\\n")
    lines = [f"{bold}{name}{plain}", *task.lines(answer.answer, styled=_styled())]
    print("\n".join(lines))


def _styled() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _as_json(answer: "PictureAnswer", task: "Task[Any]", of: str) -> str:
    values = {of: answer.picture, **task.plain(answer.answer), "error": answer.error}
    return as_json(values)
