"""The interpreter with Paddle Lite is any path that a user types: what is wrong with it, said."""

import json
import sys
import time
from pathlib import Path

import pytest
from lite_interpreters import answering, script
from test_cli import Command, cache, one_line_error, paddleport

from paddleport.doctor.lite_interpreter_check import (
    assess_lite_interpreter,
    probe_lite_interpreter,
)
from paddleport.errors import BackendUnavailableError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.runners import describe_all
from paddleport.runners.paddle_lite import lite_interpreter as room
from paddleport.runners.paddle_lite.lite_interpreter import VARIABLE, lite_interpreter
from paddleport.runners.paddle_lite.lite_process import LiteProcess

__all__ = ["cache", "paddleport"]


def described(version: str, *release: int) -> dict[str, object]:
    return {"python": release, "paddlelite": version}


GOOD = described("2.13rc0", 3, 10, 13)


def refused(named: Path) -> str:
    with pytest.raises(BackendUnavailableError) as refusal:
        lite_interpreter(named)
    message = str(refusal.value)
    assert "\n" not in message
    return message


def test_one_that_fits(tmp_path: Path) -> None:
    found = lite_interpreter(answering(tmp_path / "python", GOOD))
    assert (found.version, found.python_version) == ("2.13rc0", "3.10.13")


def test_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(BackendUnavailableError, match=r"names none: python3.10 -m venv lite"):
        lite_interpreter()
    (backend,) = [item for item in describe_all() if item.name == "paddle-lite"]
    assert not backend.usable
    assert backend.reason == room.NOT_NAMED


def test_what_is_no_interpreter(tmp_path: Path) -> None:
    assert "is not there" in refused(tmp_path / "absent")
    assert "is not there" in refused(tmp_path)  # a folder
    plain = tmp_path / "plain"
    plain.write_text("text")
    assert "can't be started: Permission denied" in refused(plain)
    echo = script(tmp_path / "echo", "#!/bin/sh\nexec cat\n")
    assert "is no Python that Paddle Lite can be asked in" in refused(echo)
    assert "exit 3" in refused(script(tmp_path / "ends", "#!/bin/sh\nexit 3\n"))
    prints = script(tmp_path / "prints", "#!/bin/sh\necho '[1, 2]'\nexec sleep 60\n")
    assert "what it answers is no answer" in refused(prints)


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_DESCRIBE_TIMEOUT_S", 0.3)
    started = time.monotonic()
    message = refused(script(tmp_path / "hangs", "#!/bin/sh\nexec sleep 60\n"))
    assert "no answer within 0.3 s" in message
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (described("", 3, 12, 1), "is Python 3.12.1, and Paddle Lite has wheels for 3.8 to 3.10"),
        (described("", 3, 10, 13), "has no Paddle Lite"),
        (described("2.9", 3, 8, 18), "has paddlelite 2.9, which is older than 2.10"),
        (described("odd", 3, 8, 18), "has paddlelite odd"),
    ],
)
def test_versions(tmp_path: Path, answer: dict[str, object], said: str) -> None:
    message = refused(answering(tmp_path / "python", answer))
    assert said in message
    assert "paddlelite==2.13rc0" in message


def test_our_own_interpreter_is_asked_as_any_other() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Paddle Lite has wheels for this Python")
    assert "and Paddle Lite has wheels for 3.8 to 3.10" in refused(Path(sys.executable))


def test_nothing_is_remembered(tmp_path: Path) -> None:
    python = answering(tmp_path / "python", GOOD)
    assert lite_interpreter(python).version == "2.13rc0"
    answering(python, described("2.11", 3, 10, 13))
    assert lite_interpreter(python).version == "2.11"
    python.unlink()
    assert "is not there" in refused(python)


def test_a_death_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    dies = "import os; sys.stderr.write('[F 1/1 a.h:1 f] Check failed: no such thing\\nbye\\n')"
    python = answering(tmp_path / "python", GOOD, f"{dies}; sys.stderr.flush(); os.abort()")
    with LiteProcess(python) as process:
        process.ask("describe", 20)
        with pytest.raises(WorkerCrashed, match="signal 6: Check failed: no such thing") as death:
            process.ask("run", 20)
    assert "bye" in death.value.log


def test_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert assess_lite_interpreter(probe_lite_interpreter()).state == "missing"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    finding = assess_lite_interpreter(probe_lite_interpreter())
    assert finding.state == "broken" and "is not there" in finding.problems[0].text
    monkeypatch.setenv(VARIABLE, str(answering(tmp_path / "python", {**GOOD, "optimiser": "v2"})))
    finding = assess_lite_interpreter(probe_lite_interpreter())
    assert (finding.state, finding.found, finding.tested) == ("ok", "2.13rc0", "2.13rc0")
    assert finding.detail == "Python 3.10.13, optimiser v2"
    later = {**described("2.14", 3, 10, 13), "optimiser": "v2.14"}
    monkeypatch.setenv(VARIABLE, str(answering(tmp_path / "later", later)))
    assert assess_lite_interpreter(probe_lite_interpreter()).state == "untested"
    dies = answering(tmp_path / "dies", {**GOOD, "error": "ImportError: libgomp.so.1"})
    monkeypatch.setenv(VARIABLE, str(dies))
    assert assess_lite_interpreter(probe_lite_interpreter()).state == "broken"


def test_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    convert = ("convert", folder, "--to", "paddle-lite")
    one_line_error(paddleport(*convert, **{VARIABLE: ""}), "names none: python3.10 -m venv lite")
    python = answering(tmp_path / "python", GOOD)
    named = (*convert, "--lite-python", python)
    one_line_error(paddleport(*named), "FLAGS_enable_pir_api=0")
    one_line_error(paddleport(*named, "--precision", "int8"), "no file holds int8 as paddle-lite")
    one_line_error(paddleport(*named, "--lite-target", "opencl"), "opencl computes in fp16")
    one_line_error(paddleport(*named, "--lite-target", "amr"), "Did you mean 'arm'?")
    one_line_error(paddleport("convert", folder, "--lite-target", "arm"), "--to paddle-lite")
    listed = json.loads(paddleport("backends", "--json", **{VARIABLE: str(python)}).out)
    (backend,) = [item for item in listed if item["name"] == "paddle-lite"]
    assert backend["usable"] and backend["version"] == "2.13rc0"
