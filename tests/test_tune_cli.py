"""``tune`` and its profile, as a user types them."""

import json
from pathlib import Path

import pytest
from test_cli import Command, cache, one_line_error, paddleport

__all__ = ["cache", "paddleport"]

PROFILE = """model = "MobileNetV2_x0_25"
goal = "latency"
backend = "openvino"
precision = "fp32"
threads = 1
batch = 2
[options]
streams = "1"
"""


@pytest.mark.slow
def test_tune_then_run_and_validate_with_its_profile(paddleport: Command, tmp_path: Path) -> None:
    words = ("-w", "seeded", "--seconds", 8, "-b", "openvino", "-b", "onnxruntime")
    done = paddleport("tune", "MobileNetV2_x0_25", *words, "--precision", "fp32")
    assert done.code == 0, done.err
    profile = tmp_path / "out" / "MobileNetV2_x0_25" / "tune.toml"
    assert str(profile.relative_to(tmp_path)) in done.out
    chosen = json.loads(profile.with_name("tune.json").read_text())["rows"][0]["candidate"]
    ran = paddleport("run", "-w", "seeded", "--profile", profile)
    assert ran.code == 0, ran.err
    assert "MobileNetV2_x0_25 · opset 17" in ran.out
    assert f"{chosen['backend']} fp32, {chosen['threads']} thread" in ran.out
    checked = paddleport(
        "validate", "--weights", "seeded", "--profile", profile, "--quick", "--seconds", 0, "--json"
    )
    assert checked.code == 0, checked.err
    rows = json.loads(checked.out)["rows"]
    assert {row["name"] for row in rows} == {"paddle plain", chosen["backend"]}


def test_a_profile_and_what_is_typed_beside_it(paddleport: Command, tmp_path: Path) -> None:
    (tmp_path / "tune.toml").write_text(PROFILE)
    done = paddleport("run", "-w", "seeded", "--profile", "tune.toml")
    assert "MobileNetV2_x0_25" in done.out
    assert "openvino fp32, 1 thread" in done.out
    done = paddleport("run", "-w", "seeded", "--profile", "tune.toml", "--threads", 2)
    assert "openvino fp32, 2 threads" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--profile", "tune.toml", "-b", "onnxruntime"), "the profile is of openvino"),
        (("run", "MobileNetV2", "--profile", "tune.toml"), "the profile is of MobileNetV2_x0_25"),
        (("validate", "--profile", "tune.toml", "-b", "paddle"), "the profile is of openvino"),
        (("run", "--profile", "none.toml"), "none.toml does not exist"),
        (("run", "--profile", "tune.toml", "--threads", 0), "--threads 0"),
        (("tune", "MobileNetV2", "--goal", "speed"), "unknown goal"),
        (("tune", "MobileNetV2", "--seconds", 0), "--seconds 0"),
        (("tune", "MobileNetV2", "-b", "tensorrt"), "tensorrt can't be used here"),
    ],
)
def test_what_cannot_be(
    words: tuple[str, ...], told: str, paddleport: Command, tmp_path: Path
) -> None:
    (tmp_path / "tune.toml").write_text(PROFILE)
    one_line_error(paddleport(*words), told)
