"""What a probe means: the part is fine, never tested, missing or broken, and the command for it."""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paddleport.doctor.checked_packages import UNKNOWN, CheckedPackage, parse
from paddleport.doctor.child_processes import ChildFailure
from paddleport.doctor.findings import Finding, Problem, State
from paddleport.doctor.known_bad import KnownBadVersions
from paddleport.doctor.vendor_probes import ModuleProbe

PYTHONS = ("3.10", "3.12")  # oldest and newest that constraints.txt has versions for
_GPU_PROVIDERS = ("CUDA", "Tensorrt", "NvTensorRT")
_WHEELS = {  # NVIDIA's names of its packages, by the CUDA that the driver runs
    "CUDA": {"12": "nvidia-cuda-runtime-cu12", "13": "nvidia-cuda-runtime"},
    "cuDNN": {"12": "nvidia-cudnn-cu12", "13": "nvidia-cudnn-cu13"},
}


def assess_python(known_bad: Sequence[KnownBadVersions]) -> Finding:
    """Whether this interpreter is supported; ``known_bad`` holds what applies to this machine."""
    problems = tuple(entry.problem_here(gpu=False) for entry in known_bad if entry.part == "python")
    detail = platform.python_implementation()
    return Finding(
        part="python",
        found=platform.python_version(),
        tested=" to ".join(PYTHONS),
        problems=problems,
        detail=detail,
    )


def assess_package(
    package: CheckedPackage,
    found: Mapping[str, str],
    outcome: ModuleProbe | ChildFailure | None,
    known_bad: Sequence[KnownBadVersions],
    *,
    gpu: bool,
    cause: Finding | None = None,
) -> Finding:
    """Whether one package can be used.

    Args:
        package: what is known of it.
        found: the version of each of its distributions that is installed.
        outcome: of importing it: a probe, or how it failed, or ``None`` if there is no module.
        known_bad: what applies to this machine.
        gpu: whether it has a GPU.
        cause: the finding of a broken package that this one imports.
    """
    if outcome is None and not found:
        missing = Problem("missing", f"is not installed; it {package.purpose}", package.install)
        return Finding(part=package.name, found="", tested=package.tested_text, problems=(missing,))
    distribution, version = next(iter(found.items()), (package.distributions[0], UNKNOWN))
    probe = outcome if isinstance(outcome, ModuleProbe) else ModuleProbe("")
    if not found:
        version = probe.version or UNKNOWN
    problems = [entry.problem_here(gpu=gpu) for entry in known_bad if entry.part == package.name]
    about = [entry for entry in known_bad if set(entry.versions) & set(package.distributions)]
    fixes = [entry.problem_here(gpu=gpu).fix for entry in about if entry.state == "broken"]
    if cause is not None:
        fixes.insert(0, cause.fix)
    for text in _failures(outcome, version, found):
        fix = next(iter(fixes), "") or _repair(package, distribution, version, text)
        problems.append(Problem("broken", text, fix))
    if not any(problem.state == "broken" for problem in problems):
        problems += _version_problems(package, distribution, version)
    if gpu and _leaves_gpu_alone(probe.facts):
        problems.append(_cpu_only(package.name))
    return Finding(
        part=package.name,
        found=" and ".join(dict.fromkeys(found.values())) or version,
        tested=package.tested_text,
        problems=tuple(problems),
        detail=_detail(probe.facts),
        facts={"distributions": dict(found), **probe.facts},
    )


def assess_driver(answer: Mapping[str, Any] | ChildFailure, fix_first: str = "") -> Finding:
    """Whether there is an NVIDIA driver that finds a GPU.

    Args:
        answer: of ``probe_driver``, or how asking it failed.
        fix_first: the command that repairs a broken package that asking it takes.
    """
    if isinstance(answer, ChildFailure):
        fix = "" if answer.names_fix else fix_first or "nvidia-smi"
        problem = Problem("broken", answer.text, fix)
        return Finding(part="driver", found=UNKNOWN, problems=(problem,))
    problems = (Problem("missing", answer["missing"]),) if answer["missing"] else ()
    version = answer["version"] or (UNKNOWN if answer["cuda"] else "")
    gpus = ", ".join(gpu["name"] for gpu in answer["gpus"])
    runs = f"runs CUDA up to {answer['cuda']}" if answer["cuda"] else ""
    return Finding(
        part="driver",
        found=version,
        problems=problems,
        detail="; ".join(filter(None, (gpus, runs))),
        facts=answer,
    )


def assess_pnnx(answer: Mapping[str, Any] | ChildFailure, fix_first: str = "") -> Finding:
    """Whether ncnn's converter can be had without a package index.

    Args:
        answer: of ``probe_pnnx``, or how asking it failed.
        fix_first: the command that repairs a broken package that asking it takes.
    """
    if isinstance(answer, ChildFailure):
        fix = "" if answer.names_fix else fix_first
        state: State = "missing" if answer.names_fix else "broken"
        return Finding(part="pnnx", found="", problems=(Problem(state, answer.text, fix),))
    version = str(answer["version"])
    if answer["is_there"]:
        return Finding(part="pnnx", found=version, tested=version, detail="in the cache")
    text = "is not in the cache; it makes ncnn files, and convert --to ncnn fetches it"
    missing = Problem("missing", text, str(answer["command"]))
    return Finding(part="pnnx", found="", tested=version, problems=(missing,))


def assess_library(name: str, found: str | ChildFailure, driver_cuda: str = "") -> Finding:
    """Whether the CUDA runtime or cuDNN is there, and not newer than the driver.

    Args:
        name: of its row.
        found: its version, or how loading it failed, or nothing.
        driver_cuda: the newest CUDA that the driver runs; empty without a GPU.
    """
    driver_major = driver_cuda.partition(".")[0]
    wheel = _WHEELS[name].get(driver_major, "")
    fix = f"pip install {wheel}" if wheel else ""
    if isinstance(found, ChildFailure):
        return Finding(part=name, found=UNKNOWN, problems=(Problem("broken", found.text, fix),))
    if not found:
        text = "its library is not found; a GPU build of a runtime loads it"
        return Finding(part=name, found="", problems=(Problem("missing", text, fix),))
    if name == "CUDA" and driver_major and int(found.partition(".")[0]) > int(driver_major):
        text = f"is newer than the driver, which runs CUDA up to {driver_cuda}"
        return Finding(part=name, found=found, problems=(Problem("broken", text, fix),))
    return Finding(part=name, found=found)


def _failures(
    outcome: ModuleProbe | ChildFailure | None, version: str, found: Mapping[str, str]
) -> list[str]:
    if outcome is None:
        return ["is installed, and its module is not there"]
    if isinstance(outcome, ChildFailure):
        return [outcome.text]
    if outcome.lacks:
        return [f"is of no use: {outcome.lacks}"]
    if found and _differ(version, outcome.version):
        return [f"its package is {version}, and what is imported is {outcome.version}"]
    return []


def _repair(package: CheckedPackage, distribution: str, version: str, failure: str) -> str:
    missing = re.search(r"No module named '(\w+)", failure)
    if missing is not None and missing[1] != package.module:
        return package.complete(distribution, version)
    return package.reinstall(distribution, version)


def _differ(package: str, module: str) -> bool:
    """Whether two versions differ in the numbers that both have."""
    first, second = parse(package), parse(module)
    if first is None or second is None:
        return False
    return any(ours != theirs for ours, theirs in zip(first.release, second.release, strict=False))


def _version_problems(package: CheckedPackage, distribution: str, text: str) -> Iterable[Problem]:
    version = parse(text)
    fix = package.install_tested(distribution)
    if version is None:
        yield Problem("untested", "nothing tells its version", fix)
    elif not package.fits(version):
        yield Problem("untested", f"paddleport asks for {package.wanted}", fix)
    elif not package.tested:
        yield Problem("untested", "no version of it was tested with paddleport")
    elif not package.was_tested(version):
        yield Problem("untested", f"tested was {package.tested_text}; this one may work", fix)


def _leaves_gpu_alone(facts: Mapping[str, Any]) -> bool:
    providers = facts.get("providers", ())
    return bool(providers) and not any(name.startswith(_GPU_PROVIDERS) for name in providers)


def _cpu_only(name: str) -> Problem:
    fix = "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
    return Problem("note", f"this {name} is for CPUs only and leaves the GPU alone", fix)


def _detail(facts: Mapping[str, Any]) -> str:
    if "providers" in facts:
        return ", ".join(name.removesuffix("ExecutionProvider") for name in facts["providers"])
    if "devices" in facts:
        return ", ".join(facts["devices"])
    if "compiled_with_cuda" not in facts:
        return ""
    if not facts["compiled_with_cuda"]:
        return "CPU build"
    return f"CUDA {facts['compiled_with_cuda']}, cuDNN {facts['compiled_with_cudnn']}"
