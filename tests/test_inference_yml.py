"""Descriptions as PaddleClas, PaddleX, PaddleOCR, PaddleDetection and PaddleSeg write them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.labels import imagenet_labels
from paddleport.models.paddle.inference_yml import (
    MAX_YML_BYTES,
    InferenceConfig,
    read_inference_yml,
)
from paddleport.models.paddle.yaml_values import parse_number
from paddleport.models.preprocess import Preprocess

# PaddleClas: deploy/configs/inference_cls.yaml
DEPLOY = """
Global:
  infer_imgs: "./images/ImageNet/ILSVRC2012_val_00000010.jpeg"
  inference_model_dir: "./models"
  batch_size: 1
  use_gpu: True
  enable_mkldnn: True
  cpu_num_threads: 10
  gpu_mem: 8000

PreProcess:
  transform_ops:
    - ResizeImage:
        resize_short: 256
    - CropImage:
        size: 224
    - NormalizeImage:
        scale: 0.00392157
        mean: [0.485, 0.456, 0.406]
        std: [0.229, 0.224, 0.225]
        order: ''
        channel_num: 3
    - ToCHWImage:

PostProcess:
  main_indicator: Topk
  Topk:
    topk: 5
    class_id_map_file: "../ppcls/utils/imagenet1k_label_list.txt"
  SavePreLabel:
    save_dir: ./pre_label/
"""

# PaddleClas: ppcls/configs/ImageNet/MobileNetV2/MobileNetV2.yaml, shortened
TRAINING = """
Global:
  checkpoints: null
  class_num: 1000
  image_shape: [3, 224, 224]
  save_inference_dir: ./inference
Arch:
  name: MobileNetV2
DataLoader:
  Train:
    dataset:
      transform_ops:
        - DecodeImage: {to_rgb: True, channel_first: False}
        - RandCropImage: {size: 224}
Infer:
  infer_imgs: docs/images/inference_deployment/whl_demo.jpg
  batch_size: 10
  transforms:
    - DecodeImage:
        to_rgb: True
        channel_first: False
    - ResizeImage:
        resize_short: 256
    - CropImage:
        size: 224
    - NormalizeImage:
        scale: 1.0/255.0
        mean: [0.485, 0.456, 0.406]
        std: [0.229, 0.224, 0.225]
        order: ''
    - ToCHWImage:
  PostProcess:
    name: Topk
    topk: 5
    class_id_map_file: ppcls/utils/imagenet1k_label_list.txt
"""

# PaddleX 3: what PaddleClas exports for it, with YAML's own anchors for shared values
PADDLEX = """
Global:
  model_name: PP-LCNet_x1_0
Hpi:
  backend_configs:
    paddle_infer:
      trt_dynamic_shapes: &id001
        x:
        - - 1
          - 3
          - 224
          - 224
        - - 4
          - 3
          - 224
          - 224
        - - 8
          - 3
          - 224
          - 224
    tensorrt:
      dynamic_shapes: *id001
PreProcess:
  transform_ops:
  - ResizeImage:
      resize_short: 256
  - CropImage:
      size: 224
  - NormalizeImage:
      channel_num: 3
      mean:
      - 0.485
      - 0.456
      - 0.406
      order: ''
      scale: 0.00392156862745098
      std:
      - 0.229
      - 0.224
      - 0.225
  - ToCHWImage: null
PostProcess:
  Topk:
    topk: 5
    label_list:
    - tench, Tinca tinca
    - no
    - 1.0
    - 2024-01-01
"""

# PaddleOCR: PP-OCRv4_mobile_det, and the end of a recognition model's
OCR = """
PreProcess:
  transform_ops:
  - DecodeImage:
      channel_first: false
      img_mode: BGR
  - DetLabelEncode: null
  - DetResizeForTest:
      resize_long: 960
  - NormalizeImage:
      mean: [0.485, 0.456, 0.406]
      order: hwc
      scale: 1./255.
      std: [0.229, 0.224, 0.225]
  - ToCHWImage: null
  - KeepKeys:
      keep_keys: [image, shape, polys, ignore_tags]
PostProcess:
  name: DBPostProcess
  thresh: 0.3
Hpi:
  backend_configs:
    paddle_infer:
      trt_dynamic_shapes:
        x: [[1, 3, 32, 32], [1, 3, 736, 736], [1, 3, 4000, 4000]]
"""

# PaddleDetection: infer_cfg.yml of PicoDet
DETECTION = """
mode: paddle
draw_threshold: 0.5
metric: COCO
use_dynamic_shape: false
arch: GFL
min_subgraph_size: 3
Preprocess:
- interp: 2
  keep_ratio: false
  target_size:
  - 320
  - 320
  type: Resize
- is_scale: true
  mean: [0.485, 0.456, 0.406]
  std: [0.229, 0.224, 0.225]
  type: NormalizeImage
- type: Permute
label_list:
- person
- bicycle
"""

SEGMENTATION = """
Deploy:
  input_shape: [-1, 3, -1, -1]
  model: model.pdmodel
  params: model.pdiparams
  transforms:
  - type: Normalize
"""

EXACT = 1.0 / 255.0


def read(tmp_path: Path, text: str) -> InferenceConfig:
    path = tmp_path / "inference.yml"
    path.write_text(text, encoding="utf-8")
    return read_inference_yml(path)


def changed(operator: str, **arguments: Any) -> str:
    """The deploy form with one operator's arguments replaced."""
    document = yaml.safe_load(DEPLOY)
    for item in document["PreProcess"]["transform_ops"]:
        if operator in item:
            item[operator] = arguments
    return yaml.safe_dump(document, sort_keys=False)


def test_paddleclas_deploy_form(tmp_path: Path) -> None:
    config = read(tmp_path, DEPLOY)
    assert config == InferenceConfig(Preprocess(), imagenet_labels())


def test_paddleclas_training_form(tmp_path: Path) -> None:
    config = read(tmp_path, TRAINING)
    assert config.preprocess == Preprocess(scale=EXACT)
    assert config.labels == imagenet_labels()
    assert config.unsupported is None


def test_paddlex_form_keeps_labels_as_they_are_spelt(tmp_path: Path) -> None:
    config = read(tmp_path, PADDLEX)
    assert config.preprocess == Preprocess(scale=0.00392156862745098)
    assert config.labels == ("tench, Tinca tinca", "no", "1.0", "2024-01-01")


@pytest.mark.parametrize(
    ("text", "operator"),
    [(OCR, "DetLabelEncode"), (DETECTION, "Resize"), (SEGMENTATION, "Normalize")],
)
def test_other_tools_pictures_are_unsupported_by_name(
    tmp_path: Path, text: str, operator: str
) -> None:
    config = read(tmp_path, text)
    assert config.preprocess is None and config.labels is None
    assert config.unsupported == f"unknown preprocessing operator {operator}"


@pytest.mark.parametrize(
    ("operator", "arguments", "expected"),
    [
        ("ResizeImage", {"size": 300}, {"resize_short": None, "resize": (300, 300)}),
        ("ResizeImage", {"size": [192, 48]}, {"resize_short": None, "resize": (48, 192)}),
        ("ResizeImage", {"size": 9, "resize_short": 288}, {"resize_short": 288}),
        ("ResizeImage", {"size": 9, "resize_short": 0}, {"resize_short": None, "resize": (9, 9)}),
        ("ResizeImage", {"resize_short": 9, "interpolation": "bicubic"},
         {"resize_short": 9, "interpolation": "cubic"}),
        ("ResizeImage", {"resize_short": 9, "interpolation": "LANCZOS4", "backend": "cv2"},
         {"resize_short": 9, "interpolation": "lanczos4"}),
        ("ResizeImage", {"resize_short": 9, "interpolation": 3},
         {"resize_short": 9, "interpolation": "area"}),
        ("ResizeImage", {"resize_short": 9, "interpolation": None}, {"resize_short": 9}),
        ("ResizeImage", {"resize_short": 9, "backend": "pil"},
         {"resize_short": 9, "resize_backend": "pil", "interpolation": "bilinear"}),
        ("ResizeImage", {"resize_short": 9, "backend": "PIL", "interpolation": "Bicubic"},
         {"resize_short": 9, "resize_backend": "pil", "interpolation": "bicubic"}),
        ("ResizeImage", {"resize_short": 9, "backend": "pil", "interpolation": 1},
         {"resize_short": 9, "resize_backend": "pil", "interpolation": "lanczos"}),
        ("ResizeImage", {"resize_short": 9, "backend": "pil", "return_numpy": False},
         {"resize_short": 9, "resize_backend": "pil", "interpolation": "bilinear"}),
        ("CropImage", {"size": [100, 60]}, {"crop": (60, 100)}),
        ("NormalizeImage", {}, {"scale": EXACT}),
        ("NormalizeImage", {"scale": None, "order": "chw", "mean": 0.5, "std": ["1/2"] * 3},
         {"scale": EXACT, "mean": (0.5,) * 3, "std": (0.5,) * 3}),
        ("NormalizeImage", {"scale": "1./255."}, {"scale": EXACT}),
        ("NormalizeImage", {"channel_num": 4}, {"scale": EXACT, "channel_num": 4}),
    ],
)  # fmt: skip
def test_arguments_mean_what_paddleclas_means(
    tmp_path: Path, operator: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    from dataclasses import replace

    config = read(tmp_path, changed(operator, **arguments))
    assert config.unsupported is None
    assert config.preprocess == replace(Preprocess(), **expected)


def test_no_resize_no_crop_and_bgr(tmp_path: Path) -> None:
    text = """
PreProcess:
  transform_ops:
    - DecodeImage: {to_rgb: false, channel_first: false}
    - NormalizeImage: {scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}
    - ToCHWImage:
"""
    expected = Preprocess(
        resize_short=None, crop=None, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3, channels="BGR"
    )
    assert read(tmp_path, text) == InferenceConfig(expected)


@pytest.mark.parametrize(
    ("operator", "arguments", "reason"),
    [
        ("ResizeImage", {"resize_short": 9, "interpolation": "random"}, "interpolation random"),
        ("ResizeImage", {"resize_short": 9, "interpolation": "box"}, "box, which cv2 has not"),
        ("ResizeImage", {"resize_short": 9, "interpolation": "area", "backend": "PIL"},
         "area, which pil has not"),
        ("ResizeImage", {"resize_long": 9}, "resize_long"),
        ("NormalizeImage", {"output_fp16": True}, "output_fp16"),
        ("NormalizeImage", {"channel_num": 5}, "5 channels"),
        ("CropImage", {"size": 9, "mode": "TL"}, "mode"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_exactly_is_unsupported(
    tmp_path: Path, operator: str, arguments: dict[str, Any], reason: str
) -> None:
    config = read(tmp_path, changed(operator, **arguments))
    assert config.preprocess is None
    assert config.unsupported is not None and reason in config.unsupported
    assert operator in config.unsupported
    assert config.labels == imagenet_labels()


@pytest.mark.parametrize(
    ("operators", "reason"),
    [
        ("[{CropImage: {size: 9}}, {ResizeImage: {size: 9}}, {NormalizeImage: }, {ToCHWImage: }]",
         "order CropImage, ResizeImage"),
        ("[{ResizeImage: {size: 9}}, {ToCHWImage: }]", "no NormalizeImage"),
        ("[{NormalizeImage: }]", "no ToCHWImage"),
        ("[{ResizeImage: {size: 9}}, {ResizeImage: {size: 9}}]", "ResizeImage stands twice"),
        ("[]", "no NormalizeImage"),
        ("[{DecodeImage: {backend: pil}}, {NormalizeImage: }, {ToCHWImage: }]",
         "DecodeImage asks for the backend pil, not cv2"),
    ],
)  # fmt: skip
def test_another_order_is_unsupported(tmp_path: Path, operators: str, reason: str) -> None:
    config = read(tmp_path, f"PreProcess: {{transform_ops: {operators}}}")
    assert config.unsupported is not None and reason in config.unsupported


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "- a\n- b\n",
        "a: 1\n",
        "PreProcess: [",
        "PreProcess: 3",
        "PreProcess: &all {transform_ops: *all}",
        "PreProcess: {transform_ops: 3}",
        "PreProcess: {transform_ops: [3]}",
        "PreProcess: {transform_ops: [{a: 1, b: 2}]}",
        "PreProcess: {transform_ops: [{ResizeImage: 256}]}",
        "Global: !!python/object/apply:os.system ['exit 1']\nPreProcess: {transform_ops: [3]}",
        "\x00\x01",
        "Global: {a: " + "[" * 100_000 + "]" * 100_000 + "}",  # libyaml would overflow the stack
        changed("ResizeImage"),
        changed("ResizeImage", resize_short="256; import os"),
        changed("ResizeImage", resize_short=10**8),
        changed("ResizeImage", size=[1, 2, 3]),
        changed("ResizeImage", size=[-4, 4]),
        changed("CropImage", size=0),
        changed("NormalizeImage", scale="__import__('os').system('true')"),
        changed("NormalizeImage", scale="1.0/0.0"),
        changed("NormalizeImage", scale="1e400"),
        changed("NormalizeImage", scale=[1]),
        changed("NormalizeImage", mean=[0.5] * 5_000),
        changed("NormalizeImage", std=[0, 1, 1]),
        changed("NormalizeImage", output_fp16="maybe"),
        "PostProcess: {Topk: {label_list: 3}}",
        "PostProcess: {Topk: {label_list: [[a]]}}",
        "PostProcess: {Topk: {label_list: {1: a}}}",
        "PostProcess: {Topk: {class_id_map_file: [a]}}",
    ],
    ids=lambda text: text[:40],
)
def test_nonsense_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ModelFileError, match=r"inference\.yml") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def laughs(levels: int = 30) -> str:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "use",
    [
        "Global: *a29",
        "PreProcess: {transform_ops: *a29}",
        "PreProcess: {transform_ops: [{NormalizeImage: {scale: *a29}}, {ToCHWImage: }]}",
        "PreProcess: {transform_ops: [{NormalizeImage: {mean: *a29}}, {ToCHWImage: }]}",
        *(
            f"PreProcess: {{transform_ops: [{{{step}}}, {{NormalizeImage: }}, {{ToCHWImage: }}]}}"
            for step in (
                "ResizeImage: {size: *a29}",
                "ResizeImage: {size: 9, backend: *a29}",
                "ResizeImage: {size: 9, interpolation: *a29}",
                "DecodeImage: {img_mode: *a29}",
                "DecodeImage: {to_rgb: *a29}",
            )
        ),
        "PostProcess: {Topk: {label_list: *a29}}",
        "PostProcess: {Topk: {class_id_map_file: *a29}}",
    ],
)
@pytest.mark.timeout(20)
def test_a_billion_laughs_are_not_laughed(tmp_path: Path, use: str) -> None:
    text = laughs() + use
    if use.startswith("Global"):
        assert read(tmp_path, text) == InferenceConfig()
        return
    with pytest.raises(ModelFileError) as caught:
        read(tmp_path, text)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_size_and_kind_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        read_inference_yml(tmp_path / "none.yml")
    with pytest.raises(ModelNotFoundError):
        read_inference_yml(Path("/dev/zero"))
    large = tmp_path / "large.yml"
    large.write_bytes(b"#" * (MAX_YML_BYTES + 1))
    with pytest.raises(ModelFileError, match="4 MB"):
        read_inference_yml(large)


def test_labels_beside_the_description(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("0 cat\n1 dog\n")
    for name in ("labels.txt", "../elsewhere/labels.txt", "./labels.txt"):
        text = f"PostProcess: {{Topk: {{topk: 5, class_id_map_file: {name}}}}}"
        assert read(tmp_path, text).labels == ("cat", "dog")
    threshold = "PostProcess: {ThreshOutput: {threshold: 0.9, label_0: nobody, label_1: someone}}"
    assert read(tmp_path, threshold).labels == ("nobody", "someone")
    assert read(tmp_path, "PostProcess: {Topk: {label_list: {0: a, 1: b}}}").labels == ("a", "b")


def test_a_label_file_that_is_missing_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = read(tmp_path, "PostProcess: {Topk: {class_id_map_file: my_labels.txt}}")
    assert config.labels is None
    assert "my_labels.txt" in caplog.text
    for absent in ("None", "null", "''"):
        text = f"PostProcess: {{Topk: {{class_id_map_file: {absent}}}}}"
        assert read(tmp_path, text).labels is None
    long = f"PostProcess: {{Topk: {{class_id_map_file: {'x' * 5000}}}}}"
    assert read(tmp_path, long).labels is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0/255.0", 1.0 / 255.0),
        ("1./255.", 1.0 / 255.0),
        ("0.00392157", 0.00392157),
        ("1 / 127.5", 1 / 127.5),
        ("2*0.5/4", 0.25),
        ("-1e-3", -1e-3),
        (".5", 0.5),
        ("8/2/2", 2.0),
    ],
)
def test_numbers_as_paddleclas_spells_them(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "1+1", "1/0", "1//2", "1**9", "nan", "inf", "1e999", "a", "(1)", "0x10", "1_0",
             "1" * 101, "1/2" * 99]
)  # fmt: skip
def test_nothing_else_is_a_number(text: str) -> None:
    with pytest.raises(ValueError):
        parse_number(text)
