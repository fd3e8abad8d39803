"""One pass over labelled pictures: counts, crashes, interruptions, fixed batches, one decoding."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_pictures import CLASSES, PREPROCESS, counted, draw_colours, save_classifier
from plugin import install
from sklearn.metrics import accuracy_score, confusion_matrix

from paddleport.errors import BackendUnavailableError, ModelFileError, UsageError, WorkerCrashed
from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing import prepare_image
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import ShapeRange, TensorSpec
from paddleport.validate.evaluate import picture_chunks
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.evaluation_pass import CompletedPass, PassPlan, run_pass
from paddleport.validate.evaluate.evaluation_state import STATE_FILE, SavedPass
from paddleport.validate.evaluate.pass_progress import PassProgress, shown_duration
from paddleport.validate.evaluate.rows import picture_slots
from paddleport.validate.evaluate.rows.row_request import EvaluatedModel, RowRequest, RowSource
from paddleport.validate.labelled.labelled_data import LabelledData, open_labelled

ORT, OTHER = "onnxruntime fp32", "other"
PICTURES = 150  # three chunks, the last one smaller
MODEL = EvaluatedModel(
    name="colours",
    title="colours",
    weights="own",
    sha256="0" * 64,
    preprocess=PREPROCESS,
    classes=CLASSES,
)
RUNNERS = '''
import ctypes
from dataclasses import dataclass

from paddleport.errors import BackendUnavailableError, ModelFileError
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeExtras, OnnxRuntimeRunner


@dataclass(frozen=True)
class After(OnnxRuntimeExtras):
    after: int = 0


class Falls(OnnxRuntimeRunner):
    """Crashes in the inference number -o after=."""

    name = "falls"
    extras_type = After

    def load(self, model):
        super().load(model)
        self.runs = 0

    def infer(self, feed):
        self.runs += 1
        if self.runs > self.extras.after:
            self.fail()
        return super().infer(feed)

    def fail(self):
        ctypes.string_at(0)


class Raises(Falls):
    name = "raises"

    def fail(self):
        raise ValueError("planted")


class Redder(OnnxRuntimeRunner):
    """Answers the first class wherever it is near the likeliest."""

    name = "redder"

    def infer(self, feed):
        found = super().infer(feed)
        for scores in found.values():
            scores[:, 0] *= 1.2
        return found


class Crooked(OnnxRuntimeRunner):
    name = "crooked"

    def infer(self, feed):
        return {name: found.reshape(1, -1) for name, found in super().infer(feed).items()}


class Unwilling(OnnxRuntimeRunner):
    name = "unwilling"

    def load(self, model):
        raise BackendUnavailableError("unwilling computes nothing here")


class Picky(OnnxRuntimeRunner):
    name = "picky"

    def load(self, model):
        raise ModelFileError("picky does not take this file")
'''
NAMES = ("Falls", "Raises", "Redder", "Crooked", "Unwilling", "Picky")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_colours(tmp_path_factory.mktemp("pictures"), PICTURES)


@pytest.fixture(scope="module")
def data(pictures: Path) -> LabelledData:
    return opened(pictures)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_classifier(tmp_path_factory.mktemp("model") / "colours.onnx")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "planted", monkeypatch, "planted_rows", RUNNERS, NAMES)


def opened(folder: Path) -> LabelledData:
    return open_labelled(folder, labels=None, classes=CLASSES)


def row(
    model: Artifact,
    backend: str = "onnxruntime",
    *,
    name: str = "",
    named: bool = True,
    extras: Mapping[str, str] | None = None,
    shapes: Mapping[str, ShapeRange] | None = None,
) -> RowRequest:
    options = RunnerOptions(threads=1, extras=extras or {}, shapes=shapes or {})
    return RowRequest(
        name=name or f"{backend} fp32",
        backend=backend,
        precision="fp32",
        sources=(RowSource(make=lambda: model, options=options),),
        named=named,
    )


def evaluated(
    folder: Path,
    data: LabelledData,
    *rows: RowRequest,
    reference: str | None = None,
    batch_size: int = 4,
    resume: bool = False,
    progress: Callable[[str, float | None], None] = lambda step, share: None,
) -> CompletedPass:
    plan = PassPlan(
        folder=folder, reference=reference, batch_size=batch_size, workers=2, resume=resume
    )
    return run_pass(MODEL, rows, data, plan, progress=progress)


def same_tally(one: Tally, other: Tally) -> None:
    left, right = one.state(), other.state()
    assert left.keys() == right.keys()
    for key, value in left.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == right[key].dtype
            assert np.array_equal(value, right[key]), key
        else:
            assert value == right[key], key


def interrupted(
    folder: Path, data: LabelledData, *rows: RowRequest, reference: str | None = None
) -> SavedPass:
    """A pass that Ctrl-C ends after its first chunk."""

    def press(step: str, share: float | None) -> None:
        if share is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(folder, data, *rows, reference=reference, progress=press)
    saved = SavedPass.load(folder)
    assert saved is not None
    return saved


def test_the_counts_are_those_of_a_few_lines(
    model: Artifact, data: LabelledData, pictures: Path, tmp_path: Path, planted: None
) -> None:
    done = evaluated(tmp_path, data, row(model), row(model, "redder"), reference=ORT)
    labels, scores = counted(pictures)
    answers = scores.argmax(axis=1)
    redder = (scores * [1.2, 1, 1]).argmax(axis=1)
    tally = done.tally
    assert tally.pictures == PICTURES
    assert tally.rows[ORT].counts["top1"] == accuracy_score(labels, answers, normalize=False)
    assert 0.7 < tally.top1(ORT) < 0.9
    found = tally.rows["redder fp32"]
    assert found.counts["top1"] == accuracy_score(labels, redder, normalize=False)
    lost = int(((answers == labels) & (redder != labels)).sum())
    gained = int(((answers != labels) & (redder == labels)).sum())
    assert (found.changes.counts["lost"], found.changes.counts["gained"]) == (lost, gained)
    assert lost > gained > 0
    right = confusion_matrix(labels, answers).diagonal()
    assert list(tally.rows[ORT].confusion.right) == list(right)
    assert list(tally.totals) == list(np.bincount(labels))
    assert done.rows[ORT].pictures == PICTURES
    assert done.rows[ORT].seconds > 0
    assert not (tmp_path / STATE_FILE).exists()


def test_unreadable_pictures_are_counted_and_named(
    model: Artifact, pictures: Path, tmp_path: Path
) -> None:
    files = sorted(pictures.rglob("*.png"))
    (tmp_path / "val" / "2").mkdir(parents=True)
    for file in files[:30]:
        target = tmp_path / "val" / file.relative_to(pictures)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    (tmp_path / "val" / "1").mkdir(exist_ok=True)
    (tmp_path / "val" / "1" / "cut.png").write_bytes(files[0].read_bytes()[:60])
    (tmp_path / "val" / "2" / "text.jpg").write_text("no picture")
    done = evaluated(tmp_path / "out", opened(tmp_path / "val"), row(model))
    assert (done.tally.pictures, done.tally.unreadable_count) == (30, 2)
    named = dict(done.tally.unreadable_listed)
    assert set(named) == {"1/cut.png", "2/text.jpg"}
    assert all(named.values())
    assert done.rows[ORT].pictures == 30


@pytest.mark.parametrize(
    ("backend", "told"), [("falls", "SIGSEGV"), ("raises", "raised ValueError: planted")]
)
def test_a_backend_that_crashes_midway_ends_its_row_alone(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None, backend: str, told: str
) -> None:
    alone = evaluated(tmp_path / "alone", data, row(model))
    extras = {"after": "20"}  # of 4 pictures each: in the second chunk
    crashing = replace(row(model, backend, extras=extras), advice="Try another")
    done = evaluated(tmp_path, data, row(model), crashing)
    name = f"{backend} fp32"
    assert done.rows[name].failed.endswith("Try another") == (backend == "falls")
    assert told in done.rows[name].failed
    assert done.tally.rows[name].failure == done.rows[name].failed
    assert done.rows[name].pictures == 64
    assert done.tally.rows[ORT].counts == alone.tally.rows[ORT].counts
    assert done.tally.pictures == PICTURES


def test_where_every_backend_crashes_there_is_no_answer(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None
) -> None:
    with pytest.raises(WorkerCrashed, match=r"no backend is left to evaluate: falls fp32: .*SEGV"):
        evaluated(tmp_path, data, row(model, "falls", extras={"after": "0"}))


def test_scores_of_another_shape_end_the_row(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None
) -> None:
    done = evaluated(tmp_path, data, row(model), row(model, "crooked"))
    assert "not a row of scores for each" in done.rows["crooked fp32"].failed
    more = save_classifier(tmp_path / "more.onnx", classes=7)
    done = evaluated(tmp_path, data, row(model), row(more, name=OTHER))
    assert done.rows[OTHER].failed == (
        "it gives 7 scores a picture, and the model has 3 classes: this is another model"
    )


def test_what_is_not_to_be_had(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None
) -> None:
    missing = row(model, "unwilling", named=False)
    done = evaluated(tmp_path, data, row(model), missing)
    assert done.skipped == {"unwilling fp32": "unwilling computes nothing here"}
    assert list(done.tally.rows) == [ORT]
    with pytest.raises(BackendUnavailableError, match="computes nothing here"):
        evaluated(tmp_path, data, row(model), replace(missing, named=True))
    done = evaluated(tmp_path, data, row(model), row(model, "picky", named=False))
    assert done.rows["picky fp32"].failed == "picky does not take this file"
    # A precision's own file that a runtime refuses, which nobody asked of that runtime.
    picky = row(model, "picky", named=False)
    by_file = replace(picky, sources=(replace(picky.sources[0], note="a file in bf16"),))
    done = evaluated(tmp_path, data, row(model), by_file)
    assert done.skipped == {"picky fp32": "a file in bf16: picky does not take this file"}


def test_an_interrupted_pass_goes_on_to_the_same_tally(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None
) -> None:
    rows = (row(model), row(model, "redder"), row(model, "falls", extras={"after": "10"}))
    whole = evaluated(tmp_path / "whole", data, *rows, reference=ORT)
    folder = tmp_path / "interrupted"
    saved = interrupted(folder, data, *rows, reference=ORT)
    assert 0 < saved.position < PICTURES
    assert saved.rows["falls fp32"].failed
    done = evaluated(folder, data, *rows, reference=ORT, resume=True)
    assert done.resumed_at == saved.position
    same_tally(done.tally, whole.tally)
    pictures = {name: item.pictures for name, item in whole.rows.items()}
    assert {name: item.pictures for name, item in done.rows.items()} == pictures
    assert done.rows["falls fp32"].failed == whole.rows["falls fp32"].failed
    assert not (folder / STATE_FILE).exists()


def test_a_pass_that_is_interrupted_while_it_counts_keeps_the_state_before(
    model: Artifact, data: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddleport.validate.evaluate.evaluation_pass._SAVE_EVERY_S", 0.0)
    monkeypatch.setattr("paddleport.validate.evaluate.evaluation_pass._SAVING_SHARE", 1e9)
    whole = evaluated(tmp_path / "whole", data, row(model))
    count, add = 0, Tally.add

    def stop_within(tally: Tally, *given: object, **more: object) -> None:
        nonlocal count
        add(tally, *given, **more)  # type: ignore[arg-type]  # as it was called
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Tally, "add", stop_within)
        evaluated(tmp_path, data, row(model))
    saved = SavedPass.load(tmp_path)
    assert saved is not None
    assert saved.position == 64  # the second chunk was half counted
    same_tally(evaluated(tmp_path, data, row(model), resume=True).tally, whole.tally)


def test_going_on_with_something_else_is_refused(
    model: Artifact, data: LabelledData, tmp_path: Path, planted: None
) -> None:
    interrupted(tmp_path, data, row(model))
    other = save_classifier(tmp_path / "other.onnx", classes=4)
    for rows, fewer, batch, told in (
        ((row(model),), 100, 4, r"pictures \(was "),
        ((row(model),), PICTURES, 8, r"batch size \(was 4, is 8\)"),
        ((row(model), row(model, name=OTHER)), PICTURES, 4, r"rows other \(was not there, is"),
        ((row(other),), PICTURES, 4, f"rows {ORT} file"),
        ((row(model, extras={"optimization": "basic"}),), PICTURES, 4, "options extras optimiz"),
    ):
        with pytest.raises(UsageError, match=f"--resume goes on with what .*{told}"):
            evaluated(tmp_path, data.limited(fewer), *rows, batch_size=batch, resume=True)
    with pytest.raises(UsageError, match="onnxruntime fp32 no longer starts"):
        evaluated(
            tmp_path, data, row(model, "picky", name=ORT), row(model, name=OTHER), resume=True
        )
    assert evaluated(tmp_path, data, row(model), resume=True).tally.pictures == PICTURES


def test_going_on_with_nothing_begins(model: Artifact, data: LabelledData, tmp_path: Path) -> None:
    done = evaluated(tmp_path, data, row(model), resume=True)
    assert (done.tally.pictures, done.resumed_at) == (PICTURES, 0)
    (tmp_path / STATE_FILE).write_bytes(b"PK nothing")
    with pytest.raises(ModelFileError, match="leave --resume out"):
        evaluated(tmp_path, data, row(model), resume=True)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batches_and_fixed_ones_count_the_same(
    model: Artifact, data: LabelledData, tmp_path: Path, batch_size: int
) -> None:
    fixed = save_classifier(tmp_path / "fixed.onnx", batch=4)  # the last one of a chunk is filled
    plain = row(model)
    done = evaluated(tmp_path, data, plain, row(fixed, name=OTHER), batch_size=batch_size)
    wanted = evaluated(tmp_path, data, plain, batch_size=4)
    for name in (ORT, OTHER):
        assert done.rows[name].pictures == PICTURES
        assert done.tally.rows[name].counts == wanted.tally.rows[ORT].counts


def test_a_picture_is_decoded_once_for_all(
    model: Artifact, data: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    lock, decode = threading.Lock(), prepare_image.decode_image

    def counting(source: Path, *, name: str) -> object:
        with lock:
            decoded.append(name)
        return decode(source, name=name)

    monkeypatch.setattr(picture_chunks, "decode_image", counting)
    pixels = save_classifier(tmp_path / "pixels.onnx", pixels=True)
    rows = (row(model), row(model, name="second"), row(pixels, name=OTHER))
    done = evaluated(tmp_path, data, *rows)
    assert sorted(decoded) == sorted(picture.name for picture in data.pictures())
    counts = [done.tally.rows[item.name].counts["top1"] for item in rows]
    assert len(set(counts)) == 1


@pytest.mark.parametrize(
    "preprocess",
    [PREPROCESS, replace(PREPROCESS, channel_num=4), replace(PREPROCESS, crop=(6, 4))],
)
def test_what_is_prepared_fits_the_slots(data: LabelledData, preprocess: Preprocess) -> None:
    inputs = (
        TensorSpec("x", "float32", (None, 3, None, None)),
        TensorSpec("x", "uint8", (None, None, None, 3)),
    )
    reader = picture_chunks.PictureReader(preprocess, inputs)
    prepared = reader.read(next(data.pictures()))
    assert [(item.shape, item.dtype.name) for item in prepared.tensors] == reader.shapes


def test_pictures_without_one_size_are_refused() -> None:
    anywhere = replace(PREPROCESS, resize=None)
    reader = picture_chunks.PictureReader(anywhere, (TensorSpec("x", "float32", (None, 3, 8, 8)),))
    with pytest.raises(UsageError, match="write a CropImage into its"):
        reader.chunk_size(1)


def test_a_limit_takes_pictures_of_every_class(
    model: Artifact, data: LabelledData, tmp_path: Path
) -> None:
    done = evaluated(tmp_path, data.limited(30), row(model))
    assert done.tally.pictures == 30
    assert (done.tally.totals > 4).all()


def test_the_shared_memory_is_anywhere_and_goes_by_itself(
    model: Artifact, data: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_slots, "_IN_MEMORY", tmp_path / "none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "disk"))
    (tmp_path / "disk").mkdir()
    seen: list[list[Path]] = []
    done = evaluated(
        tmp_path,
        data,
        row(model),
        progress=lambda step, share: seen.append(list((tmp_path / "disk").glob("*pictures*"))),
    )
    assert done.tally.pictures == PICTURES
    assert not any(seen)  # it has no name while it is used


def test_progress_says_how_fast_and_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, float | None]] = []
    clock = iter([100.0, 110.0, 110.1, 120.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    progress = PassProgress(lambda step, share: said.append((step, share)), 1000, 50_000)
    for position in (2000, 2010, 50_000):
        progress.report(position)
    assert said == [
        ("2,000 of 50,000 pictures · 100/s · 8 min left", 0.04),
        ("50,000 of 50,000 pictures · 2450/s · 0 s left", 1.0),
    ]
    assert [shown_duration(value) for value in (7.4, 75, 3700, 200_000)] == [
        "7 s",
        "1 min 15 s",
        "1 h 1 min",
        "2 d 7 h",
    ]
