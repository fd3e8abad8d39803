import os
import pickle
import random
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from mobilenet import seeded_state

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.paddle import checkpoint
from paddleport.models.paddle.checkpoint import read_checkpoint, read_tensors
from paddleport.tensors import Array
from paddleport.worker import Worker

SCALE, CLASSES = 0.25, 19


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return seeded_state("checkpoint", SCALE, CLASSES)


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def save(path: str, state: dict[str, Array], protocol: Literal[2, 3, 4], *, table: bool) -> None:
    """Paddle's own way to write a checkpoint; runs in a worker."""
    import paddle

    tensors: Any = {key: paddle.to_tensor(value) for key, value in state.items()}
    paddle.save(tensors if table else list(tensors.values()), path, protocol=protocol)


@pytest.fixture(scope="module")
def worker() -> Any:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    with Worker() as worker:
        yield worker


@pytest.mark.parametrize("protocol", [2, 3, 4])  # all that paddle.save takes
def test_checkpoints_that_paddle_saves_are_read(
    state: dict[str, Array], tmp_path: Path, worker: Worker, protocol: Literal[2, 3, 4]
) -> None:
    path = tmp_path / "model.pdparams"
    worker.call(save, 120.0, str(path), state, protocol, table=True)
    assert_same(read_checkpoint(path).state, state)


def test_a_list_of_tensors_is_no_state(
    state: dict[str, Array], tmp_path: Path, worker: Worker
) -> None:
    path = tmp_path / "model.pdparams"
    worker.call(save, 120.0, str(path), state, 4, table=False)
    with pytest.raises(ModelFileError):
        read_checkpoint(path)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        OrderedDict,
        lambda state: state | {"StructuredToParameterName@@": {key: "name" for key in state}},
        lambda state: {key: ("name", value) for key, value in state.items()},
        lambda state: dict(reversed(list(state.items()))),
        lambda state: {key: np.asfortranarray(value) for key, value in state.items()},
        lambda state: {key: value.astype(">f4") for key, value in state.items()},
    ],
    ids=["dict", "ordered", "name table", "name and array", "reversed", "fortran", "big-endian"],
)
def test_the_forms_of_other_versions(
    state: dict[str, Array], tmp_path: Path, protocol: int, wrap: Any
) -> None:
    path = written(tmp_path / "model.pdparams", wrap(state), protocol)
    assert_same(read_checkpoint(path).state, state)


def test_names_of_numpy_1(state: dict[str, Array], tmp_path: Path) -> None:
    path = tmp_path / "model.pdparams"
    data = pickle.dumps(state, protocol=2)
    assert b"numpy._core.multiarray" in data or b"numpy.core.multiarray" in data
    path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert_same(read_checkpoint(path).state, state)


def test_a_distillation_is_its_student(state: dict[str, Array], tmp_path: Path) -> None:
    both = {f"Student.{key}": value for key, value in state.items()}
    both |= {"Teacher.conv1.weight": np.full(3, np.nan, np.float32)}
    found = read_checkpoint(written(tmp_path / "model.pdparams", both))
    assert found.part == "Student"
    assert_same(found.state, state)
    assert read_checkpoint(written(tmp_path / "plain.pdparams", state)).part == ""


def test_integers_are_finite(tmp_path: Path) -> None:
    table = {"relative_position_index": np.arange(9)}
    assert_same(read_checkpoint(written(tmp_path / "model.pdparams", table)).state, table)


def test_values_that_are_not_finite(state: dict[str, Array], tmp_path: Path) -> None:
    broken = state["out.bias"].copy()
    broken[3] = np.nan
    path = written(tmp_path / "model.pdparams", state | {"out.bias": broken})
    with pytest.raises(ModelFileError, match=r"values in out.bias that are not finite"):
        read_checkpoint(path)


class Harm:
    """A pickle that calls a named function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function", [os.system, eval, exec, open, getattr, __import__, np.fromfile, np.load]
)
def test_a_pickle_that_means_harm_is_refused_and_not_run(
    tmp_path: Path, protocol: int, function: Any
) -> None:
    proof = tmp_path / "proof"
    argument = f"touch {proof}" if function is os.system else f"open({str(proof)!r}, 'w')"
    path = written(tmp_path / "model.pdparams", {"key": Harm(function, argument)}, protocol)
    if function is os.system:  # the plant works: a plain load runs it
        pickle.loads(path.read_bytes())
        assert proof.exists()
        proof.unlink()
    with pytest.raises(ModelFileError) as caught:
        read_tensors(path)
    assert not proof.exists()
    if protocol:  # protocol 0 is refused for its first instruction
        assert function.__name__ in str(caught.value)
        assert "nothing was run" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"key": np.array([{"an": "object"}])},
        {"key": np.array(["text"])},
        {"key": 1.0},
        {"key": [1, 2]},
        {1: np.zeros(1)},
        [np.zeros(1)],
        "text",
        {"key": bytearray(b"bytes")},
        {"key": np.array([(1, 2.0)], "i4,f4")},
        {"key": {"nested": np.zeros(1)}},
    ],
    ids=repr,
)
def test_what_a_checkpoint_does_not_hold(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ModelFileError, match=r"model.pdparams is not"):
        read_tensors(written(tmp_path / "model.pdparams", content))


def test_weights_below_a_key_are_named(state: dict[str, Array], tmp_path: Path) -> None:
    content = {"epoch": 3, "model": state, "optimizer": {"lr": 0.1}}
    path = written(tmp_path / "model.pdparams", content)
    with pytest.raises(ModelFileError, match=r"a table of its own in 'model'. Next: .*paddle.save"):
        read_tensors(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"\x80\x04.",
        b"\x80\x04}",
        b"(" * 1000 + b".",
        b"\x80\x04r\xff\xff\xff\x7f.",  # a memo index of 2**31
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # 2**63 bytes announced
        b"\x80\x04cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
        b"\x80\x04Pid\n.",  # a persistent id
        b"\x80\x04\x82\x01.",  # an extension code
        b"\x80\x04}(u" + b"t" * 10 + b".",
    ],
)
def test_damaged_or_hostile_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.pdparams"
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_any_damage_is_one_error_or_other_numbers(tmp_path: Path) -> None:
    generator = random.Random(7)
    whole = pickle.dumps({"first": np.arange(6.0), "second": np.zeros((2, 3))}, protocol=4)
    path = tmp_path / "model.pdparams"
    refused = 0
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data[: generator.choice([None, generator.randrange(len(data))])])
        try:
            assert all(isinstance(value, np.ndarray) for value in read_tensors(path).values())
        except ModelFileError:
            refused += 1
    assert refused > 1000


def test_a_checkpoint_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 1000)
    with pytest.raises(ModelFileError, match="more than the 1,000 that are read"):
        read_tensors(written(tmp_path / "model.pdparams", {"key": np.zeros(1000)}))


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        read_checkpoint(tmp_path / "none.pdparams")
