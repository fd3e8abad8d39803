"""The interpreter that the user has Paddle Lite in: whether it can be used, and was tested."""

from collections.abc import Mapping
from typing import Any

from paddleport.doctor.child_processes import ChildFailure
from paddleport.doctor.findings import Finding, Problem

PART = "paddle-lite"


def probe_lite_interpreter() -> Mapping[str, Any]:
    """What is named as the interpreter with Paddle Lite, and whether its optimiser starts there.

    Returns:
        ``tested``, the version that was; ``refused``, why it can't be used, or empty; ``named``,
        whether one is named at all; and of one that can be used ``version``, ``python``,
        ``path`` and ``optimiser``.
    """
    import os

    from paddleport.errors import BackendUnavailableError
    from paddleport.runners.paddle_lite import lite_interpreter as room

    answer: dict[str, Any] = {"tested": room.TESTED, "named": bool(os.environ.get(room.VARIABLE))}
    try:
        found = room.lite_interpreter()
        answer |= {
            "path": str(found.python),
            "python": found.python_version,
            "version": found.version,
        }
        return answer | {"refused": "", "optimiser": found.start()}
    except BackendUnavailableError as error:
        return answer | {"refused": str(error)}


def assess_lite_interpreter(answer: Mapping[str, Any] | ChildFailure) -> Finding:
    """Whether Paddle Lite can be used; an interpreter that is named and can't be is broken."""
    if isinstance(answer, ChildFailure):
        return Finding(part=PART, found="?", problems=(Problem("broken", answer.text),))
    problems = []
    found, tested = str(answer.get("version", "")), str(answer["tested"])
    if answer["refused"]:
        problems.append(Problem("broken" if answer["named"] else "missing", answer["refused"]))
    elif found != tested:
        fix = f"{answer['path']} -m pip install paddlelite=={tested}"
        problems.append(Problem("untested", f"tested was {tested}; this one may work", fix))
    detail = ""
    if not answer["refused"]:
        detail = f"Python {answer['python']}, optimiser {answer['optimiser']}"
    return Finding(
        part=PART,
        found=found,
        tested=tested,
        problems=tuple(problems),
        detail=detail,
        facts=answer,
    )
