"""Every path that needs an NVIDIA GPU: the contract, and parity with native Paddle.

``make test-gpu`` runs these on a machine with one; elsewhere each is skipped with the reason.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import contract
import pytest
from conftest import skip_or_fail
from contract import Subject

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.models.resolve import resolve
from paddleport.runners import installed_version, runner_class
from paddleport.runners.gpu import find_driver
from paddleport.validate import Plan, validate

pytestmark = pytest.mark.gpu

PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "tensorrt": ("tensorrt", {}),
    "tensorrt-rtx": ("tensorrt-rtx", {}),
    "paddle-tensorrt": ("paddle-tensorrt", {}),
    "paddle on cuda": ("paddle", {"device": "cuda"}),
    "onnxruntime on cuda": ("onnxruntime", {"device": "cuda"}),
    "onnxruntime's tensorrt": ("onnxruntime", {"extras": {"provider": "tensorrt"}}),
}
FORMATS = {"onnx": ("small_onnx",), "paddle": ("small_pir", "small_protobuf")}
SUBJECTS = [
    (path, fixture)
    for path, (name, _) in PATHS.items()
    for fixture in FORMATS[runner_class(name).formats[0]]
]
CPU_ONLY = (contract.check_refusals, contract.check_devices, contract.check_one_thread)


def need(path: str) -> None:
    """Skip with what is missing, or fail where PADDLEPORT_REQUIRE has ``gpu``."""
    driver, runner = find_driver(), runner_class(PATHS[path][0])
    if driver.missing:
        skip_or_fail("gpu", f"{path}: {driver.missing}; {driver.advice}")
    if installed_version(runner) is None:
        skip_or_fail("gpu", runner.how_to_install())


@pytest.fixture(params=SUBJECTS, ids="-".join)
def subject(request: pytest.FixtureRequest) -> Subject:
    path, fixture = request.param
    need(path)
    name, options = PATHS[path]
    return Subject(runner_class(name), request.getfixturevalue(fixture), options)


@pytest.mark.parametrize(
    "check",
    [check for check in contract.CHECKS if check not in CPU_ONLY],
    ids=lambda check: check.__name__,
)
def test_contract(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("path", PATHS)
def test_parity(path: str, precision: str) -> None:
    need(path)
    if find_spec("paddle") is None:
        skip_or_fail("gpu", "Paddle is not installed, and it is the reference")
    name, options = PATHS[path]
    runner = runner_class(name)
    if precision not in runner.precisions:
        pytest.skip(f"{name} does not compute in {precision}")
    source = resolve("MobileNetV2_x0_25", weights="seeded")
    onnx = cached_onnx(source)
    plan = Plan(
        backends=(name,), reference="paddle", precision=precision, seconds_each=0.5, **options
    )
    report = validate(source, onnx, plan)
    assert report.verdict == "agrees", report.to_markdown()
    (row,) = (row for row in report.rows if row.name == name)
    assert row.computes_in == precision
    scopes = {(item.batch, item.scope) for item in row.latencies}
    assert {(size, "inference") for size in (1, 4, 8)} <= scopes
    if path != "paddle on cuda":  # its handles copy
        assert {(size, "on device") for size in (1, 4, 8)} <= scopes
