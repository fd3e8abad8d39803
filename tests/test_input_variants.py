"""A wrong preprocessing is recognised by what the reference makes of it, and nothing else is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planted import plant

from paddleport.errors import FeedError, WorkerCrashed
from paddleport.models.artifact import Artifact, onnx_artifact
from paddleport.models.preprocess import Preprocess
from paddleport.models.resolve import resolve
from paddleport.models.synthetic.samples import sample_pictures
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array, Feed
from paddleport.validate import Plan, validate
from paddleport.validate.diagnose import imitation
from paddleport.validate.diagnose.imitation import find_imitated_input
from paddleport.validate.diagnose.validation_outputs import (
    CandidateOutputs,
    ComparedOutput,
    ReferenceOutputs,
)
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.input_diff import picture_changes
from paddleport.validate.input_diff.input_variants import input_variants
from paddleport.validate.parity.float64_reference import Float64Reference

MODEL = Preprocess(resize_short=48, crop=(40, 40))
BGR = replace(MODEL, channels="BGR", mean=MODEL.mean[::-1], std=MODEL.std[::-1])
WHOLE = replace(MODEL, resize_short=None, resize=(40, 40), crop=None)
PICTURES = sample_pictures(3, (90, 120))
LIMIT = 1e-4
Network = Callable[[Array], Array]


def fed(picture: Array, preprocess: Preprocess = MODEL) -> Array:
    return preprocess_image(picture, preprocess)[None]


def levels(picture: Array) -> Array:
    """The pixels that the model is fed, [1, 3, H, W] from 0 to 255, RGB."""
    return fed(picture, replace(MODEL, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3))


def by_pillow(picture: Array, filtering: Image.Resampling) -> Array:
    resized = Image.fromarray(picture[:, :, ::-1].copy()).resize((64, 48), filtering)
    as_it_is = replace(MODEL, resize_short=None)
    return fed(np.asarray(resized)[:, :, ::-1].copy(), as_it_is)


def normalised(x: Array, preprocess: Preprocess = MODEL) -> Array:
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (preprocess.mean, preprocess.std))
    made: Array = ((x - mean) / std).astype(np.float32)
    return made


MISTAKES: dict[str, Callable[[Array], Array]] = {
    "channels swapped": lambda p: fed(p)[:, ::-1],
    "channels swapped before normalising, mean and std left in place":
        lambda p: fed(p[:, :, ::-1].copy()),
    "mean and std in reverse order of the channels":
        lambda p: fed(p, replace(MODEL, mean=MODEL.mean[::-1], std=MODEL.std[::-1])),
    "values from 0 to 255, not normalised": levels,
    "values from 0 to 1, not normalised": lambda p: levels(p) / 255,
    "values from −1 to 1 (mean and std of 0.5)": lambda p: levels(p) / 127.5 - 1,
    "the mean not subtracted": lambda p: fed(p, replace(MODEL, mean=(0.0,) * 3)),
    "not divided by the std": lambda p: fed(p, replace(MODEL, std=(1.0,) * 3)),
    "pixels not scaled before mean and std": lambda p: fed(p, replace(MODEL, scale=1.0)),
    "pixels scaled twice before mean and std":
        lambda p: fed(p, replace(MODEL, scale=MODEL.scale**2)),
    "normalised twice": lambda p: normalised(fed(p)),
    "scaled and normalised twice": lambda p: normalised(fed(p) / 255),
    "normalised twice, the second time with mean and std of 0.5": lambda p: fed(p) * 2 - 1,
    "divided by 255 once more": lambda p: fed(p) / 255,
    "inverted (255 − pixel)": lambda p: normalised((255 - levels(p)) / 255),
    "Caffe's mean subtracted from 0 to 255, channels swapped": lambda p:
        levels(p)[:, ::-1] - np.reshape([103.939, 116.779, 123.68], (1, 3, 1, 1)),
    "HWC bytes read as CHW": lambda p: fed(p).transpose(0, 2, 3, 1).reshape(1, 3, 40, 40),
    "CHW bytes read as HWC": lambda p: fed(p).reshape(1, 40, 40, 3).transpose(0, 3, 1, 2),
    "height and width swapped": lambda p: fed(p).transpose(0, 1, 3, 2),
    "flipped left to right": lambda p: fed(p[:, ::-1].copy()),
    "flipped upside down": lambda p: fed(p)[:, :, ::-1],
    "turned by 90 degrees clockwise": lambda p: np.rot90(fed(p), -1, (2, 3)),
    "resized with cubic (OpenCV)": lambda p: fed(p, replace(MODEL, interpolation="cubic")),
    "resized with area (OpenCV)": lambda p: fed(p, replace(MODEL, interpolation="area")),
    "resized with nearest (OpenCV)": lambda p: fed(p, replace(MODEL, interpolation="nearest")),
    "resized with lanczos4 (OpenCV)": lambda p: fed(p, replace(MODEL, interpolation="lanczos4")),
    "resized with bilinear (Pillow, antialiased)":
        lambda p: by_pillow(p, Image.Resampling.BILINEAR),
    "resized with bicubic (Pillow, antialiased)": lambda p: by_pillow(p, Image.Resampling.BICUBIC),
    "resized straight to 40x40, not keeping the ratio": lambda p: fed(p, WHOLE),
    "short side resized to 44": lambda p: fed(p, replace(MODEL, resize_short=44)),
    "cropped at the top left": lambda p: normalised_crop(p, 0, 0),
    "cropped one pixel too low": lambda p: normalised_crop(p, 5, 12),
    "resized with cubic (OpenCV), channels swapped":
        lambda p: fed(p, replace(MODEL, interpolation="cubic"))[:, ::-1],
    "values from 0 to 255, not normalised, channels swapped, HWC bytes read as CHW":
        lambda p: levels(p)[:, ::-1].transpose(0, 2, 3, 1).reshape(1, 3, 40, 40),
}  # fmt: skip


def normalised_crop(picture: Array, top: int, left: int) -> Array:
    resized = preprocess_image(picture, replace(MODEL, crop=None))
    return resized[None, :, top : top + 40, left : left + 40]


@cache
def variants(index: int) -> dict[str, Array]:
    picture = PICTURES[index]
    return {item.name: item.tensor for item in input_variants(fed(picture), MODEL, picture)}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_among_the_variants(name: str) -> None:
    for index, picture in enumerate(PICTURES[:2]):
        wanted = MISTAKES[name](picture)
        np.testing.assert_allclose(variants(index)[name], wanted, rtol=1e-4, atol=1e-4)


NOISE = np.random.default_rng(5).standard_normal((2, 3, 12, 20)).astype(np.float32)


@pytest.mark.parametrize(
    ("tensor", "preprocess", "picture", "least"),
    [
        (fed(PICTURES[0]), MODEL, PICTURES[0], 100),
        (fed(PICTURES[0], BGR), BGR, PICTURES[0], 100),
        (fed(PICTURES[0], WHOLE), WHOLE, PICTURES[0], 100),
        (np.repeat(fed(PICTURES[0]), 2, axis=0), MODEL, PICTURES[0], 100),
        (NOISE, MODEL, None, 50),
        (NOISE, None, None, 50),
        (NOISE[:, :1], None, None, 10),
        ((NOISE * 500).astype(np.float16), None, None, 50),
        (np.repeat(NOISE, 8, axis=1), None, None, 5),
        ((NOISE * 50).astype(np.uint8), None, None, 5),
        (np.zeros((1, 3, 4, 4), np.float32), None, None, 5),
        (NOISE[0], None, None, 0),
        (NOISE[:0], None, None, 0),
    ],
)
def test_variants_keep_the_shape_and_differ(
    tensor: Array, preprocess: Preprocess | None, picture: Array | None, least: int
) -> None:
    before = tensor.copy()
    found = list(input_variants(tensor, preprocess, picture))
    assert len(found) >= least
    assert {(item.tensor.shape, item.tensor.dtype) for item in found} <= {
        (tensor.shape, tensor.dtype)
    }
    assert len({item.name for item in found}) == len(found)
    assert not any(np.array_equal(item.tensor, tensor) for item in found)
    for item in found:
        assert item.sentence.startswith("Next: ")
        assert item.sentence.endswith(".")
        again = item.change.make(tensor, picture)
        assert again is not None
        np.testing.assert_array_equal(again, item.tensor)
    np.testing.assert_array_equal(tensor, before)


def test_roundings_are_kept_that_come_to_the_same_for_this_picture_alone() -> None:
    """Of 90x120 pixels at a short side of 48 the long one is 64, however it is rounded."""
    tall = sample_pictures(1, (90, 110))[0]  # 58.67
    single = "resized with bilinear (Pillow, antialiased)"
    rounded = f"short side resized to 48, the long side rounded down, {single}"
    np.testing.assert_array_equal(variants(0)[rounded], variants(0)[single])
    found = {item.name: item.tensor for item in input_variants(fed(tall), MODEL, tall)}
    assert not np.array_equal(found[rounded], found[single])


def test_pixels_are_prepared_bit_for_bit_as_the_models_own() -> None:
    picture = PICTURES[1]
    for preprocess in (MODEL, BGR, WHOLE):
        other = replace(preprocess, interpolation="area")
        found = input_variants(fed(picture, other), other, picture)
        (linear,) = [item.tensor for item in found if item.name == "resized with linear (OpenCV)"]
        np.testing.assert_array_equal(linear, fed(picture, preprocess))


def test_the_likely_ones_are_made_before_any_picture_is_resized(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_changes, "resample", None)
    found = input_variants(fed(PICTURES[0]), MODEL, PICTURES[0])
    assert [next(found).name for _ in range(20)].index("channels swapped") == 0


def network(outputs: int = 5, size: int = 40, seed: int = 0) -> Network:
    """Two layers; what it gives depends on every value, its place and its channel."""
    draw = np.random.default_rng(seed)
    first = draw.standard_normal((3 * size * size, 24)) / size
    second = draw.standard_normal((24, outputs))

    def run(x: Array) -> Array:
        hidden = np.maximum(x.reshape(len(x), -1).astype(np.float64) @ first + 0.3, 0)
        answer: Array = (hidden @ second + 0.1).astype(np.float32)
        return answer

    return run


def made_feeds(count: int = 3) -> list[NamedFeed]:
    feeds = [
        NamedFeed(
            name=f"sample {index}", kind="picture", tensors={"x": fed(picture)}, picture=picture
        )
        for index, picture in enumerate(PICTURES[:count])
    ]
    noise = np.random.default_rng(1).standard_normal((1, 3, 40, 40)).astype(np.float32)
    return [*feeds, NamedFeed(name="noise 0", kind="noise", tensors={"x": noise})]


class Asking:
    """A case around a network, and how often that was asked."""

    def __init__(
        self, reference: Network, feeds: list[NamedFeed], preprocess: Preprocess | None = MODEL
    ) -> None:
        self.count = 0
        self.reference, self.feeds = reference, feeds
        outputs = [{"y": reference(feed.tensors["x"])} for feed in feeds]
        self.reference_outputs = ReferenceOutputs(
            feeds=feeds,
            outputs=outputs,
            again=outputs[0],
            float64=Float64Reference(onnx_artifact(Path("none"))),
            preprocess=preprocess,
            ask=self.ask,
        )

    def ask(self, feed: Feed) -> Mapping[str, Array]:
        self.count += 1
        return {"y": self.reference(feed["x"])}

    def told(self, given: list[Array], limit: float = LIMIT) -> str:
        answers = CandidateOutputs(
            backend="theirs",
            format="onnx",
            computes_in="fp32",
            outputs=[{"y": tensor} for tensor in given],
        )
        name, sentence = find_imitated_input(
            self.reference_outputs, ComparedOutput(self.reference_outputs, answers, 0, limit)
        )
        assert bool(name) == bool(sentence)
        return name

    def told_of(self, mistake: Callable[[Array], Array], limit: float = LIMIT) -> str:
        """A candidate that is fed pictures with a mistake, and noise as it is."""
        pictures = [feed.picture for feed in self.feeds if feed.picture is not None]
        given = [self.reference(mistake(picture)) for picture in pictures]
        rest = [feed for feed in self.feeds if feed.picture is None]
        return self.told(given + [self.reference(feed.tensors["x"]) for feed in rest], limit)


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named_on_pictures(name: str) -> None:
    asking = Asking(network(), [feed for feed in made_feeds() if feed.picture is not None])
    assert asking.told_of(MISTAKES[name]) == name


@pytest.mark.parametrize(
    ("library", "name", "interpolation"),
    [
        ("cv2", "resized with linear (OpenCV)", "linear"),
        ("cv2", "resized with cubic (OpenCV)", "cubic"),
        ("pil", "resized with bilinear (Pillow, antialiased)", "bilinear"),
    ],
)
def test_what_takes_the_place_of_pillow_is_named(
    library: Any, name: str, interpolation: Any
) -> None:
    model = replace(MODEL, resize_backend="pil", interpolation="bicubic")
    wrong = replace(MODEL, resize_backend=library, interpolation=interpolation)
    feeds = [
        NamedFeed(name=str(i), kind="picture", tensors={"x": fed(p, model)}, picture=p)
        for i, p in enumerate(PICTURES)
    ]
    asking = Asking(network(), feeds, model)
    assert asking.told_of(lambda picture: fed(picture, wrong)) == name
    assert asking.told_of(lambda picture: fed(picture, model)) == ""


def test_pixels_are_told_by_pictures_while_noise_agrees() -> None:
    name = "resized with bilinear (Pillow, antialiased)"
    assert Asking(network(), made_feeds()).told_of(MISTAKES[name]) == name


def test_pixels_and_channels_are_told_by_pictures_and_noise() -> None:
    asking, name = Asking(network(), made_feeds()), "resized with cubic (OpenCV), channels swapped"
    pictures = [MISTAKES[name](picture) for picture in PICTURES]
    fed_wrongly = [*pictures, asking.feeds[-1].tensors["x"][:, ::-1]]
    assert asking.told([asking.reference(x) for x in fed_wrongly]) == name
    only_pictures = [*pictures, np.ascontiguousarray(asking.feeds[-1].tensors["x"])]
    assert asking.told([asking.reference(x) for x in only_pictures]) == ""


def test_a_mistake_is_named_in_a_narrow_precision() -> None:
    asking, draw = Asking(network(), made_feeds()), np.random.default_rng(3)
    given = [asking.reference(feed.tensors["x"][:, ::-1]) for feed in asking.feeds]
    rounded = [y * (1 + 3e-3 * draw.uniform(-1, 1, y.shape)) for y in given]
    assert asking.told([y.astype(np.float32) for y in rounded], 5e-2) == "channels swapped"


def rounded_to_bf16(y: Array) -> Array:
    return (np.ascontiguousarray(y).view(np.uint32) & 0xFFFF0000).view(np.float32)


OTHER_FAULTS: dict[str, Callable[[Array], Array]] = {
    "scaled": lambda y: y * np.float32(1.001),
    "shifted": lambda y: y + np.float32(0.01),
    "negated": lambda y: -y,
    "bf16": rounded_to_bf16,
    "constant": np.zeros_like,
    "nan": lambda y: y * np.float32("nan"),
    "reversed": lambda y: np.ascontiguousarray(y[:, ::-1]),
    "cut short": lambda y: y[:, :-1],
    "255 times": lambda y: y * np.float32(255),
}


@pytest.mark.parametrize("fault", OTHER_FAULTS)
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_other_faults_are_not_the_preprocessings(fault: str, outputs: int) -> None:
    for feeds in (made_feeds(), made_feeds(1)[:1]):
        asking = Asking(network(outputs), feeds)
        right = [asking.reference(feed.tensors["x"]) for feed in feeds]
        for limit in (LIMIT, 5e-2):
            assert asking.told([OTHER_FAULTS[fault](y) for y in right], limit) == ""


@pytest.mark.parametrize("limit", [LIMIT, 1e-2, 5e-2])
def test_other_weights_are_not_the_preprocessings(limit: float) -> None:
    """Networks that are a little or quite another, by four feeds and two outputs, and by one."""
    asking, single = Asking(network(2), made_feeds()), Asking(network(1), made_feeds()[-1:])
    draw = np.random.default_rng(11)
    for seed in range(50):
        size = 10 ** draw.uniform(-3, 0.5)
        for each, outputs in ((asking, 2), (single, 1)):
            other = network(outputs, seed=seed + 100)
            given = [
                each.reference(feed.tensors["x"]) + np.float32(size) * other(feed.tensors["x"])
                for feed in each.feeds
            ]
            assert each.told(given, limit) == ""


def test_a_fault_on_one_feed_alone_is_not_the_preprocessings() -> None:
    asking = Asking(network(), made_feeds())
    given = [asking.reference(feed.tensors["x"]) for feed in asking.feeds]
    given[1] = asking.reference(asking.feeds[1].tensors["x"][:, ::-1])
    assert asking.told(given) == ""


def test_a_network_that_cannot_tell_is_not_explained_by_what_it_cannot_tell() -> None:
    """Mean over channels and places: channels, layouts and turns all give the same."""

    def run(x: Array) -> Array:
        mean = x.mean(axis=(1, 2, 3), keepdims=True)[:, :, 0, 0]
        return np.concatenate([mean, mean**2, np.tanh(mean)], axis=1).astype(np.float32)

    asking = Asking(run, made_feeds())
    assert asking.told([run(feed.tensors["x"]) * np.float32(1.01) for feed in asking.feeds]) == ""
    raw = [run(feed.tensors["x"] / 255) for feed in asking.feeds]
    assert asking.told(raw) == "divided by 255 once more"


def test_saturated_answers_that_are_all_alike_prove_nothing() -> None:
    """Far too large inputs make every answer the same one, and so may any other fault."""
    inner = network(4)

    def run(x: Array) -> Array:
        return np.tanh(np.abs(inner(x)) / 20).astype(np.float32)

    asking = Asking(run, made_feeds())
    assert asking.told([np.ones((1, 4), np.float32)] * 4) == ""


def test_every_question_is_put_once() -> None:
    asking = Asking(network(), made_feeds())
    wrong = [asking.reference(feed.tensors["x"]) * np.float32(1.1) for feed in asking.feeds]
    assert asking.told(wrong) == ""
    asked = asking.count
    assert asked > 50
    assert asking.told([y * np.float32(1.1) for y in wrong]) == ""
    assert asking.count == asked


def test_it_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imitation, "_SECONDS", -1.0)
    asking = Asking(network(), made_feeds())
    assert asking.told_of(lambda p: levels(p) / 255) == ""
    assert asking.count <= 1


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (WorkerCrashed("it ended", reason="SIGSEGV", log=""), 3),
        (FeedError("not such a tensor"), 1000),
    ],
)
def test_a_reference_that_refuses_or_crashes_explains_nothing(error: Exception, most: int) -> None:
    asking = Asking(network(), made_feeds())
    counted: list[Feed] = []

    def ask(feed: Feed) -> Mapping[str, Array]:
        counted.append(feed)
        raise error

    asking.reference_outputs = replace(asking.reference_outputs, ask=ask)
    assert asking.told_of(lambda p: levels(p) / 255) == ""
    assert 1 <= len(counted) <= most
    assert most < 1000 or len(counted) > 50


def test_one_crash_is_skipped() -> None:
    asking = Asking(network(), made_feeds())
    calls = iter([True] + [False] * 1000)

    def ask(feed: Feed) -> Mapping[str, Array]:
        if next(calls):
            raise WorkerCrashed("it ended", reason="SIGSEGV", log="")
        return asking.ask(feed)

    asking.reference_outputs = replace(asking.reference_outputs, ask=ask)
    given = [asking.reference(feed.tensors["x"] / 255) for feed in asking.feeds]
    assert asking.told(given) == "divided by 255 once more"


@pytest.mark.slow
def test_a_validation_outlives_a_reference_that_crashes_on_variants(
    small_pir: Artifact, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "planted", monkeypatch, "brittle", "scales")
    plan = Plan(backends=("scales",), reference="brittle", seconds_each=0)
    rows = validate(resolve(small_pir.path.parent), small_onnx, plan).rows
    assert [(row.verdict, row.cause) for row in rows] == [("reference", ""), ("differs", "runtime")]


PLANTED = [
    ("swaps", "channels swapped."),
    ("pixels", "values from 0 to 1, not normalised (if ImageNet's mean and std are"),
    ("halves", "values from −1 to 1 (mean and std of 0.5) (if ImageNet's mean and std are"),
    ("early", "channels swapped before normalising, mean and std left in place"),
    ("again", "scaled and normalised twice, the second time with ImageNet's mean and std."),
    ("interleaves", "HWC bytes read as CHW. Next: transpose to CHW, do not reshape."),
    ("mirrors", "flipped left to right"),
]


@pytest.mark.slow
def test_planted_backends_that_are_fed_another_input(
    small_pir: Artifact, small_onnx: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name, _ in PLANTED]
    plant(tmp_path / "planted", monkeypatch, *names, "scales", "rounds")
    plan = Plan(backends=(*names, "scales", "rounds"), seconds_each=0)
    report = validate(resolve(small_pir.path.parent), small_onnx, plan)
    rows = {row.name: row for row in report.rows}
    for name, telling in PLANTED:
        assert rows[name].cause == "preprocessing", rows[name]
        assert f"on another input: {telling}" in rows[name].explanation, name
    assert [rows[name].cause for name in ("scales", "rounds")] == ["runtime", "runtime"]
