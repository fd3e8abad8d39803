"""Foreign texts on a terminal: none of them acts on it, and none is taken for markup."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commanding_name import NAME, SHOWN
from rich.console import Console

from paddleport.cli.answers import show_answers
from paddleport.cli.console import (
    literal,
    new_table,
    print_error,
    print_rows,
    print_warning,
    print_written,
    progress_bar,
    shown,
    stdout,
)
from paddleport.runners.predictor import PictureAnswer
from paddleport.runners.tasks.raw_tensors import Tensors
from paddleport.wording import counted


@pytest.mark.parametrize(
    "text", ["Möwe é 漢 🦆.png", "a\tb\nc", "no\N{NO-BREAK SPACE}break", "a\u200db"]
)
def test_what_only_looks_odd_stays(text: str) -> None:
    assert shown(text) == text


def test_every_control_character_is_written_out() -> None:
    controls = [*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    for code in controls:
        written = chr(code) if chr(code) in "\t\n" else ascii(chr(code))[1:-1]
        assert shown(f"a{chr(code)}b") == f"a{written}b"


def test_rich_takes_it_for_what_it_is() -> None:
    stream = io.StringIO()
    Console(file=stream, width=200, force_terminal=True).print(literal(NAME), highlight=False)
    assert stream.getvalue() == SHOWN.replace("\\n", "\n") + "\n"


@pytest.mark.parametrize(
    "name", ["a\\", "a\\\\", "a\\\\\\", "\\", ":heart:", "[bold]", "[/]", "a\\[b]"]
)
def test_no_name_is_another_in_a_style(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    stdout().print(f"[bold]{literal(name)}[/] {literal(name)}")
    assert stream.getvalue() == f"{name} {name}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_a_terminal_has_its_lines_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    words = [f"word{number}" for number in range(40)]
    print_error(" ".join(words))
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in terminal.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).split() == ["error:", *words]


def test_a_warning_stands_above_the_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with progress_bar() as progress:
        progress("step", 0.5)
        print_warning("it is seeded")
    (line,) = (line for line in terminal.getvalue().splitlines() if "it is seeded" in line)
    assert "━" not in line.partition("it is seeded")[0].rpartition("\x1b[2K")[2]


def test_a_pipe_gets_each_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table("name", "reason")
    reason = "because " * 40
    table.add_row("a", reason)
    table.add_row("b", "no")
    print_rows(table)
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert rows == [f"a      {reason.rstrip()}", "b      no"]


def test_names_errors_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [
        PictureAnswer(picture=NAME, answer={}),
        PictureAnswer(picture=NAME, answer=None, error=f"{NAME} can't be read"),
    ]
    assert show_answers(iter(answers), Tensors(), "\x1bhere", json=False, jsonl=None) == (1, 1)
    print_error(NAME)
    print_warning(NAME)
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["\\x1bhere", SHOWN]
    assert "\x1b" not in err and "\\x1b[31m" in err and "[b].png" in err


def test_a_written_file_is_whole_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    files = [Path("/long" * 40) / "parity.html", Path("parity.md")]
    print_written(files, "all agree")
    print_written(files[1:])
    assert capsys.readouterr().out == f"all agree · {files[0]}  parity.md\nparity.md\n"


PRINTS = """
import ctypes, os
from pathlib import Path
from paddleport.cli.console import keep_stdout_for_results
from paddleport.files import write_atomically

print("first")
keep_stdout_for_results()
print("second")
ctypes.CDLL(None).puts(b"what a library prints")
ctypes.CDLL(None).fflush(None)
os.write(1, b"by the descriptor\\n")
write_atomically(Path("/dev/stdout"), b"third\\n")
print("möwe")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="takes the C library and /dev/stdout")
def test_stdout_holds_results_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "utf8", "-c", PRINTS]
    with (tmp_path / "out").open("wb") as out:  # a file and a pipe
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60, check=True)
    assert (tmp_path / "out").read_text("utf-8") == "first\nsecond\nthird\nmöwe\n"
    assert done.stderr == b"what a library prints\nby the descriptor\n"
    piped = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert piped.stdout == (tmp_path / "out").read_bytes()


def test_counts() -> None:
    found = [counted(count, "picture") for count in (0, 1, 2, 1024)]
    assert found == ["0 pictures", "1 picture", "2 pictures", "1,024 pictures"]
