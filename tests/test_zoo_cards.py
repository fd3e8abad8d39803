"""The cards of PaddleClas's ImageNet list and of PaddleX's: whole, and as published."""

from typing import Any

import pytest

from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.model_card import ModelCard
from paddleport.models.zoo.published_figures import published_gflop

CLAS = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph"
PADDLEX = (
    "https://paddle-model-ecology.bj.bcebos.com/paddlex/official_inference_model/paddle3.0.0/"
    "{}_infer.tar"
)


@pytest.fixture(scope="module")
def cards() -> tuple[ModelCard, ...]:
    return zoo.cards()


def test_every_card_is_read_whole(cards: tuple[ModelCard, ...]) -> None:
    listed = [card for card in cards if card.architecture]
    assert len(listed) == 250  # PaddleClas's ImageNet list, MobileNetV2 with it
    for card in listed:
        figures = card.published
        assert 0.4 < figures["top1"] < figures.get("top5", 1.0) <= 1.0, card.name
        assert figures["gflops"] > 0 and figures["mparams"] > 0, card.name
        assert card.licence and card.classes == 1000 == len(card.labels or ()), card.name
        assert card.known_input().shape[:2] == (None, 3), card.name
        assert card.preprocess is not None, card.preprocess_unknown
        assert card.archives and (card.checkpoint_url or "").endswith(".pdparams"), card.name
        assert {"scale", "network"} & set(card.arguments), card.name
        assert {"class_num", "pretrained"}.isdisjoint(card.arguments), card.name
    for card in cards:
        assert card.task and card.archives, card.name
        assert (card.preprocess is None) == bool(card.preprocess_unknown), card.name
        assert all("{" not in archive.address for archive in card.archives), card.name
    by_address = [card for card in cards if not card.architecture]
    assert all((card.input, card.preprocess, card.labels) == (None,) * 3 for card in by_address)


def test_a_picture_comes_out_as_the_network_takes_it(cards: tuple[ModelCard, ...]) -> None:
    for card in cards:
        if card.preprocess is not None:
            assert card.preprocess.size == card.known_input().shape[2:], card.name


def test_all_of_paddlex_is_known_and_nothing_twice(cards: tuple[ModelCard, ...]) -> None:
    names = [name for card in cards for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names)) == len(zoo.names())
    urls = [archive.url for card in cards for archive in card.archives]
    assert sum("/official_inference_model/" in str(url) for url in urls) == 300
    found = [archive.huggingface for card in cards for archive in card.archives]
    assert sum(repository is not None for repository in found) == 85


def test_mobile_families_come_first_and_those_known_by_address_last() -> None:
    families = zoo.family_names()
    assert families[:3] == ("MobileNetV2", "MobileNetV1", "MobileNetV3")
    assert families.index("ESNet") < families.index("AlexNet") < families.index("Xception")
    assert all(name.startswith("PaddleX-") for name in families[-8:])
    assert not any(name.startswith("PaddleX-") for name in families[:-8])


# Written down from the list a second time: top-1, top-5, G multiply-adds, M parameters.
LISTED: dict[str, tuple[float, float | None, float, float]] = {
    "ResNet50": (0.765, 0.93, 4.11, 25.61),
    "ResNet50_vd_ssld": (0.83, 0.964, 4.35, 25.63),
    "MobileNetV3_small_x0_35_ssld": (0.556, 0.7771, 0.01456, 1.67),
    "PPLCNet_x1_0": (0.7132, 0.9003, 0.16081, 2.96),
    "PPLCNet_x2_5_ssld": (0.808, None, 0.90649, 9.04),
    "ShuffleNetV2": (0.688, 0.8845, 0.14886, 2.29),
    "EfficientNetB0": (0.7738, 0.9331, 0.4, 5.33),
    "Fix_ResNeXt101_32x48d_wsl": (0.8626, 0.9797, 313.41, 829.26),
    "ConvNeXt_tiny": (0.8203, 0.959, 4.458, 28.583),
    "RegNetX_4GF": (0.785, 0.9416, 4.0, 22.23),
    "SE_HRNet_W64_C_ssld": (0.848, 0.9726, 29.0, 129.12),
}


@pytest.mark.parametrize("name", LISTED)
def test_figures_are_those_of_the_list(name: str) -> None:
    figures = zoo.lookup(name).published
    found = (figures["top1"], figures.get("top5"), figures["gflops"], figures["mparams"])
    assert found == LISTED[name]
    assert figures["methodology"]["gflops"] == "multiply-adds"
    assert published_gflop(figures) == 2 * LISTED[name][2]


def test_latencies_are_those_of_the_list() -> None:
    small = zoo.lookup("MobileNetV3_small_x0_35_ssld").published
    assert small["sd855_ms"] == {"threads1": 2.23, "threads2": 1.66, "threads4": 1.43}
    assert small["storage_mb"] == 6.9
    distilled = zoo.lookup("ResNet34_vd_ssld").published
    assert distilled["v100_trt_fp32_ms"] == {"batch1": 2.0, "batch4": 3.28, "batch8": 5.84}
    assert zoo.lookup("PPLCNet_x1_0").published["xeon_6148_ms"] == 2.46


def test_operations_have_one_unit() -> None:
    """MobileNetV2's page counts two for a multiply-add; the list's figure for it is 0.32784."""
    page = zoo.lookup("MobileNetV2").published
    assert page["methodology"]["gflops"] == "operations, two for a multiply-add"
    assert published_gflop(page) == page["gflops"] == pytest.approx(2 * 0.32784, rel=0.1)
    assert published_gflop({}) is None
    assert published_gflop({"gflops": None, "methodology": {"gflops": "multiply-adds"}}) is None


NETWORKS: dict[str, dict[str, Any]] = {
    "ResNet34_vd_ssld": {"network": "ResNet34_vd"},
    "PPLCNet_x1_0_ssld": {"network": "PPLCNet_x1_0", "dropout_prob": 0.0},  # of two, the student
    "SwinTransformer_base_patch4_window7_224": {
        "network": "SwinTransformer_base_patch4_window7_224"
    },
    "ConvNeXt_tiny": {
        "network": "ConvNeXt_tiny",
        "drop_path_rate": 0.1,
        "layer_scale_init_value": 1e-6,
        "head_init_scale": 1.0,
    },
    # Those that the list has no configuration of:
    "SE_HRNet_W64_C_ssld": {"network": "SE_HRNet_W64_C"},
    "ResNet50_vc": {"network": "ResNet50_vc"},
    "EfficientNetB0_small": {"network": "EfficientNetB0_small"},
    "Fix_ResNeXt101_32x48d_wsl": {"network": "ResNeXt101_32x48d_wsl"},
    "RegNetX_4GF": {"network": "RegNetX_4GF"},
    "ShuffleNetV2": {"network": "ShuffleNetV2_x1_0"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_and_its_arguments(name: str) -> None:
    assert zoo.lookup(name).arguments == NETWORKS[name]


def test_how_pictures_are_fed() -> None:
    usual = zoo.lookup("ResNet50").preprocess
    assert usual == Preprocess(resize_short=256, crop=(224, 224), scale=1 / 255)
    b7 = zoo.lookup("EfficientNetB7")
    assert b7.known_input().shape == (None, 3, 600, 600)
    assert b7.preprocess is not None
    assert (b7.preprocess.resize_short, b7.preprocess.crop) == (632, (600, 600))
    vit, rednet = zoo.lookup("ViT_base_patch16_384"), zoo.lookup("RedNet50")
    assert vit.preprocess is not None and rednet.preprocess is not None
    assert (vit.preprocess.mean, vit.preprocess.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (rednet.preprocess.scale, rednet.preprocess.mean) == (1.0, (123.675, 116.28, 103.53))
    convnext = zoo.lookup("ConvNeXt_tiny").preprocess
    assert convnext is not None
    assert (convnext.resize_backend, convnext.interpolation) == ("pil", "bicubic")
    fixed = zoo.lookup("Fix_ResNeXt101_32x48d_wsl")
    assert fixed.known_input().shape == (None, 3, 320, 320)


# By hand: PaddleX's name of a model that PaddleClas calls otherwise, and whose published top-1 is
# the same there.
CALLED_OTHERWISE = {
    "MobileNetV1_x1_0": "MobileNetV1",
    "MobileNetV2_x1_0": "MobileNetV2",
    "PP-LCNet_x0_25": "PPLCNet_x0_25",
    "PP-LCNet_x1_0": "PPLCNet_x1_0",
    "PP-LCNet_x2_5": "PPLCNet_x2_5",
    "PP-LCNetV2_base": "PPLCNetV2_base",
    "PP-HGNet_tiny": "PPHGNet_tiny",
    "PP-HGNet_small": "PPHGNet_small",
    "PP-HGNet_base": "PPHGNet_base_ssld",
}


@pytest.mark.parametrize("name", CALLED_OTHERWISE)
def test_one_card_with_two_names_has_two_sources(name: str) -> None:
    card = zoo.lookup(name)
    assert card == zoo.lookup(CALLED_OTHERWISE[name])
    assert name in card.aliases
    assert [archive.url for archive in card.archives] == [
        f"{CLAS}/inference/{card.name}_infer.tar",
        PADDLEX.format(name),
    ]


def test_one_name_at_both_has_two_sources() -> None:
    card = zoo.lookup("ResNet50")
    assert (card.family, card.aliases) == ("ResNet", ())
    assert [archive.url for archive in card.archives] == [
        f"{CLAS}/inference/ResNet50_infer.tar",
        PADDLEX.format("ResNet50"),
    ]
    assert card.checkpoint_url == f"{CLAS}/legendary_models/ResNet50_pretrained.pdparams"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ShuffleNetV2", "ShuffleNetV2_x1_0"),
        (
            "SwinTransformerV2_large_patch4_window24_384",
            "SwinTransformerV2_large_patch4_window24_384_22kto1k",
        ),
    ],
)
def test_an_address_that_is_not_named_after_the_model(name: str, address: str) -> None:
    card = zoo.lookup(name)
    assert card.archives[0].url == f"{CLAS}/inference/{address}_infer.tar"
    assert card.checkpoint_url == f"{CLAS}/{address}_pretrained.pdparams"


def test_a_model_of_another_task_is_known_by_address() -> None:
    card = zoo.lookup("PP-OCRv5_mobile_det")
    assert (card.family, card.task, card.published.get("top1")) == (
        "PaddleX-OCR",
        "text detection",
        None,
    )
    assert [archive.address for archive in card.archives] == [
        PADDLEX.format("PP-OCRv5_mobile_det"),
        "https://huggingface.co/PaddlePaddle/PP-OCRv5_mobile_det",
    ]
    (only,) = zoo.lookup("PP-YOLOE_plus-S").archives
    assert (only.url, only.huggingface) == (PADDLEX.format("PP-YOLOE_plus-S"), None)
    tasks = {name: zoo.lookup(name).task for name in ("PP-HGNetV2-B0", "SegFormer-B0", "DLinear")}
    assert tasks == {
        "PP-HGNetV2-B0": "classification",
        "SegFormer-B0": "semantic segmentation",
        "DLinear": "time series forecasting",
    }
