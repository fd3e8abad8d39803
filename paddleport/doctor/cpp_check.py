"""What builds a C++ bundle: whether it is here, and what to type."""

from collections.abc import Mapping
from typing import Any

from paddleport.doctor.child_processes import ChildFailure
from paddleport.doctor.findings import Finding, Problem

PART = "C++"
_TESTED = "g++ 12.2.0, OpenCV 4.6.0"


def probe_cpp() -> Mapping[str, Any]:
    """What there is of compiler, CMake, the libraries' development files and the engines.

    Returns:
        ``title``, compiler and OpenCV; ``missing``, what is not there; ``apt``, the command for
        it; ``engines``, each with why it can't be used, or empty; and the versions.
    """
    from dataclasses import asdict

    from paddleport.runners.cpp.engine_libraries import engines_here
    from paddleport.runners.cpp.toolchain import APT, find_toolchain

    found = find_toolchain()
    return {
        **asdict(found),
        "title": "" if found.missing else found.title,
        "missing": list(found.missing),
        "apt": APT,
        "engines": engines_here(),
    }


def assess_cpp(answer: Mapping[str, Any] | ChildFailure) -> Finding:
    """Whether ``convert --to cpp`` can be built and compared here; nothing else needs it."""
    if isinstance(answer, ChildFailure):
        return Finding(part=PART, found="?", problems=(Problem("broken", answer.text),))
    problems = []
    if answer["missing"]:
        text = f"has not {', '.join(answer['missing'])}; a C++ bundle is built with it"
        problems.append(Problem("missing", text, answer["apt"]))
    engines = answer["engines"]
    for engine, why in engines.items():
        if why and all(engines.values()):
            problems.append(Problem("missing", f"has no engine: {why}"))
        elif why:
            problems.append(Problem("note", f"{engine} is no engine for it here: {why}"))
    title = str(answer["title"])
    if title and title != _TESTED:
        problems.append(Problem("untested", f"tested was {_TESTED}; this one may work"))
    usable = ", ".join(engine for engine, why in engines.items() if not why)
    parts = {
        "CMake": answer["cmake_version"],
        "libjpeg-turbo": answer["jpeg"],
        "nlohmann_json": answer["json"],
    }
    detail = ", ".join(f"{name} {version}" for name, version in parts.items() if version)
    return Finding(
        part=PART,
        found=title,
        tested=_TESTED,
        problems=tuple(problems),
        detail="; ".join(filter(None, (detail, usable))),
        facts=answer,
    )
