"""A second family by data and one module, and cards that are damaged."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from made_report import agreeing_report, made_report

from paddleport.errors import ModelFileError, UsageError
from paddleport.models.resolve import resolve_preprocess
from paddleport.models.weights.obtain import obtain
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.architecture import load_architecture
from paddleport.validate.reports import latency_tables
from paddleport.validate.reports.tables import Table

TESTS = Path(__file__).parent
CARD = TESTS / "data" / "cards" / "tiny_conv.json"

OTHER_TRANSFORMS = [
    {"CropImage": {"size": 32}},
    {"NormalizeImage": {"scale": 1.0, "mean": [1.5, 2, 3.0], "std": [1.0, 1.0, 1.0], "order": ""}},
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The installed folder of a package that adds the family, for this process as well."""
    site = tmp_path / "site"
    folder = site / "tiny_cards"
    folder.mkdir(parents=True)
    shutil.copy(CARD, folder)
    info = site / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[paddleport.cards]\ntiny = tiny_cards\n")
    monkeypatch.syspath_prepend(str(site))
    _forget()
    yield folder
    _forget()


def _forget() -> None:
    zoo._families.cache_clear()
    zoo._index.cache_clear()


@pytest.fixture
def paddleport(cards: Path, tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = os.environ | {
            "PYTHONPATH": os.pathsep.join((str(cards.parent), str(TESTS))),
            "PADDLEPORT_CACHE": str(tmp_path / "cache"),
            "PADDLEPORT_OFFLINE": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "paddleport", *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=250,
        )

    return run


@pytest.mark.usefixtures("cards")
def test_the_family_stands_behind_the_built_in_ones() -> None:
    assert zoo.names()[0] == "MobileNetV2_x0_25"
    assert zoo.names()[-3:] == ("TinyConv_16", "TinyConv", "TinyConv_24")
    assert zoo.cards()[-2] == zoo.lookup("TinyConv") == zoo.lookup("TinyConv_16")
    card = zoo.lookup("TinyConv_24")
    assert (card.family, card.arguments, card.published) == ("TinyConv", {"channels": 24}, {})
    assert (card.labels, card.archives, card.checkpoint_url) == (None, (), None)


def test_what_nobody_published_is_a_dash(paddleport: Run) -> None:
    assert "TinyConv " in paddleport("models").stdout
    families = ("MobileNetV2", "TinyConv")
    tables = [paddleport("models", "--family", family).stdout for family in families]
    listed = "".join(tables).splitlines()
    rows = {line.split()[0]: line.split() for line in listed if line}
    assert rows["MobileNetV2"] == [
        "MobileNetV2",
        "1",
        "72.20",
        "%",
        "90.70",
        "%",
        "0.6",
        "3.44",
        "1.02",
    ]
    assert rows["TinyConv_16"] == ["TinyConv_16", "16", "10.00", "%", "–", "–", "–", "–"]
    assert rows["TinyConv_24"] == ["TinyConv_24", "24", "–", "–", "–", "–", "–"]
    shown = paddleport("models", "TinyConv").stdout
    assert "top-1 10.00 %, top-5 –, – GFLOP, – M parameters, – MB" in shown
    assert "short side 72 (cubic), crop 64×64, BGR" in shown
    written = json.loads(paddleport("models", "TinyConv", "--json").stdout)
    assert (written["name"], written["channels"]) == ("TinyConv_16", 16)
    assert (written["inference_url"], written["labels"]) == (None, None)


@pytest.mark.slow
def test_it_is_seeded_converted_and_agrees_with_paddle(paddleport: Run, tmp_path: Path) -> None:
    if find_spec("paddle") is None:
        pytest.skip("paddle is not installed")
    done = paddleport(
        *("validate", "TinyConv", "--weights", "seeded", "--backend", "onnxruntime"),
        *("--backend", "reference", "--quick"),
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads((tmp_path / "out" / "TinyConv_16" / "parity.json").read_text())
    assert report["verdict"] == "agrees"
    assert report["model"]["weights from"] == "seeded here from the name TinyConv_16, recipe 3"
    assert report["model"]["title"].endswith(" · 666 parameters · – GFLOP")
    assert report["published"] == json.loads(CARD.read_text())["models"][0]["published"]
    page = (tmp_path / "out" / "TinyConv_16" / "parity.md").read_text()
    assert "| parameters, millions |" in page and "None" not in page


def test_what_holds_for_a_family_and_for_one_of_it(cards: Path) -> None:
    file = cards / CARD.name
    values = json.loads(file.read_text())
    values["archives"] = [{"url": "https://host/{name}_infer.tar"}, {"huggingface": "tiny/{name}"}]
    values["checkpoint_url"] = "https://host/{name}.pdparams"
    own = {"archives": [], "checkpoint_url": None, "transforms": OTHER_TRANSFORMS, "task": "digits"}
    values["models"][1].update(own)
    file.write_text(json.dumps(values))
    family, model = zoo.family_cards("tinyconv")
    assert [archive.address for archive in family.archives] == [
        "https://host/TinyConv_16_infer.tar",
        "https://huggingface.co/tiny/TinyConv_16",
    ]
    assert family.checkpoint_url == "https://host/TinyConv_16.pdparams"
    assert (family.task, model.task) == ("classification", "digits")
    assert (model.archives, model.checkpoint_url) == ((), None)
    assert family.preprocess is not None and model.preprocess is not None
    assert (family.preprocess.crop, model.preprocess.crop) == ((64, 64), (32, 32))
    assert (model.preprocess.scale, model.preprocess.mean) == (1.0, (1.5, 2.0, 3.0))


def test_an_operator_that_is_unknown_is_named(cards: Path, paddleport: Run) -> None:
    file = cards / CARD.name
    values = json.loads(file.read_text())
    values["models"][1]["transforms"] = [{"TurnImage": {"degrees": 90}}, *OTHER_TRANSFORMS]
    file.write_text(json.dumps(values))
    card = zoo.lookup("TinyConv_24")
    unknown = "unknown preprocessing operator TurnImage"
    assert (card.preprocess, card.preprocess_unknown) == (None, unknown)
    assert unknown in paddleport("models", "TinyConv_24").stdout
    with pytest.raises(UsageError, match=unknown):
        resolve_preprocess("TinyConv_24")


def test_published_latencies_that_are_missing_are_dashes_in_a_report() -> None:
    def rows(table: Table) -> dict[str, Any]:
        return {row[0]: row[1:] for row in table.lines}

    report = made_report()
    published = dict(report.published) | {"v100_trt_fp32_ms": {"batch1": 2.0, "batch4": None}}
    del published["sd855_ms"], published["gflops"], published["top5"]
    partly = replace(report, published=published)
    before, after = rows(latency_tables.medians(report)), rows(latency_tables.medians(partly))
    v100, sd855 = "V100, TensorRT fp32 (published)", "SD855, Paddle-Lite (published)"
    assert set(before) == set(after)
    assert [cell for cell in after[v100] if cell] == ["2.00", "2.00", "–", "–"]
    assert {bool(cell) for cell in after[sd855]} == {True, False}
    assert set(after[sd855]) == {"–", ""}
    figures = rows(latency_tables.model_figures(partly))
    assert figures["operations, GFLOP"][-1] == figures["ImageNet top-5"][-1] == "–"
    bare = replace(agreeing_report(), published={})
    assert not {v100, sd855} & set(rows(latency_tables.medians(bare)))
    assert latency_tables.model_figures(bare).lines == ()


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no name": (lambda card: card["models"][1].pop("name"), r"models[1].name is missing"),
    "no family": (lambda card: card.pop("family"), "family is missing"),
    "models are no list": (lambda card: card.update(models={}), "models is no list"),
    "a model is no table": (lambda card: card["models"].append(1), "models[2] is no table"),
    "aliases": (
        lambda card: card["models"][0].update(aliases=[1]),
        "models[0].aliases is no list of texts",
    ),
    "a name twice": (
        lambda card: card["models"][1].update(name="MobileNetV2"),
        "models[1].name MobileNetV2 is taken by ",
    ),
    "a name that leads elsewhere": (
        lambda card: card["models"][1].update(name="../../x"),
        "models[1].name '../../x' is no plain file name",
    ),
    "an empty name": (
        lambda card: card["models"][0].update(name=""),
        "models[0].name '' is no plain file name",
    ),
    "an alias that leads elsewhere": (
        lambda card: card["models"][0].update(aliases=[".."]),
        "models[0].aliases '..' is no plain file name",
    ),
    "no task": (lambda card: card.pop("task"), "task is missing"),
    "an unknown key": (lambda card: card.update(clases=1), "clases is no key of a card"),
    "an unknown key of a model": (
        lambda card: card["models"][0].update(url=""),
        "models[0].url is no key of a card",
    ),
    "no input": (lambda card: card.pop("input"), "input is missing"),
    "shape": (
        lambda card: card["input"].update(shape=["N", 3]),
        "input.shape is no list of sizes and nulls",
    ),
    "preprocess": (
        lambda card: card["preprocess"].pop("mean"),
        "preprocess cannot be: preprocessing must have the keys ",
    ),
    "labels": (lambda card: card.update(labels="none.txt"), "labels cannot be read: no label file"),
    "a figure": (
        lambda card: card["models"][0]["published"].update(top5="90 %"),
        "models[0].published.top5 is no number, null or table of such",
    ),
    "a figure that is not a number": (
        lambda card: card["models"][0]["published"].update(top5=math.nan),
        "models[0].published.top5 is no number",
    ),
    "a figure that is too large": (
        lambda card: card["models"][0]["published"].update(top5=10**400),
        "models[0].published.top5 is no number",
    ),
    "an infinite figure in a table": (
        lambda card: card["models"][0]["published"].update(sd855_ms={"threads1": math.inf}),
        "models[0].published.sd855_ms is no number",
    ),
    "an argument": (
        lambda card: card["models"][0].update(arguments={"channels": math.nan}),
        "models[0].arguments.channels is not finite",
    ),
    "architecture": (
        lambda card: card.update(architecture=".."),
        "architecture is no dotted name of a module",
    ),
    "dtype": (lambda card: card["input"].update(dtype="foo"), "input.dtype is no type of tensors"),
    "an input without a name": (lambda card: card["input"].update(name=""), "input.name is empty"),
    "a flat input for pictures": (
        lambda card: card["input"].update(shape=[None, 3]),
        "input.shape has not the four sides of a batch of pictures",
    ),
    "classes": (lambda card: card.update(classes=-1), "classes is no number of classes"),
    "transforms and preprocess": (
        lambda card: card.update(transforms=[]),
        "transforms and preprocess stand side by side: write one of them",
    ),
    "transforms": (
        lambda card: card["models"][1].update(
            transforms=[{"CropImage": {"size": "large"}}, OTHER_TRANSFORMS[1]]
        ),
        "models[1].transforms cannot be: CropImage size is 'large', not a whole number",
    ),
    "an operator that is none": (
        lambda card: card["models"][1].update(transforms=["CropImage"]),
        "models[1].transforms cannot be: a preprocessing operator is not a name with its arguments",
    ),
    "what GFLOP counts": (
        lambda card: card.update(methodology={"gflops": "additions"}),
        "methodology.gflops is neither 'multiply-adds' nor 'operations, two for a multiply-add'",
    ),
    "a repository that is none": (
        lambda card: card.update(archives=[{"huggingface": "a/../b"}]),
        "archives[0].huggingface 'a/../b' is not OWNER/NAME",
    ),
    "two sources as one": (
        lambda card: card.update(archives=[{"huggingface": "a/{name}", "url": "https://host/a"}]),
        "archives[0].url and huggingface stand side by side: write two archives",
    ),
    "an unknown key of an archive": (
        lambda card: card.update(archives=[{"url": "https://host/a.tar", "md5": ""}]),
        "archives[0].md5 is no key of a card",
    ),
    "an archive without a file name": (
        lambda card: card["models"][1].update(archives=[{"url": "https://host/.."}]),
        "models[1].archives[0].url does not end in the name of a file",
    ),
    "archives": (
        lambda card: card["models"][1].update(archives=[{"sha256": ""}]),
        "models[1].archives[0].url is missing",
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_card_is_one_line_with_file_and_key(
    cards: Path, damage: Callable[[dict[str, Any]], object], expected: str
) -> None:
    file = cards / CARD.name
    card = json.loads(file.read_text())
    damage(card)
    file.write_text(json.dumps(card))
    with pytest.raises(ModelFileError) as caught:
        zoo.names()
        zoo.cards()
    assert str(caught.value).startswith(f"the card {file}: {expected}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_file_that_is_no_json(cards: Path, paddleport: Run, text: str) -> None:
    (cards / CARD.name).write_text(text)
    done = paddleport("models")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the card ") and done.stderr.count("\n") == 1
    assert str(cards / CARD.name) in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("tiny_missing", "tiny_missing, which is not installed"),
        ("json", "json, which has no RECIPE"),
    ],
)
def test_an_architecture_that_is_none(cards: Path, architecture: str, expected: str) -> None:
    file = cards / CARD.name
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architecture": architecture}))
    with pytest.raises(ModelFileError) as caught:
        load_architecture(zoo.lookup("TinyConv"))
    expected = f"the card of TinyConv names the architecture {expected}"
    assert str(caught.value) == expected


def test_a_figure_beyond_what_numbers_hold(cards: Path) -> None:
    file = cards / CARD.name
    card = json.loads(file.read_text())
    card["models"][0]["published"]["top5"] = "TOP5"
    file.write_text(json.dumps(card).replace('"TOP5"', "1e400"))
    with pytest.raises(ModelFileError, match=r"models\[0\]\.published\.top5 is no number"):
        zoo.cards()


def test_no_classes_no_seeded_weights(cards: Path, tmp_path: Path) -> None:
    file = cards / CARD.name
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": None}))
    with pytest.raises(UsageError, match="its card says no number of classes"):
        obtain(zoo.lookup("TinyConv"), "seeded", cache=tmp_path / "cache")


def test_an_entry_point_that_names_no_package(cards: Path) -> None:
    (cards / CARD.name).unlink()
    cards.rmdir()
    with pytest.raises(ModelFileError, match=r"tiny of paddleport\.cards names tiny_cards"):
        zoo.names()
