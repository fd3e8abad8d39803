"""Checks all of an installation, each vendor in its own child process: a broken one can crash."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from paddleport.doctor.assessment import (
    assess_driver,
    assess_library,
    assess_package,
    assess_pnnx,
    assess_python,
)
from paddleport.doctor.checked_packages import CheckedPackage, installed, load_packages
from paddleport.doctor.child_processes import ChildTask, run_all
from paddleport.doctor.cpp_check import PART as CPP
from paddleport.doctor.cpp_check import assess_cpp, probe_cpp
from paddleport.doctor.cuda_libraries import probe_cuda, probe_cudnn
from paddleport.doctor.findings import Finding, InstallationReport
from paddleport.doctor.known_bad import KnownBadVersions, load_known_bad
from paddleport.doctor.lite_interpreter_check import (
    PART,
    assess_lite_interpreter,
    probe_lite_interpreter,
)
from paddleport.doctor.plugin_backends import RegisteredBackend, assess_backend, foreign_backends
from paddleport.doctor.vendor_probes import probe_backend, probe_driver, probe_module, probe_pnnx
from paddleport.progress import Progress, no_progress

TIMEOUT_S = 60.0


def check_installation(
    *, timeout_s: float = TIMEOUT_S, progress: Progress = no_progress
) -> InstallationReport:
    """Find each package's version, import it, and compare it with what was tested.

    Nothing is imported into this process, and nothing that a vendor does can end it.

    Args:
        timeout_s: how long one import may take before it counts as hung.
        progress: called with the name of each check that is done, and the share of all that are.
    """
    packages, backends = load_packages(), foreign_backends()
    found = {package.name: _found(package) for package in packages}
    answers = run_all(_tasks(packages, backends), timeout_s=timeout_s, progress=progress)
    driver = answers["driver"]
    gpus = driver["gpus"] if isinstance(driver, Mapping) else []
    cuda = driver["cuda"] if gpus else ""
    known_bad = _known_bad_here()
    assessed: dict[str, Finding] = {}
    for package in packages:
        broken = (assessed[name] for name in package.imports if assessed[name].state == "broken")
        assessed[package.name] = assess_package(
            package,
            found[package.name],
            answers.get(package.name),
            known_bad,
            gpu=bool(gpus),
            cause=next(broken, None),
        )
    numpy_fix = assessed["numpy"].fix
    findings = (
        assess_python(known_bad),
        *(assessed[package.name] for package in packages if not package.needs_gpu),
        *([assess_pnnx(answers["pnnx"], numpy_fix)] if "pnnx" in answers else []),
        assess_driver(driver, numpy_fix),
        *(assess_library(name, answers[name], cuda) for name in ("CUDA", "cuDNN")),
        *(assessed[package.name] for package in packages if package.needs_gpu),
        assess_lite_interpreter(answers[PART]),
        assess_cpp(answers[CPP]),
        *(assess_backend(backend, answers[backend.task], numpy_fix) for backend in backends),
    )
    return InstallationReport(_machine(gpus), findings)


def _tasks(
    packages: Sequence[CheckedPackage], backends: Sequence[RegisteredBackend]
) -> dict[str, ChildTask]:
    """What the children run, the slowest import first."""
    imports = {
        package.name: ChildTask(
            probe_module, (package.module, package.attribute), f"importing {package.module}"
        )
        for package in packages
        if find_spec(package.module) is not None
    }
    return imports | {
        PART: ChildTask(probe_lite_interpreter, (), "asking the interpreter of Paddle Lite"),
        CPP: ChildTask(probe_cpp, (), "looking for a compiler"),
        "driver": ChildTask(probe_driver, (), "asking the driver"),
        "CUDA": ChildTask(probe_cuda, (), "loading its library"),
        "cuDNN": ChildTask(probe_cudnn, (), "loading its library"),
        **({"pnnx": ChildTask(probe_pnnx, (), "looking for pnnx")} if "ncnn" in imports else {}),
        **{
            backend.task: ChildTask(probe_backend, (backend.name,), f"importing {backend.module}")
            for backend in backends
        },
    }


def _found(package: CheckedPackage) -> dict[str, str]:
    versions = {name: installed(name) for name in package.distributions}
    return {name: version for name, version in versions.items() if version is not None}


def _known_bad_here() -> tuple[KnownBadVersions, ...]:
    table = load_known_bad()
    versions = {name: installed(name) for entry in table for name in entry.versions}
    versions["python"] = platform.python_version()
    return tuple(entry for entry in table if entry.applies(versions))


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
