"""``paddleport models``: families, filters, and one card; in this process, at a width."""

import io
import json
import math
from typing import Any

import pytest
from rich.console import Console

from paddleport.cli import card_page, model_tables
from paddleport.cli import models as command
from paddleport.errors import ModelNotFoundError, UsageError
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.card_filter import CardFilter, share_of

WIDTHS = (80, 120)


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def listed(capsys: pytest.CaptureFixture[str], **options: Any) -> list[dict[str, Any]]:
    command.models(json=True, **options)
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


@pytest.mark.parametrize("width", WIDTHS)
def test_families_say_what_is_in_them(width: int) -> None:
    console = terminal(width)
    model_tables.print_families(console, zoo.cards())
    lines = printed(console).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    rows = {line.split()[0]: line.split() for line in lines if line}
    # 2 x 1.83 to 2 x 15.3 G multiply-adds
    figures = ["71.0", "–", "83.7", "3.66", "–", "30.6", "11.7", "–", "74.9"]
    assert rows["ResNet"] == ["ResNet", "15", *figures]
    assert rows["PaddleX-video"][1:4] == ["4", "video", "classification,"]
    assert "GFLOP: a multiply-add counts as two (in PaddleClas's list as one)." in lines
    assert "501 models by 516 names in 54 families." in lines
    assert rows["MobileNetV2_x0_5"][1:4] == ["0.5", "65.00", "%"], "one family as an example"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("family", zoo.family_names())
def test_no_name_or_figure_of_a_family_is_cut(family: str, width: int) -> None:
    console = terminal(width)
    model_tables.print_models(console, zoo.family_cards(family))
    lines = printed(console).splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in printed(console)
    assert all(card.name in printed(console) for card in zoo.family_cards(family))


def test_the_list_has_one_unit() -> None:
    console = terminal(132)
    model_tables.print_models(console, (zoo.lookup("MobileNetV2"), zoo.lookup("ResNet50")))
    text = printed(console)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert (rows["MobileNetV2"][5], rows["ResNet50"][5]) == ("0.6", "8.22")
    assert "GFLOP: a multiply-add counts as two (in PaddleClas's list as one)." in text


def test_filters(capsys: pytest.CaptureFixture[str]) -> None:
    small = listed(capsys, max_params=1.5)
    assert small and all(row["mparams"] <= 1.5 for row in small)
    assert {"MobileNetV2_x0_25", "MobileNetV1_x0_25"} <= {row["name"] for row in small}
    good = listed(capsys, min_top1=85, max_params=100)
    assert good == listed(capsys, min_top1=0.85, max_params=100)
    assert all(row["top1"] >= 0.85 and row["mparams"] <= 100 for row in good)
    assert [row["top1"] for row in good] == sorted((row["top1"] for row in good), reverse=True)
    assert "PPHGNet_base_ssld" in {row["name"] for row in good}  # 0.85 itself
    vd = listed(capsys, family="resnet", search="50-VD")
    assert [row["name"] for row in vd] == ["ResNet50_vd", "ResNet50_vd_ssld"]
    assert [row["name"] for row in listed(capsys, search="PP-HGNet_base")] == ["PPHGNet_base_ssld"]
    tasks = {row["task"] for row in listed(capsys, task="classification")}
    assert tasks == {"classification"}, "video classification is another task"
    found = listed(capsys, search="ocrv5_mobile", task="detection")
    assert [(row["name"], row["task"]) for row in found] == [
        ("PP-OCRv5_mobile_det", "text detection")
    ]
    assert listed(capsys, search="qqq") == []


def test_a_list_for_scripts_has_the_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    assert len(rows) == len(zoo.cards())
    (row,) = (row for row in rows if row["name"] == "ResNet50")
    assert (row["family"], row["task"], row["aliases"]) == ("ResNet", "classification", [])
    assert (row["gflops"], row["methodology"]["gflops"]) == (4.11, "multiply-adds")
    assert row["gflop"] == 8.22


def test_models_without_figures_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found, unpublished = CardFilter(max_mparams=2.0).select(zoo.cards())
    assert unpublished == 251 and all(card.architecture for card in found)
    command.models(family="PaddleX-video", max_params=2.0)
    assert "4 more models have no published figure to go by." in capsys.readouterr().out


@pytest.mark.parametrize("accuracy", [-1, 101])
def test_an_accuracy_that_cannot_be(accuracy: float) -> None:
    with pytest.raises(UsageError, match=r"is no accuracy: write a share such as 0\.75, or 75"):
        share_of(accuracy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"search": ""}, "--search '' has no letter"),
        ({"search": "--"}, "--search '--' has no letter"),
        ({"task": " "}, "--task ' ' has no letter"),
        ({"max_params": -1.0}, "-1 is no number of parameters"),
        ({"max_params": math.nan}, "nan is no number of parameters"),
        ({"family": ""}, "unknown family ''"),
    ],
)
def test_a_filter_that_filters_nothing_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises((UsageError, ModelNotFoundError), match=said):
        command.models(**options)


def test_what_nobody_has_is_answered() -> None:
    with pytest.raises(ModelNotFoundError, match=r"unknown task 'txt detection'\. Did you mean 't"):
        command.models(task="txt detection")
    with pytest.raises(ModelNotFoundError, match=r"unknown family 'Resnett'\. Did you mean 'ResN"):
        command.models(family="Resnett")
    with pytest.raises(UsageError, match="ResNet50 is one model: name it, or filter, not both"):
        command.models("ResNet50", search="x")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_card_has_names_figures_and_sources(width: int) -> None:
    console = terminal(width)
    card_page.print_card(console, zoo.lookup("PP-LCNet_x1_0"))
    text = " ".join(printed(console).split())
    assert text.startswith("PPLCNet_x1_0 ")
    for expected in (
        "also called PP-LCNet_x1_0",
        "top-1 71.32 %, top-5 90.03 %, 0.32162 GFLOP",
        "0.16081 G multiply-adds",
        "Xeon 6148 ms 2.46",
        "short side 256 (linear), crop 224×224, RGB",
        "licence Apache-2.0",
    ):
        assert expected in text
    joined = text.replace(" ", "")
    assert "dygraph/inference/PPLCNet_x1_0_infer.tar" in joined
    assert "paddle3.0.0/PP-LCNet_x1_0_infer.tar" in joined


def test_a_card_known_by_address_says_where_the_rest_is() -> None:
    console = terminal(132)
    card_page.print_card(console, zoo.lookup("PP-OCRv5_mobile_det"))
    text = " ".join(printed(console).split())
    assert "input as the downloaded program says preprocess as its inference.yml says" in text
    assert "https://huggingface.co/PaddlePaddle/PP-OCRv5_mobile_det" in text
