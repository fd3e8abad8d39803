"""A format of somebody else's: a target and a runner in two files, and no change elsewhere."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import plugin
import pytest
import small_network
from test_cli import Command, cache, one_line_error, paddleport

import paddleport as pp
from paddleport import runners
from paddleport.cli.profile_options import ProfileOptions
from paddleport.cli.tune import save_file
from paddleport.convert import cached_onnx, convert
from paddleport.convert.loadable import loadable
from paddleport.convert.remaking import RemadeConversion
from paddleport.convert.targets import target_class, target_for
from paddleport.convert.variants import variants_of
from paddleport.errors import (
    BackendUnavailableError,
    ConversionError,
    ModelFileError,
    OutputError,
    UsageError,
)
from paddleport.files import sha256
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.cache import cache_dir
from paddleport.models.recognize import format_of, read_artifact
from paddleport.models.resolve import SourceModel, resolve
from paddleport.runners import open_runner
from paddleport.runners.profile import Profile, write_profile
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed
from paddleport.validate import BackendRow, Plan
from paddleport.validate.accuracy_gate.gate import example_set
from paddleport.validate.parity.validation import validate
from paddleport.validate.tune.candidate import ModelVariant, TuneCandidate, candidates
from paddleport.validate.tune.tuner import TunePlan, tune

pytestmark = pytest.mark.slow

__all__ = ["cache", "paddleport"]
FORMAT = Path(__file__).parent / "npz_format"


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("site")
    groups = {
        "paddleport.targets": {"npz": "npz_target:NpzTarget"},
        "paddleport.runners": {"npz": "npz_runner:NpzRunner"},
    }
    plugin.register(folder, monkeypatch, "npz_format", groups)
    monkeypatch.syspath_prepend(str(FORMAT))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{FORMAT}")
    monkeypatch.setenv("PADDLEPORT_CACHE", str(folder / "cache"))


def test_a_file_is_checked_by_its_runner_and_says_how_it_was_made(
    small_pir: Artifact, tmp_path: Path
) -> None:
    done = convert(resolve(small_pir.path), tmp_path / "small.npz", to="npz")
    assert (done.verdict, done.target, done.explanation) == ("agrees", "npz", "")
    assert all(item.sensitivity is not None for item in done.comparisons)
    again = read_artifact(tmp_path / "small.npz")
    assert (format_of(tmp_path / "small.npz"), again) == ("npz", done.artifact)
    steps = [item["step"] for item in again.provenance["steps"]]
    assert steps == ["Paddle2ONNX", "simplifier", "npz"]
    assert again.provenance["steps"][-1]["input_sha256"] == done.onnx_sha256


@pytest.mark.parametrize("fault", ["conversion", "runtime"])
def test_a_faulty_one_gets_no_name(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("NPZ_FAULT", fault)
    done = convert(resolve(small_pir.path), tmp_path / "small.npz", to="npz")
    assert (done.verdict, done.path) == ("differs", None)
    assert "to npz at opset 17 differs from native Paddle" in done.explanation
    assert not list(tmp_path.glob("small*"))


def test_convert_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--to", "npz", "--json")
    assert done.code == 0, done.err
    reported = json.loads(done.out)
    assert reported["verdict"] == "agrees"
    assert json.loads((tmp_path / f"{folder.name}.npz.json").read_text()) == reported
    one_line_error(
        paddleport("convert", folder, "--to", "npz", "--precision", "fp16"),
        "no file holds fp16 as npz: --precision fp32",
    )
    one_line_error(paddleport("convert", folder, "--to", "npy"), "Did you mean 'npz'")


def row_of(source: SourceModel, onnx: Artifact) -> BackendRow:
    plan = Plan(backends=("npz",), seconds_each=0, quick=True)
    with RemadeConversion(source, onnx) as conversions:
        return validate(source, onnx, plan, conversions=conversions).rows[1]


@pytest.mark.parametrize(
    ("fault", "cause", "step", "said"),
    [
        ("conversion", "converter", "npz", "The step that did it is npz"),
        ("runtime", "runtime", "", "npz computes the graph otherwise"),
    ],
)
def test_who_is_to_blame(
    small_pir: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    cause: str,
    step: str,
    said: str,
) -> None:
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    agreeing = row_of(source, onnx)
    assert (agreeing.verdict, agreeing.cause, agreeing.step) == ("agrees", "", "")
    monkeypatch.setenv("NPZ_FAULT", fault)
    discard_made("npz")
    row = row_of(source, onnx)
    assert (row.verdict, row.cause, row.step) == ("differs", cause, step), row.explanation
    assert said in row.explanation


def test_a_format_that_only_its_runtime_reads_is_not_judged(
    small_pir: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    monkeypatch.setenv("NPZ_FAULT", "runtime")

    def unreadable(self: RemadeConversion, artifact: Artifact, feeds: Sequence[Feed]) -> None:
        raise BackendUnavailableError("nothing but its runtime reads npz")

    monkeypatch.setattr(RemadeConversion, "evaluate", unreadable)
    row = row_of(source, onnx)
    assert (row.verdict, row.cause, row.step) == ("differs", "undetermined", "")
    assert "the conversion to npz and the runtime can't be told apart" in row.explanation


Answers = Callable[[list[dict[str, Array]]], object]


BROKEN: tuple[tuple[Answers, str], ...] = (
    (lambda right: None, "gives NoneType, not a list"),
    (lambda right: [], "gives outputs of 0 feeds"),
    (lambda right: [list(one.values()) for one in right], "gives list for a feed"),
    (lambda right: [{**one, "more": np.zeros(1)} for one in right], "3 outputs"),
    (
        lambda right: [{f"{key}?": it for key, it in one.items()} for one in right],
        "other names",
    ),
    (lambda right: changed(right, lambda it: it.tolist()), "gives list for"),
    (lambda right: changed(right, lambda it: it[:, :-1]), "compared (shape [1, 4]"),
    (lambda right: changed(right, lambda it: it * np.nan), "5 values are not finite"),
    (lambda right: 1 / 0, "fails (ZeroDivisionError: division by zero)"),
)


def test_an_evaluate_that_is_broken_itself_blames_nobody(
    small_pir: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    monkeypatch.setenv("NPZ_FAULT", "runtime")
    right = RemadeConversion.evaluate
    for broken, said in BROKEN:

        def wrong(
            self: RemadeConversion,
            artifact: Artifact,
            feeds: Sequence[Feed],
            broken: Answers = broken,
        ) -> object:
            return broken(right(self, artifact, feeds))

        monkeypatch.setattr(RemadeConversion, "evaluate", wrong)
        row = row_of(source, onnx)
        assert (row.verdict, row.cause, row.step) == ("differs", "undetermined", ""), said
        assert "the conversion to npz and the runtime can't be told apart" in row.explanation
        assert said in row.explanation


def test_what_an_evaluate_raises_is_one_line(small_pir: Artifact) -> None:
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    with RemadeConversion(source, onnx) as conversions:
        made = conversions.loadable(("npz",), {})
        made.path.write_bytes(b"no npz")
        with pytest.raises(ConversionError, match=r"^\w+Error: .*pickle") as raised:
            conversions.evaluate(made, [small_network.feed(1)])
    assert "Traceback" not in str(raised.value)


def changed(
    answers: list[dict[str, Array]], change: Callable[[Array], object]
) -> list[dict[str, object]]:
    return [{name: change(tensor) for name, tensor in one.items()} for one in answers]


def test_without_a_conversion_its_backend_is_skipped(small_pir: Artifact) -> None:
    source = resolve(small_pir.path)
    plan = Plan(seconds_each=0, quick=True)
    rows = validate(source, cached_onnx(source), plan).rows
    (row,) = [row for row in rows if row.name == "npz"]
    assert (row.verdict, row.cause) == ("skipped", "")
    assert "npz loads npz" in row.reason


def test_run_as_typed(paddleport: Command, small_pir: Artifact, tmp_path: Path) -> None:
    folder = small_pir.path.parent
    done = paddleport("convert", folder, "--to", "npz", "-o", "small.npz")
    assert done.code == 0, done.err
    with open_runner("npz", read_artifact(tmp_path / "small.npz")) as runner:
        answers = runner.run(small_network.feed(2))
    for found, wanted in zip(
        answers.values(), small_network.expected(small_network.feed(2)["x"]), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_a_backend_loads_is_made_out_of_an_onnx_file(
    small_pir: Artifact, tmp_path: Path
) -> None:
    done = pp.convert(small_pir.path, tmp_path / "small.onnx")
    feed = small_network.feed(2)
    for model in (done.artifact, small_pir.path):
        with pp.load(model, "npz") as predictor:
            answers = predictor.run(feed)
        assert predictor.spec.model.format == "npz"
        for found, wanted in zip(answers.values(), small_network.expected(feed["x"]), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_it_can_be_the_fastest(small_pir: Artifact) -> None:
    source = resolve(small_pir.path)
    variants = [ModelVariant(precision="fp32", file=cached_onnx(source))]
    examples = example_set(None, source.program.inputs)
    plan = TunePlan(goal="latency", backends=("npz",), seconds=1.0, threads=1)
    found = tune(source, variants, examples, plan, make=loadable)
    assert found.chosen is not None, [row.reason for row in found.rows]
    assert found.chosen.candidate.backend == "npz"
    unmade = tune(source, variants, examples, plan)
    assert unmade.chosen is None
    assert "npz loads npz, and" in str([row.reason for row in unmade.rows])


@pytest.mark.parametrize("named", [False, True])
def test_a_target_that_refuses_the_model_is_no_verdict_on_it(
    small_pir: Artifact, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.setattr(runners, "names", lambda: ("npz", "onnxruntime"))
    monkeypatch.setenv("NPZ_FAULT", "refusal")
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    names = ("npz", "onnxruntime") if named else None
    steps: list[str] = []
    with RemadeConversion(source, onnx) as conversions:
        report = validate(
            source,
            onnx,
            Plan(backends=names, seconds_each=0, quick=True),
            conversions=conversions,
            progress=lambda step, share: steps.append(step),
        )
    row = next(row for row in report.rows if row.name == "npz")
    assert (row.verdict, report.verdict) == (
        ("failed", "differs") if named else ("skipped", "agrees")
    )
    assert "npz does not make this model: RuntimeError: no npz holds it" in row.reason
    assert "npz: make its file" in steps
    assert replace(report, strict=True).verdict == "differs"


def test_tune_tries_what_a_target_makes_in_less(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_class("npz"), "precisions", ("fp32", "fp16", "bf16"))
    source = resolve(small_pir.path)
    wanted: tuple[Precision, ...] = ("fp16",)
    variants, without = variants_of(source, precisions=wanted, backends=("npz", "onnxruntime"))
    assert not without
    assert [(item.name, item.file.format, item.backends) for item in variants] == [
        ("fp32", "onnx", ()),
        ("fp16-file", "npz", ("npz",)),
    ]
    weights = np.load(variants[1].file.path)
    assert np.float16 in {weights[name].dtype.type for name in weights.files}
    found = candidates(("npz", "onnxruntime"), variants, "latency", threads=1, fixed_batch=None)
    assert ("npz", "fp16", "fp16-file") in {item.computation for item in found}
    assert ("onnxruntime", "fp16", "fp16-file") not in {item.computation for item in found}
    candidate = next(item for item in found if item.variant == "fp16-file")
    assert candidate.name == "npz fp16-file, 1 thread"
    assert candidate.options.precision is None  # the file's own
    _used_by_its_profile(source, candidate, variants, tmp_path)
    monkeypatch.setenv("NPZ_FAULT", "refusal")
    wanted = ("bf16",)
    _, without = variants_of(source, precisions=wanted, backends=("npz",))
    assert without == [
        "npz's file in bf16 is not tried: npz does not make this model: RuntimeError: no npz "
        "holds it"
    ]


def _used_by_its_profile(
    source: SourceModel,
    candidate: TuneCandidate,
    variants: Sequence[ModelVariant],
    folder: Path,
) -> None:
    file = save_file(candidate, variants, folder / source.name)
    assert file == folder / f"{source.name}.fp16-file.npz"
    profile = Profile(
        model=source.name,
        goal="latency",
        backend="npz",
        precision="fp16",
        threads=1,
        batch=1,
        file=file,
    )
    write_profile(folder / "tune.toml", profile)
    tuned = ProfileOptions.read(folder / "tune.toml")
    assert tuned.onnx_file is None
    with RemadeConversion(source, variants[0].file, tuned.other_file) as conversions:
        made = conversions.loadable(("npz",), {})
    assert (made.path, made.format) == (file, "npz")
    with pp.load(file, "npz") as predictor:
        assert predictor.run(small_network.feed(1))


def installed_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str, name: str = "odd"
) -> None:
    """Another package with a target of this source."""
    monkeypatch.delitem(sys.modules, "odd_target", raising=False)
    folder.mkdir()
    (folder / "odd_target.py").write_text(target)
    groups = {"paddleport.targets": {name: "odd_target:OddTarget"}}
    plugin.register(folder, monkeypatch, "odd_package", groups)


ODD = """
from paddleport.convert.targets import MadeFile, Target

class OddTarget(Target):
    name, format, suffix = "odd", "npz", ".npz"
    def make(self, onnx, path, options, calibration):
        BODY
"""


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        (ODD.replace("make", "mak"), BackendUnavailableError, "lacks make, which every Target has"),
        (ODD.replace("BODY", "raise RuntimeError('no')"), ConversionError, "RuntimeError: no"),
        (
            ODD.replace("BODY", "return MadeFile(files=(path,), tools={})"),
            ConversionError,
            "odd has written no small.odd, or an empty one",
        ),
        (ODD.replace("BODY", "return None"), ConversionError, "odd gives no MadeFile"),
        (
            ODD.replace(
                "BODY",
                "other = path.with_name('a.bin'); path.write_text('x'); other.write_text('y'); "
                "return MadeFile(files=(path, other), tools={})",
            ),
            ConversionError,
            "odd has written a.bin: what belongs to small.odd is named small with",
        ),
        (
            ODD.replace(
                "BODY",
                "path.write_text('x'); return MadeFile(files=(path,), tools={}, facts={'a': path})",
            ),
            ConversionError,
            "odd reports what is no plain value",
        ),
    ],
)
def test_a_broken_target_is_one_line(
    small_pir: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    error: type[Exception],
    said: str,
) -> None:
    installed_from(tmp_path / "odd", monkeypatch, source)
    with pytest.raises(error, match=said):
        convert(resolve(small_pir.path), tmp_path / "small.odd", to="odd")


def test_a_target_with_other_code_makes_its_file_again(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = resolve(small_pir.path), tmp_path / "copy"
    onnx = cached_onnx(source)
    first = loadable(onnx, ("npz",)).path
    assert loadable(onnx, ("npz",)).path == first
    copy.mkdir()
    code = (FORMAT / "npz_target.py").read_text()
    (copy / "npz_target.py").write_text(f"{code}\n# another version\n")
    monkeypatch.syspath_prepend(str(copy))
    monkeypatch.delitem(sys.modules, "npz_target")
    assert loadable(onnx, ("npz",)).path != first


def test_what_belongs_to_a_file_is_written_with_it_or_not_at_all(
    small_pir: Artifact, tmp_path: Path
) -> None:
    source = resolve(small_pir.path)
    (tmp_path / "mine.bin").write_bytes(b"not a conversion's")
    with pytest.raises(OutputError, match=r"mine\.bin is there, and no conversion to mine\.xml"):
        convert(source, tmp_path / "mine.xml", to="openvino")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.bin"]
    done = convert(source, tmp_path / "own.xml", to="openvino")
    assert done.verdict == "agrees"
    assert set(done.files_sha256) == {"own.xml", "own.bin"}
    again = convert(source, tmp_path / "own.xml", to="openvino")  # its own files it may replace
    assert again.files_sha256 == done.files_sha256
    recorded = json.loads((tmp_path / "own.xml.json").read_text())
    assert recorded["files_sha256"] == {
        name: sha256([tmp_path / name]) for name in ("own.xml", "own.bin")
    }


def test_the_model_that_is_converted_is_not_overwritten(
    small_pir: Artifact, tmp_path: Path
) -> None:
    program, params = tmp_path / "model.json", tmp_path / "model.bin"
    shutil.copy(small_pir.path, program)
    shutil.copy(str(small_pir.weights_file), params)
    source = resolve(None, program=program, params=params)
    for target, output in (("npz", "model.json"), ("openvino", "model.xml")):
        with pytest.raises(OutputError, match="is part of the model that is converted"):
            convert(source, tmp_path / output, to=target)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.bin", "model.json"]
    assert sha256([program, params]) == source.sha256


def test_another_formats_ending_is_refused(small_pir: Artifact, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="would be taken for onnx"):
        convert(resolve(small_pir.path), tmp_path / "it.onnx", to="npz")


def test_weights_beside_an_onnx_file_are_part_of_what_is_kept(
    small_pir: Artifact, tmp_path: Path
) -> None:
    done = convert(resolve(small_pir.path), tmp_path / "inside.onnx")
    proto = onnx.load(str(done.path))
    path = tmp_path / "outside.onnx"
    onnx.save(proto, str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    first = loadable(onnx_artifact(path), ("npz",)).path
    assert loadable(onnx_artifact(path), ("npz",)).path == first
    weights = bytearray((tmp_path / "w.bin").read_bytes())
    weights[7] ^= 1
    (tmp_path / "w.bin").write_bytes(weights)
    assert loadable(onnx_artifact(path), ("npz",)).path != first


@pytest.mark.parametrize("ending", [".xml", ".bin"])
def test_a_file_changed_after_its_check_is_refused(
    small_pir: Artifact, tmp_path: Path, ending: str
) -> None:
    convert(resolve(small_pir.path), tmp_path / "it.xml", to="openvino")
    for name in ("it.xml", "it.bin", "it.xml.json"):  # renamed together they stay what they are
        (tmp_path / f"moved{name[2:]}").write_bytes((tmp_path / name).read_bytes())
    read_artifact(tmp_path / "moved.xml")
    changed = bytearray((tmp_path / f"moved{ending}").read_bytes())
    changed[-9] ^= 1
    (tmp_path / f"moved{ending}").write_bytes(changed)
    with pytest.raises(ModelFileError, match=rf"moved\{ending} was changed after its conversion"):
        read_artifact(tmp_path / "moved.xml")
    (tmp_path / "moved.xml.json").unlink()
    assert read_artifact(tmp_path / "moved.xml").provenance == {}


def discard_made(target: str) -> None:
    """What the cache has of a target: the environment's fault is no part of its key."""
    for folder in (cache_dir() / "conversions").glob(f"[!.]*-{target}-*"):
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "source",
    [
        "import odd_target.nothing",
        "import no_such_package",
        "x = (",
        ODD.replace('name, format, suffix = "odd", "npz", ".npz"', "").replace("BODY", "pass"),
        ODD.replace("make", "mak").replace("BODY", "pass"),
    ],
)
def test_a_broken_target_is_in_nobody_elses_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    installed_from(tmp_path / "0", monkeypatch, source, "a_odd")  # before npz
    assert target_for(("npz",)).name == "npz"
    with pytest.raises(UsageError, match=r"nothing here makes npy: .*target 'a_odd' can't be used"):
        target_for(("npy",))


def test_a_target_that_raises_is_a_failed_row_of_who_names_it(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    body = "raise RuntimeError('it is broken')"
    installed_from(tmp_path / "0", monkeypatch, ODD.replace("BODY", body), "a_odd")
    plan = Plan(seconds_each=0, quick=True)
    with RemadeConversion(source, onnx) as conversions:
        for backends, verdict in ((None, "skipped"), (("npz",), "failed")):
            asked = replace(plan, backends=backends)
            rows = validate(source, onnx, asked, conversions=conversions).rows
            (row,) = [row for row in rows if row.name == "npz"]
            assert (row.verdict, row.cause) == (verdict, "")
            assert "odd does not make this model: RuntimeError: it is broken" in row.reason

        def odd_check(*given: object, **named: object) -> None:
            raise AttributeError("no choices")

        monkeypatch.setattr(conversions, "loadable", odd_check)
        row = validate(
            source, onnx, replace(plan, backends=("npz",)), conversions=conversions
        ).rows[1]
    assert (row.verdict, row.reason) == (
        "failed",
        "what npz loads can't be made: AttributeError: no choices",
    )
