"""Faults planted in ncnn's and MNN's files and runners, named by ``validate`` and ``locate``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planted_mnn
import planted_ncnn
import pytest
from plugin import install
from test_cli import Command, cache, paddleport

import paddleport as pp
from paddleport.convert import cached_onnx
from paddleport.convert.loadable import loadable
from paddleport.convert.named_files import read_target_file
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import ModelWarning, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.runner_options import RunnerOptions
from paddleport.validate import Plan
from paddleport.validate.bisect import locate
from paddleport.validate.parity.validation import validate

__all__ = ["cache", "paddleport"]
pytestmark = pytest.mark.slow
ROUNDED = '''
import numpy as np
from paddleport.runners.{module} import {base}


class Rounded{name}({base}):
    """Says fp32, and rounds what it gives out to fp16."""

    name = "rounded{lower}"

    def infer(self, feed):
        found = super().infer(feed)
        return {{key: y.astype(np.float16).astype(np.float32) for key, y in found.items()}}
'''


@pytest.fixture(scope="module")
def source() -> SourceModel:
    return resolve("MobileNetV2_x0_25", weights="seeded")


def planted(
    onnx: Artifact, backend: str, folder: Path, plant: Callable[[Path], object]
) -> Artifact:
    """A made file, changed, without the JSON file that has its digests."""
    made = loadable(onnx, (backend,))
    for file in made.files:
        shutil.copy(file, folder)
    path = folder / made.path.name
    plant(path)
    return read_target_file(path, [backend])


def in_ncnn(fault: planted_ncnn.Fault, operator: str, which: int) -> Callable[[Path], object]:
    return lambda path: planted_ncnn.plant(path, fault, operator, which)


def in_mnn(fault: Callable[[Path, str], object], which: int) -> Callable[[Path], object]:
    return lambda path: fault(path, planted_mnn.operators(path, "Convolution")[which])


FAULTS = [
    ("ncnn", in_ncnn(planted_ncnn.other_weight, "Convolution", 12), "Convolution"),
    (
        "ncnn",
        in_ncnn(planted_ncnn.other_padding, "ConvolutionDepthWise", 5),
        "ConvolutionDepthWise",
    ),
    ("ncnn", in_ncnn(planted_ncnn.other_activation, "Convolution", 3), "Convolution"),
    ("ncnn", in_ncnn(planted_ncnn.lost_bias, "InnerProduct", 0), "InnerProduct"),
    ("mnn", in_mnn(planted_mnn.scale_weights, 11), "Convolution"),
    ("mnn", lambda path: planted_mnn.shift_padding(path), "Convolution"),
    ("mnn", in_mnn(planted_mnn.drop_activation, 3), "Convolution"),
]


@pytest.mark.parametrize(("backend", "plant", "operator"), FAULTS)
def test_locate_names_the_layer_of_the_file(
    source: SourceModel,
    tmp_path: Path,
    backend: str,
    plant: Callable[[Path], object],
    operator: str,
) -> None:
    onnx = cached_onnx(source)
    file = planted(onnx, backend, tmp_path, plant)
    with RemadeConversion(source, onnx, file) as conversions:
        found = locate(source, onnx, backend, RunnerOptions(), conversions=conversions)
    assert [(item.side, item.operator, item.complete) for item in found] == [
        ("target", operator, True)
    ]


@pytest.mark.parametrize(("backend", "plant"), [FAULTS[1][:2], FAULTS[6][:2]])
def test_validate_names_the_step_and_the_layer(
    source: SourceModel, tmp_path: Path, backend: str, plant: Callable[[Path], object]
) -> None:
    onnx = cached_onnx(source)
    file = planted(onnx, backend, tmp_path, plant)
    plan = Plan(backends=(backend,), seconds_each=0, quick=True, locate=True)
    with RemadeConversion(source, onnx, file) as conversions:
        row = validate(source, onnx, plan, conversions=conversions).rows[1]
    assert (row.verdict, row.cause, row.step) == ("differs", "converter", backend), row.explanation
    assert row.located is not None
    assert row.located.side == "target"


def test_the_library_takes_a_file_in_question(source: SourceModel, tmp_path: Path) -> None:
    changed = planted(cached_onnx(source), *FAULTS[4][:1], tmp_path, FAULTS[4][1])
    asked: dict[str, Any] = {"backends": ["mnn"], "plan": Plan(seconds_each=0, quick=True)}
    with pytest.warns(ModelWarning, match="seeded weights"):
        found = pp.validate(source.name, weights="seeded", target_file=changed.path, **asked)
    assert (found.rows[1].verdict, found.rows[1].step) == ("differs", "mnn")
    with pytest.raises(UsageError, match="does not load: --backend mnn"):
        pp.validate(source.name, target_file=changed.path, backends=["ncnn"])


@pytest.mark.parametrize("backend", ["mnn", "ncnn"])
def test_run_takes_the_one_backend_that_loads_a_file(
    source: SourceModel, paddleport: Command, backend: str
) -> None:
    path = loadable(cached_onnx(source), (backend,)).path
    done = paddleport("run", path, "--json")
    assert done.code == 0, done.err
    bare = paddleport("run", path)
    assert f" · {backend} fp32" in bare.out + bare.err


@pytest.mark.parametrize(
    ("backend", "module", "base"),
    [("ncnn", "ncnn", "NcnnRunner"), ("mnn", "mnn.mnn_runner", "MnnRunner")],
)
def test_a_runner_that_rounds_is_the_runtime(
    source: SourceModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    module: str,
    base: str,
) -> None:
    text = ROUNDED.format(name=backend.title(), lower=backend, module=module, base=base)
    install(
        tmp_path / "planted", monkeypatch, f"rounded_{backend}", text, [f"Rounded{backend.title()}"]
    )
    onnx = cached_onnx(source)
    plan = Plan(backends=(backend, f"rounded{backend}"), seconds_each=0, quick=True)
    with RemadeConversion(source, onnx) as conversions:
        _, honest, rounded = validate(source, onnx, plan, conversions=conversions).rows
    assert (honest.verdict, honest.cause) == ("agrees", ""), honest.explanation
    assert (rounded.verdict, rounded.cause) == ("differs", "runtime"), rounded.explanation
    assert "answer fits into fp16" in rounded.explanation
