"""Real models to TensorRT-RTX engines on a machine without a GPU: TensorRT takes what we write."""

from pathlib import Path

import pytest
from engines import need_rtx
from test_real_models import ocr

from paddleport.convert import convert
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners.runner_options import Precision
from paddleport.tensors import ShapeRange

L4 = ((8, 9),)
SIZES = {
    "cls": ((1, 3, 48, 192), (4, 3, 48, 192), (8, 3, 48, 192)),
    "det": ((1, 3, 160, 160), (1, 3, 640, 640), (4, 3, 960, 1280)),
    "rec": ((1, 3, 48, 32), (4, 3, 48, 320), (8, 3, 48, 1280)),
}
QUICK = "MobileNetV2_x0_25"


def check(
    source: SourceModel, target: Path, precision: Precision, ranges: dict[str, ShapeRange]
) -> None:
    done = convert(
        source,
        target,
        to="tensorrt-rtx",
        precision=precision,
        compute_capabilities=L4,
        shapes=ranges,
    )
    assert done.artifact.path.stat().st_size == done.size_bytes
    facts = done.facts
    assert (facts["computes_in"], facts["tf32"]) == (precision, False)
    assert (facts["capabilities"], facts["profiles"]) == (("8.9",), 1)
    names = [spec.name for spec in done.artifact.inputs]
    assert names == [spec.name for spec in source.program.inputs]
    assert done.artifact.inputs[0].shape[0] is None  # the batch stays free
    assert len(done.artifact.outputs) == len(source.program.outputs)
    assert facts["profile"]["x"]["min"][0] < facts["profile"]["x"]["max"][0]
    weights = sum(path.stat().st_size for path in [source.model.weights_file] if path)
    share = 1.0 if precision == "fp32" else 0.5
    assert done.size_bytes > 0.9 * share * weights  # they are all in it


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", [QUICK, pytest.param("MobileNetV2", marks=pytest.mark.slow)])
def test_the_series(name: str, precision: Precision, tmp_path: Path) -> None:
    need_rtx()
    check(resolve(name, weights="seeded"), tmp_path / "x.engine", precision, {})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", SIZES)
def test_pp_ocr(name: str, precision: Precision, tmp_path: Path) -> None:
    need_rtx()
    source, _, _ = ocr(name)
    check(source, tmp_path / "x.engine", precision, {"x": ShapeRange(*SIZES[name])})
