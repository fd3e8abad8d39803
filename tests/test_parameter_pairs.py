"""Which stored parameters are those of a program: all pairs that Paddle itself writes."""

from pathlib import Path
from typing import Any

import old_programs
import pytest
import small_network

from paddleport.errors import ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle.paddle_program import Program
from paddleport.models.paddle.parameter_check import belongs_to, fits
from paddleport.models.paddle.params import ParameterSpec
from paddleport.models.paddle.source import find_model, open_model
from paddleport.runners import open_runner
from paddleport.worker import Worker


def program(parameters: dict[str, ParameterSpec], quantized: frozenset[str]) -> Program:
    return Program(
        format="protobuf",
        version=0,
        inputs=(),
        outputs=(),
        parameters=parameters,
        operators={},
        quantized=quantized,
    )


@pytest.mark.parametrize(
    ("declared", "stored", "quantized", "expected"),
    [
        (("float32", (1,)), ("float32", ()), False, True),
        (("float32", ()), ("float32", (1,)), False, True),
        (("float32", ()), ("float32", (1, 1)), False, False),
        (("float32", (4,)), ("float32", (1, 4)), False, False),
        (("float32", (4, 1)), ("float32", (4,)), False, False),
        (("float32", (1,)), ("float64", ()), False, False),
        (("float32", (4,)), ("float32", ()), False, False),
        (("float32", (4, 3)), ("int8", (4, 3)), False, False),
        (("float32", (4,)), ("float32", (1, 4)), True, True),
        (("float32", (1,)), ("float32", ()), True, True),
        (("float32", (4, 3)), ("int8", (4, 3)), True, True),
        (("float32", (4, 3)), ("int8", (3, 4)), True, False),
        (("float32", (4, 3)), ("float16", (4, 3)), True, False),
        (("float32", (4,)), ("float32", (4, 1)), True, False),
    ],
)
def test_pairs(declared: Any, stored: Any, quantized: bool, expected: bool) -> None:
    described = program(
        {"w": ParameterSpec(*declared)}, frozenset({"w"}) if quantized else frozenset()
    )
    assert fits(described, "w", ParameterSpec(*stored)) is expected


@pytest.mark.parametrize("pir", ["0", "1"])
def test_scalars_that_are_saved_in_another_rank(tmp_path: Path, pir: str) -> None:
    with Worker(environ={"FLAGS_enable_pir_api": pir}) as worker:
        worker.call(old_programs.save_with_scalars, 120, str(tmp_path))
    before = find_model(tmp_path)
    params = before.model.weights_file
    assert params is not None
    shapes = {spec.shape for spec in before.program.parameters.values()}
    assert shapes == {(), (1,)}
    old_programs.swap_scalar_shapes(params)
    assert find_model(tmp_path) == before
    assert belongs_to(before.program, params)  # large weights are offloaded where it does
    params.write_bytes(params.read_bytes()[:-1])
    assert not belongs_to(before.program, params)
    with pytest.raises(ModelFileError, match="truncated"):
        find_model(tmp_path)


@pytest.mark.slow
def test_a_quantised_model_of_paddle_s_own(small_protobuf: Artifact, tmp_path: Path) -> None:
    floats = small_protobuf.path.parent
    with Worker(environ={"FLAGS_enable_pir_api": "0"}) as worker:
        worker.call(old_programs.save_quantized, 120, str(floats), str(tmp_path))
    found = find_model(tmp_path)
    assert {"quantize_linear", "dequantize_linear"} <= set(found.program.operators)
    assert found.program.quantized
    with open_runner("paddle", found.model) as runner:
        scores = runner.run(small_network.feed(2))
    assert [value.shape for value in scores.values()] == [(2, 5), (2, 5)]
    with pytest.raises(ModelFileError, match=r"another model|holds 4 parameters"):
        open_model(found.model.path, small_protobuf.weights_file)
