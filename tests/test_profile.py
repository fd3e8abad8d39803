from pathlib import Path

import pytest

from paddleport.errors import ModelFileError, ModelNotFoundError, UsageError
from paddleport.runners.profile import Profile, read_profile, write_profile

PLAIN = Profile(
    model="MobileNetV2",
    goal="throughput",
    backend="openvino",
    precision="bf16",
    threads=1,
    batch=4,
    options={"streams": "2"},
    measured={"cpu": 'A "made-up" CPU \\ 2 GHz\x7f', "as": "日本"},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_profile(tmp_path / "tune.toml", PLAIN)
    assert read_profile(tmp_path / "tune.toml") == PLAIN
    assert PLAIN.runner_options.precision == "bf16"
    assert PLAIN.runner_options.extras == {"streams": "2"}


def test_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "MobileNetV2.int8.onnx"
    file.write_bytes(b"an int8 model")
    profile = Profile(
        model="MobileNetV2",
        goal="latency",
        backend="openvino",
        precision="int8",
        threads=2,
        batch=1,
        file=file,
    )
    write_profile(tmp_path / "tune.toml", profile)
    assert read_profile(tmp_path / "tune.toml") == profile
    assert profile.runner_options.precision is None  # the file's own
    file.write_bytes(b"another model")
    with pytest.raises(ModelFileError, match="tune again"):
        read_profile(tmp_path / "tune.toml")
    file.unlink()
    with pytest.raises(ModelNotFoundError):
        read_profile(tmp_path / "tune.toml")


GOOD = 'model="m"\ngoal="latency"\nbackend="b"\nprecision="fp32"\nthreads=2\nbatch=1\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not toml", "not TOML"),
        ("", "lacks model"),
        (GOOD.replace("threads=2", 'threads="2"'), "not of type int"),
        (GOOD.replace("threads=2", "threads=0"), "1 or more"),
        (GOOD.replace("threads=2", "threads=true"), "not of type int"),
        (GOOD.replace("fp32", "fp33"), "fp33"),
        (GOOD + 'colour="red"\n', "has colour besides"),
        (GOOD + "options=3\n", "no profile"),
    ],
)
def test_invalid_profiles_are_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "tune.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_profile(path)


def test_one_that_somebody_edited(tmp_path: Path) -> None:
    path = tmp_path / "tune.toml"
    path.write_text(GOOD + "[options]\nstreams=3\ncache=true\n")
    assert read_profile(path).options == {"streams": "3", "cache": "true"}


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        read_profile(tmp_path / "none.toml")
