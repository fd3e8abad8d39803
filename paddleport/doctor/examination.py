"""Look at everything, each vendor in a child process of its own, since a broken one can kill it."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from paddleport.doctor.backends import Claim, foreign_backends, judge_backend
from paddleport.doctor.children import Task, run_all
from paddleport.doctor.findings import Diagnosis, Finding
from paddleport.doctor.judge import judge_driver, judge_library, judge_part, judge_python
from paddleport.doctor.libraries import probe_cuda, probe_cudnn
from paddleport.doctor.parts import Part, installed, load_parts
from paddleport.doctor.probe import probe_backend, probe_driver, probe_module
from paddleport.doctor.rules import Rule, load_rules
from paddleport.progress import Progress, no_progress

TIMEOUT_S = 60.0


def examine(*, timeout_s: float = TIMEOUT_S, progress: Progress = no_progress) -> Diagnosis:
    """Find every part's version, import it, and hold it against what was tested.

    Nothing is imported into this process, and nothing that a vendor does can end it.

    Args:
        timeout_s: how long one import may take before it counts as hung.
        progress: is told what was looked at, and the share of all that is done.
    """
    parts, claims = load_parts(), foreign_backends()
    found = {part.name: _found(part) for part in parts}
    answers = run_all(_tasks(parts, found, claims), timeout_s=timeout_s, progress=progress)
    driver = answers["driver"]
    gpus = driver["gpus"] if isinstance(driver, Mapping) else []
    cuda = driver["cuda"] if gpus else ""
    rules = _rules_that_apply()
    packages: dict[str, Finding] = {}
    for part in parts:
        broken = (packages[name] for name in part.imports if packages[name].state == "broken")
        packages[part.name] = judge_part(
            part,
            found[part.name],
            answers.get(part.name),
            rules,
            gpu=bool(gpus),
            cause=next(broken, None),
        )
    everywhere = packages["numpy"].mend
    findings = (
        judge_python(rules),
        *(packages[part.name] for part in parts if not part.needs_gpu),
        judge_driver(driver, everywhere),
        *(judge_library(name, answers[name], cuda) for name in ("CUDA", "cuDNN")),
        *(packages[part.name] for part in parts if part.needs_gpu),
        *(judge_backend(claim, answers[claim.task], everywhere) for claim in claims),
    )
    return Diagnosis(_machine(gpus), findings)


def _tasks(
    parts: Sequence[Part], found: Mapping[str, Mapping[str, str]], claims: Sequence[Claim]
) -> dict[str, Task]:
    """What to ask, the slowest import first."""
    packages = {
        part.name: Task(probe_module, (part.module, part.attribute), f"importing {part.module}")
        for part in parts
        if find_spec(part.module) is not None
    }
    return packages | {
        "driver": Task(probe_driver, (), "asking the driver"),
        "CUDA": Task(probe_cuda, (), "loading its library"),
        "cuDNN": Task(probe_cudnn, (), "loading its library"),
        **{
            claim.task: Task(probe_backend, (claim.name,), f"importing {claim.module}")
            for claim in claims
        },
    }


def _found(part: Part) -> dict[str, str]:
    versions = {name: installed(name) for name in part.distributions}
    return {name: version for name, version in versions.items() if version is not None}


def _rules_that_apply() -> tuple[Rule, ...]:
    rules = load_rules()
    versions = {name: installed(name) for rule in rules for name in rule.versions}
    versions["python"] = platform.python_version()
    return tuple(rule for rule in rules if rule.applies(versions))


def _machine(gpus: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "paddleport": version("paddleport"),
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": cpus or 1,
        "gpus": list(gpus),
    }
