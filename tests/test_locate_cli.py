"""``paddleport locate`` as a user types it: exit codes, JSON, one-line errors, calm tables."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from planted_runners import plant_runners

from paddleport.models.artifact import Artifact

pytestmark = pytest.mark.slow

ERROR = {"type": ["number", "null"], "minimum": 0}
NUMBER = {"type": ["number", "null"]}
COUNT = {"type": "integer", "minimum": 1}
TEXT = {"type": "string", "minLength": 1}


def an_object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMA = an_object(
    schema={"const": 1},
    model=TEXT,
    backend=TEXT,
    sides={"type": "array", "items": {"enum": ["converter", "target", "runtime"]}, "minItems": 1},
    located={
        "type": "array",
        "items": an_object(
            side={"enum": ["converter", "target", "runtime"]},
            node=TEXT,
            operator=TEXT,
            output=TEXT,
            position=COUNT,
            nodes=COUNT,
            inputs={
                "type": "array",
                "items": an_object(
                    name=TEXT,
                    shape={"type": "array", "items": {"type": "integer", "minimum": 0}},
                    minimum=NUMBER,
                    maximum=NUMBER,
                ),
            },
            error_before=ERROR,
            error_after=ERROR,
            limit={"type": "number", "exclusiveMinimum": 0},
            feed=TEXT,
            cuts={"type": "integer", "minimum": 0},
            complete={"type": "boolean"},
            sentence=TEXT,
        ),
    },
)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def told(self) -> dict[str, Any]:
        """The JSON on stdout, which keeps to the schema and holds no NaN."""

        def refuse(word: str) -> NoReturn:
            raise AssertionError(word)

        found: dict[str, Any] = json.loads(self.out, parse_constant=refuse)
        jsonschema.validate(found, SCHEMA)
        return found


Locate = Callable[..., Done]


@pytest.fixture
def locate(tmp_path: Path, small_pir: Artifact) -> Locate:
    """``paddleport locate`` of the small network; the planted backends are known to it."""
    environment = pytest.MonkeyPatch()
    plant_runners(tmp_path / "planted", environment)
    environment.undo()  # only the command's own process is to see them

    def run(*arguments: object, model: object = small_pir.path.parent) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "paddleport", "locate", *map(str, (model, *arguments))],
            cwd=tmp_path,
            env={
                **os.environ,
                "PADDLEPORT_CACHE": str(tmp_path / "cache"),
                "PADDLEPORT_OFFLINE": "1",
                "PYTHONPATH": os.pathsep.join([str(tmp_path / "planted"), *sys.path]),
            },
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def wrong(small_onnx: Artifact, tmp_path: Path) -> Path:
    """The small network's file with a kernel that is not Paddle's."""
    proto = onnx.load(str(small_onnx.path))
    kernel = next(item for item in proto.graph.initializer if item.name == "kernel")
    values = numpy_helper.to_array(kernel).copy()
    values.flat[40] += np.float32(0.5)
    kernel.CopyFrom(numpy_helper.from_array(values, "kernel"))
    onnx.save(proto, str(tmp_path / "wrong.onnx"))
    return tmp_path / "wrong.onnx"


def test_exit_code_0_where_nothing_diverges(locate: Locate, small_onnx: Artifact) -> None:
    done = locate("--onnx", small_onnx.path, "-b", "onnxruntime")
    assert done.code == 0, done.err
    assert "nothing parts" in done.out
    assert "--save-worst" in done.out
    assert done.err == ""


def test_json_has_converter_and_runtime_side(locate: Locate, wrong: Path) -> None:
    done = locate("--onnx", wrong, "-b", "spoils", "-o", "at=r", "--json")
    assert done.code == 1, done.err
    told = done.told()
    assert told["sides"] == ["converter", "runtime"]
    converter, runtime = told["located"]
    assert (converter["side"], converter["node"]) == ("converter", "pd_op.conv2d.0")
    assert (runtime["side"], runtime["node"], runtime["operator"]) == ("runtime", "r", "Relu")
    assert converter["complete"]
    assert runtime["complete"]
    (read,) = runtime["inputs"]
    assert (read["name"], read["shape"]) == ("c", [1, 4, 4, 4])
    assert read["minimum"] < 0 < read["maximum"]


def test_printed_text_names_both_sides(locate: Locate, wrong: Path) -> None:
    done = locate("--onnx", wrong, "-b", "spoils", "-o", "at=r")
    assert done.code == 1, done.err
    for words in (
        "converter the ONNX graph in float64, against Paddle's own values",
        "node pd_op.conv2d.0",
        "runtime the ONNX graph on spoils, against the same in float64",
        "operator Relu, 2 of 6",
        "before, ",
        "[1, 4, 4, 4]",
        "next: the fault is in the file",
        "or report the node and its input ranges to spoils",
    ):
        assert words in " ".join(done.out.split()), done.out
    assert done.err == ""


def test_a_backend_that_reads_paddles_file_and_no_time_at_all(locate: Locate, wrong: Path) -> None:
    done = locate("--onnx", wrong, "-b", "paddle", "--seconds", 0, "--json")
    assert done.code == 1, done.err
    told = done.told()
    assert told["sides"] == ["converter"]
    (found,) = told["located"]
    assert (found["side"], found["complete"], found["cuts"]) == ("converter", False, 0)
    assert "give it more --seconds" in found["sentence"]


def test_a_crash_is_beyond_comparison(locate: Locate, small_onnx: Artifact) -> None:
    done = locate("--onnx", small_onnx.path, "-b", "crashes", "-o", "at=m", "--json")
    assert done.code == 1, done.err
    (found,) = done.told()["located"]
    assert (found["node"], found["error_after"]) == ("m", None)
    assert "SIGSEGV" in found["sentence"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-b", "openvno"), ("unknown backend 'openvno'", "Did you mean 'openvino'")),
        (("-b", "absent"), ("absent can't be used", "vendor-of-absent is not installed")),
        (("-b", "onnxruntime", "--precision", "bf16"), ("onnxruntime does not compute in bf16",)),
        (("-b", "onnxruntime", "--device", "npu"), ("has no device 'npu'",)),
        (("-b", "onnxruntime", "-o", "nonsense=1"), ("nonsense",)),
        (("-b", "onnxruntime", "--seconds", -1), ("--seconds -1 is not possible",)),
        (("-b", "onnxruntime", "--seconds", "nan"), ("--seconds nan is not possible",)),
        (("-b", "onnxruntime", "--onnx", "none.onnx"), ("none.onnx",)),
    ],
)
def test_impossible_options_are_one_line_errors(
    locate: Locate, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    done = locate(*arguments)
    assert (done.code, done.out) == (2, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


def test_an_operator_without_float64(locate: Locate, wrong: Path) -> None:
    proto = onnx.load(str(wrong))
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Shrink"
    onnx.save(proto, str(wrong))
    done = locate("--onnx", wrong, "-b", "onnxruntime")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "reference does not compute Shrink" in line


def test_our_own_conversion_need_not_be_proven(locate: Locate, tmp_path: Path) -> None:
    """What differs from Paddle is what there is to locate; here it is rounding, and nobody's."""
    import faulty_networks

    from paddleport.worker import run_in_worker

    folder = tmp_path / "amplifying"
    folder.mkdir()
    run_in_worker(faulty_networks.save, 120, "amplifying", str(folder / "inference"))
    done = locate("-b", "onnxruntime", "--json", model=folder)
    assert done.code == 1, done.err
    converter = done.told()["located"][0]
    assert converter["side"] == "converter"
    assert "no single operator makes it" in converter["sentence"]


def test_what_could_not_part_is_unproven_as_validate_says(locate: Locate, tmp_path: Path) -> None:
    import faulty_networks

    from paddleport.worker import run_in_worker

    folder = tmp_path / "constant"
    folder.mkdir()
    run_in_worker(faulty_networks.save, 120, "constant", str(folder / "inference"))
    done = locate("-b", "onnxruntime", "--json", model=folder)
    assert (done.code, done.out) == (2, ""), done.err
    assert "error: unproven: " in done.err
    assert "the output is zero or has no scale: nothing is proven" in done.err


def test_a_file_that_was_changed_is_no_converters_fault(locate: Locate, tmp_path: Path) -> None:
    import faulty_networks

    from paddleport.convert import convert
    from paddleport.models.resolve import resolve
    from paddleport.worker import run_in_worker

    folder, file = tmp_path / "crashing", tmp_path / "made.onnx"
    folder.mkdir()
    run_in_worker(faulty_networks.save, 120, "crashing", str(folder / "inference"))
    convert(resolve(folder), file)
    proto = onnx.load(str(file))
    kernel = next(item for item in proto.graph.initializer if len(item.dims) == 4)
    values = numpy_helper.to_array(kernel).copy()
    values.flat[5] += np.float32(0.5)
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    onnx.save(proto, str(file))
    done = locate("--onnx", file, "-b", "onnxruntime", model=folder)
    said = " ".join(done.out.split())
    assert done.code == 1, done.err
    assert "The step that did it is a change of the file after its conversion." in said
    assert "the file was changed after its conversion: convert again" in said
    assert "Paddle2ONNX, or to" not in said
