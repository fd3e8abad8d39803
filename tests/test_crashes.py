"""What nobody foresaw: its exit code, its line, its log; and streams that take nothing."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TIMEOUT_S = 60
# Each is put in the place of what a command calls.
PLANTS = {
    "in the command": "def fault(): return [][0]",
    "in our code": "def fault(): return format_shape(3)",
    "in a worker": "def fault(): return run_in_worker(format_shape, 30, 3)",
    "a foreseen one": "def fault(): raise UsageError('no')",
    "no memory": "def fault(): raise MemoryError",
    "interrupted": "def fault(): raise KeyboardInterrupt",
    "long": "def fault(): raise ValueError('x ' * 9000)",
    "lines": "def fault(): raise ValueError('one\\ntwo\\n  three')",
    "a cause": "def fault():\n try: [][0]\n except IndexError as e: raise KeyError('k') from e",
}
PLANTED = """
import sys
from paddleport import runners
from paddleport.cli import main
from paddleport.errors import UsageError
from paddleport.tensors import format_shape
from paddleport.worker import run_in_worker
{plant}
runners.describe_all = fault
sys.argv = ["paddleport", "backends", "--json"]
main()
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    logs: list[Path]


def planted(tmp_path: Path, plant: str, **environment: str) -> Ended:
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", PLANTED.format(plant=plant)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "XDG_STATE_HOME": str(state), "TMPDIR": str(tmp_path), **environment},
    )
    return Ended(done.returncode, done.stdout, done.stderr, sorted(tmp_path.rglob("crash-*.log")))


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ("in the command", ["IndexError: list index out of range (paddleport/cli/backends.py:"]),
        ("in our code", ["TypeError: 'int' object is not iterable (paddleport/tensors.py:"]),
        ("in a worker", ["TypeError: 'int' object is not iterable (paddleport/tensors.py:"]),
        ("long", ["ValueError: x x x", " ... (paddleport/cli/backends.py:"]),
        ("lines", ["ValueError: one two (paddleport/cli/backends.py:"]),
        ("a cause", ["KeyError: 'k' (paddleport/cli/backends.py:"]),
    ],
)
def test_a_fault_of_our_own_is_a_line_and_a_log(
    tmp_path: Path, plant: str, words: list[str]
) -> None:
    ended = planted(tmp_path, PLANTS[plant])
    assert (ended.code, ended.out) == (70, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"error: paddleport itself failed: {words[0]}")
    for word in words:
        assert word in line
    (log,) = ended.logs
    assert line.endswith(f"Please report it with the log: {log}")
    text = log.read_text()
    for word in ("Traceback", "command   paddleport backends --json", "typer==", "python    3"):
        assert word in text
    if plant == "in a worker":
        assert text.count("Traceback") == 2, "the worker's and that of who asked it"


@pytest.mark.parametrize(
    ("plant", "code", "said"),
    [
        ("a foreseen one", 2, "error: no\n"),
        ("no memory", 2, "error: out of memory: this machine has too little for that\n"),
        ("interrupted", 130, ""),
    ],
)
def test_what_is_foreseen_is_no_crash(tmp_path: Path, plant: str, code: int, said: str) -> None:
    ended = planted(tmp_path, PLANTS[plant])
    assert (ended.code, ended.out, ended.err, ended.logs) == (code, "", said, [])


def test_the_last_ten_logs_are_kept(tmp_path: Path) -> None:
    planted(tmp_path, PLANTS["in the command"])
    (log,) = tmp_path.rglob("crash-*.log")
    for day in range(10, 30):
        (log.parent / f"crash-200001{day}-000000-1.log").write_text("old")
    (log.parent / "another.log").write_text("not ours")
    ended = planted(tmp_path, PLANTS["in the command"])
    assert len(ended.logs) == 10
    assert log in ended.logs
    assert (log.parent / "another.log").is_file()


def test_where_no_log_can_be_written_the_traceback_is_shown(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    ended = planted(tmp_path, PLANTS["in the command"])
    assert ended.logs[0].parent.name == "paddleport-logs", "among temporary files"
    ended.logs[0].unlink()
    ended.logs[0].parent.rmdir()
    ended.logs[0].parent.write_text("another one")
    ended = planted(tmp_path, PLANTS["in the command"])
    assert (ended.code, ended.logs) == (70, [])
    assert "Traceback" in ended.err
    assert "report it with the lines above" in ended.err.splitlines()[-1]


def test_a_plug_in_is_told_from_us_and_keeps_its_traceback(tmp_path: Path) -> None:
    site = tmp_path / "site"
    facts = site / "port_broken-1.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: port-broken\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[paddleport.runners]\nplugin = port_broken:Plugin\n")
    (site / "port_broken.py").write_text("\n1 / 0\n")
    path = os.pathsep.join([str(site), *sys.path])
    plant = "def fault(): return runners.runner_class('plugin')"
    ended = planted(tmp_path, plant, PYTHONPATH=path)
    assert (ended.code, ended.out) == (70, "")
    *trace, line = ended.err.splitlines()
    assert trace[0].startswith("Traceback")
    assert "port_broken failed: ZeroDivisionError: division by zero (port_broken.py:2)" in line


def ended_with(
    arguments: list[str], stdout: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command whose standard output is something else, as a shell has it."""
    command = f'"{sys.executable}" -m paddleport "$@" {stdout}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", command, "bash", *arguments],
        capture_output=True,
        text=True,
        encoding=environment.get("PYTHONIOENCODING"),
        timeout=TIMEOUT_S,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("stdout", "code", "said"),
    [
        ("| true", 141, ""),
        (">&-", 0, ""),
        ("> /dev/full", 2, "cannot be written"),
    ],
)
def test_an_output_that_takes_nothing(stdout: str, code: int, said: str) -> None:
    done = ended_with(["models"], stdout)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said), done.stderr


def test_an_error_that_nobody_reads() -> None:
    assert ended_with(["models", "Nope"], "2>&1 | true").returncode == 141
    assert ended_with(["models", "Nope"], "2>&-").returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_path_that_the_terminal_has_no_letters_for(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "模型é😀"
    done = ended_with(["models", str(folder)], "", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert r"\u6a21\u578b" in done.stderr


JSON = """
from paddleport.cli.console import print_json, print_whatever_comes
print_whatever_comes()
print_json({"é模型": "\\U0001f600\\udcff"})
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_stays_json(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", JSON], capture_output=True, env=environment, timeout=TIMEOUT_S
    )
    assert json.loads(done.stdout.decode(encoding)) == {"é模型": "\U0001f600\udcff"}
    assert ("模".encode() in done.stdout) == (encoding == "utf-8")
