"""What a part's probe means: fine, never tested, missing or broken, and what to type."""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paddleport.doctor.children import Failure
from paddleport.doctor.findings import Finding, Problem
from paddleport.doctor.parts import UNKNOWN, Part, parse
from paddleport.doctor.probe import Probe
from paddleport.doctor.rules import Rule

PYTHONS = ("3.10", "3.12")  # oldest and newest that constraints.txt has versions for
_GPU_PROVIDERS = ("CUDA", "Tensorrt", "NvTensorRT")
_WHEELS = {  # NVIDIA's names of its packages, by the CUDA that the driver runs
    "CUDA": {"12": "nvidia-cuda-runtime-cu12", "13": "nvidia-cuda-runtime"},
    "cuDNN": {"12": "nvidia-cudnn-cu12", "13": "nvidia-cudnn-cu13"},
}


def judge_python(rules: Sequence[Rule]) -> Finding:
    """This interpreter; ``rules`` are those that apply."""
    problems = tuple(rule.told(gpu=False) for rule in rules if rule.part == "python")
    detail = platform.python_implementation()
    return Finding("python", platform.python_version(), " to ".join(PYTHONS), problems, detail)


def judge_part(
    part: Part,
    found: Mapping[str, str],
    outcome: Probe | Failure | None,
    rules: Sequence[Rule],
    *,
    gpu: bool,
    cause: Finding | None = None,
) -> Finding:
    """One package.

    Args:
        part: which.
        found: the version of each of its distributions that is installed.
        outcome: of importing it: a probe, or how it failed, or ``None`` if there is no module.
        rules: those that apply to this machine.
        gpu: whether it has a GPU.
        cause: a part that this one imports, and that is broken.
    """
    if outcome is None and not found:
        missing = Problem("missing", f"is not installed; it {part.purpose}", part.install)
        return Finding(part.name, "", part.tested_text, (missing,))
    distribution, version = next(iter(found.items()), (part.distributions[0], UNKNOWN))
    probe = outcome if isinstance(outcome, Probe) else Probe("")
    if not found:
        version = probe.version or UNKNOWN
    problems = [rule.told(gpu=gpu) for rule in rules if rule.part == part.name]
    about = [rule for rule in rules if set(rule.versions) & set(part.distributions)]
    mends = [rule.told(gpu=gpu).mend for rule in about if rule.state == "broken"]
    if cause is not None:
        mends.insert(0, cause.mend)
    for text in _failures(outcome, version, found):
        mend = next(iter(mends), "") or _mend(part, distribution, version, text)
        problems.append(Problem("broken", text, mend))
    if not any(problem.state == "broken" for problem in problems):
        problems += _version_problems(part, distribution, version)
    if gpu and _leaves_gpu_alone(probe.facts):
        problems.append(_cpu_only(part.name))
    return Finding(
        part.name,
        " and ".join(dict.fromkeys(found.values())) or version,
        part.tested_text,
        tuple(problems),
        _detail(probe.facts),
        {"distributions": dict(found), **probe.facts},
    )


def judge_driver(told: Mapping[str, Any] | Failure, mend_first: str = "") -> Finding:
    """The NVIDIA driver.

    Args:
        told: what it told, or how asking it failed.
        mend_first: what mends a broken package that asking it takes.
    """
    if isinstance(told, Failure):
        mend = "" if told.mends else mend_first or "nvidia-smi"
        return Finding("driver", UNKNOWN, problems=(Problem("broken", told.text, mend),))
    problems = (Problem("missing", told["missing"]),) if told["missing"] else ()
    version = told["version"] or (UNKNOWN if told["cuda"] else "")
    gpus = ", ".join(gpu["name"] for gpu in told["gpus"])
    runs = f"runs CUDA up to {told['cuda']}" if told["cuda"] else ""
    return Finding("driver", version, "", problems, "; ".join(filter(None, (gpus, runs))), told)


def judge_library(name: str, found: str | Failure, driver_cuda: str = "") -> Finding:
    """The CUDA runtime or cuDNN.

    Args:
        name: of its row.
        found: its version, or how loading it failed, or nothing.
        driver_cuda: the newest CUDA that the driver runs; empty without a GPU.
    """
    driver_major = driver_cuda.partition(".")[0]
    wheel = _WHEELS[name].get(driver_major, "")
    mend = f"pip install {wheel}" if wheel else ""
    if isinstance(found, Failure):
        return Finding(name, UNKNOWN, problems=(Problem("broken", found.text, mend),))
    if not found:
        text = "its library is not found; a GPU build of a runtime loads it"
        return Finding(name, "", problems=(Problem("missing", text, mend),))
    if name == "CUDA" and driver_major and int(found.partition(".")[0]) > int(driver_major):
        text = f"is newer than the driver, which runs CUDA up to {driver_cuda}"
        return Finding(name, found, problems=(Problem("broken", text, mend),))
    return Finding(name, found)


def _failures(outcome: Probe | Failure | None, version: str, found: Mapping[str, str]) -> list[str]:
    if outcome is None:
        return ["is installed, and its module is not there"]
    if isinstance(outcome, Failure):
        return [outcome.text]
    if outcome.lacks:
        return [f"is of no use: {outcome.lacks}"]
    if found and _differ(version, outcome.version):
        return [f"its package is {version}, and what is imported is {outcome.version}"]
    return []


def _mend(part: Part, distribution: str, version: str, failure: str) -> str:
    missing = re.search(r"No module named '(\w+)", failure)
    if missing is not None and missing[1] != part.module:
        return part.complete(distribution, version)
    return part.reinstall(distribution, version)


def _differ(package: str, module: str) -> bool:
    """Whether two versions differ in the numbers that both have."""
    first, second = parse(package), parse(module)
    if first is None or second is None:
        return False
    return any(ours != theirs for ours, theirs in zip(first.release, second.release, strict=False))


def _version_problems(part: Part, distribution: str, text: str) -> Iterable[Problem]:
    version = parse(text)
    mend = part.install_tested(distribution)
    if version is None:
        yield Problem("untested", "nothing tells its version", mend)
    elif not part.fits(version):
        yield Problem("untested", f"paddleport asks for {part.wanted}", mend)
    elif not part.tested:
        yield Problem("untested", "no version of it was tested with paddleport")
    elif not part.was_tested(version):
        yield Problem("untested", f"tested was {part.tested_text}; this one may work", mend)


def _leaves_gpu_alone(facts: Mapping[str, Any]) -> bool:
    providers = facts.get("providers", ())
    return bool(providers) and not any(name.startswith(_GPU_PROVIDERS) for name in providers)


def _cpu_only(name: str) -> Problem:
    mend = "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
    return Problem("note", f"this {name} is for CPUs only and leaves the GPU alone", mend)


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
