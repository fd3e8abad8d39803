"""One architecture with seeded weights, exported as PaddleClas does, and the truth beside it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import double_precision
import numpy as np
from architecture import Architecture

from paddleport.models.cache import cache_key, cached_folder, is_intact
from paddleport.models.paddle.model_builder import save_network
from paddleport.models.zoo.paddleclas import backbone, exported, prepare
from paddleport.models.zoo.paddleclas.paddleclas_wheel import SHA256
from paddleport.models.zoo.seeded_weights import RECIPE, seed_network
from paddleport.models.zoo.seeding import SeededStream
from paddleport.progress import no_progress
from paddleport.tensors import Array, TensorSpec
from paddleport.worker import Worker

TIMEOUT_S = 900.0
_PREFIX = "inference"
_TRUTH, _FACTS = "truth.npz", "facts.json"


@dataclass(frozen=True, kw_only=True)
class ExportedNetwork:
    """A folder with an inference model.

    Attributes:
        program: the .json or .pdmodel.
        params: the .pdiparams.
        batch: what the program is fixed to; None where it is free.
        parameters: how many numbers the network has.
        no_double: why Paddle cannot compute it in double precision; empty where it can.
    """

    program: Path
    params: Path
    batch: int | None
    parameters: int
    no_double: str

    def truth(self) -> dict[str, Array]:
        """``inputs``, and outputs before the softmax: ``paddle``, ``double``, ``disturbed``."""
        with np.load(self.program.with_name(_TRUTH)) as arrays:
            return dict(arrays)


def exported_network(
    architecture: Architecture, folder: Path, *, truth: bool = True
) -> ExportedNetwork:
    """The model in a folder below ``folder``, made in a worker if it is not there.

    Args:
        architecture: which.
        folder: where exported models are kept.
        truth: whether its outputs in double precision are wanted, which may take a minute.

    Raises:
        DownloadError: the wheel cannot be had.
        WorkerCrashed: Paddle crashed, or took ``TIMEOUT_S``.
        RemoteError: the architecture cannot be built or exported.
    """
    from importlib.metadata import version

    parts = dataclasses.asdict(architecture) | {
        **{"recipe": RECIPE, "wheel": SHA256, "paddle": version("paddlepaddle")}
    }
    entry = f"{cache_key(parts)}/{architecture.name}"
    if not truth and not is_intact(folder / entry):
        entry = f"{cache_key(parts | {'truth': False})}/{architecture.name}"
    made = cached_folder(
        entry, lambda empty: _build_in_worker(architecture, empty, truth), cache=folder
    )
    facts = json.loads((made / _FACTS).read_text("utf-8"))
    program = made / f"{_PREFIX}{'.pdmodel' if architecture.old_format else '.json'}"
    return ExportedNetwork(program=program, params=program.with_suffix(".pdiparams"), **facts)


def _build_in_worker(architecture: Architecture, folder: Path, truth: bool) -> None:
    prepare(no_progress)
    with Worker(environ={"FLAGS_enable_pir_api": str(int(not architecture.old_format))}) as worker:
        worker.call(build, TIMEOUT_S, architecture, folder, truth)


def build(architecture: Architecture, folder: Path, truth: bool) -> None:
    """Write the model and its facts, and its truth if wanted; in a process of its own.

    Args:
        architecture: what to build.
        folder: where the files go; it exists.
        truth: as ``exported_network`` has it.
    """
    import paddle

    paddle.device.set_device("cpu")
    paddle.seed(0)  # for what a constructor draws and keeps outside the parameters
    name = architecture.name
    fed = TensorSpec("x", "float32", (None, 3, *architecture.sides))
    network = backbone({"network": name, **dict(architecture.arguments)}, None)
    seed_network(network, SeededStream(name, RECIPE), fed, architecture.logit_std)
    whole = exported(network, softmax=architecture.softmax)
    facts = {
        "batch": save_network(whole, fed, folder / _PREFIX, name),
        "parameters": sum(int(np.prod(parameter.shape)) for parameter in network.parameters()),
        "no_double": _write_truth(network, architecture, folder / _TRUTH) if truth else "not asked",
    }
    (folder / _FACTS).write_text(json.dumps(facts), "utf-8")


def _write_truth(network: Any, architecture: Architecture, file: Path) -> str:
    """Compute in single and in double precision; says why the latter cannot be done."""
    inputs = double_precision.inputs(architecture.sides)
    arrays: dict[str, Any] = {
        "inputs": inputs,
        "paddle": double_precision.raw_outputs(network, inputs),
    }
    no_double = ""
    try:
        double_precision.to_double(network)
        doubles = inputs.astype(np.float64)
        truth = double_precision.raw_outputs(network, doubles)
        if truth.dtype == np.float64:
            disturbed = np.stack(double_precision.disturbed_outputs(network, doubles))
            arrays |= {"double": truth, "disturbed": disturbed}
        else:
            no_double = f"it gives {truth.dtype} all the same"
    except Exception as error:  # a kernel without double precision, a constant in single
        no_double = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    np.savez(file, **arrays)
    return no_double
