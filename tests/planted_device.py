"""A device folder of the small network, written by hand, and what a device may make of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import small_network

from paddleport.files import sha256
from paddleport.tensors import Array
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.device.manifest import (
    EXPECTED,
    FEEDS,
    MANIFEST,
    AnswerHere,
    DeviceFeed,
    DeviceTensor,
    Manifest,
)
from paddleport.validate.reports.figures import ERROR_UNIT

FED = 4


def feeds() -> list[Array]:
    """[1, 3, 9, 9] each."""
    return [small_network.feed(1, seed=seed)[small_network.INPUT] for seed in range(FED)]


def answers(fed: Sequence[Array] | None = None) -> list[dict[str, Array]]:
    """What the network answers, in float32."""
    found = []
    for tensor in feeds() if fed is None else fed:
        pair = zip(small_network.OUTPUTS, small_network.expected(tensor), strict=True)
        found.append({name: item.astype(np.float32) for name, item in pair})
    return found


def packed(outputs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """By the names that an .npz has."""
    return {
        f"{name}.{number}": tensor
        for number, item in enumerate(outputs)
        for name, tensor in item.items()
    }


def write_npz(path: Path, outputs: Sequence[Mapping[str, Array]]) -> Path:
    np.savez(path, allow_pickle=False, **packed(outputs))
    return path


def write_raw(folder: Path, outputs: Sequence[Mapping[str, Array]]) -> Path:
    folder.mkdir()
    for name, tensor in packed(outputs).items():
        (folder / f"{name}.bin").write_bytes(tensor.astype("<f4").tobytes())
    return folder


def write_folder(path: Path) -> Path:
    """As ``device-folder`` would, of a model that nobody has."""
    (path / "model").mkdir(parents=True)
    small_network.save_onnx(path / "model" / "small.onnx")
    expected = answers()
    np.savez(
        path / FEEDS,
        allow_pickle=False,
        **{f"x.{number}": item for number, item in enumerate(feeds())},
    )
    np.savez(path / EXPECTED, allow_pickle=False, **packed(expected))
    manifest = Manifest(
        schema=1,
        paddleport="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        asked="nobody/has/it",
        weights="auto",
        model={"title": "small", "name": "small", "opset": 13, "paddle sha256": "0" * 64},
        target="onnx",
        format="onnx",
        precision="fp32",
        model_file="model/small.onnx",
        limit=TOLERANCES["fp32"].limit,
        limit_unit=ERROR_UNIT,
        classes=5,
        reference="numpy in float64",
        float64_reference="none: it is one",
        here=(
            AnswerHere(
                backend="onnxruntime",
                version="1.0",
                computes_in="fp32",
                verdict="agrees",
                worst_error=1e-6,
            ),
        ),
        not_run="",
        inputs=(_tensor("x", (1, *small_network.SHAPE)),),
        outputs=tuple(_tensor(name, (1, 5)) for name in small_network.OUTPUTS),
        feeds=tuple(DeviceFeed(name=f"noise {number}", kind="given") for number in range(FED)),
        files={
            str(file.relative_to(path)): sha256([file])
            for file in path.rglob("*")
            if file.is_file()
        },
        published={},
    )
    (path / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return path


def _tensor(name: str, shape: tuple[int, ...]) -> DeviceTensor:
    return DeviceTensor(
        name=name, file_name=name, paddle_name=name, dtype="float32", shapes=(shape,) * FED
    )


def write_latency(path: Path, **changes: object) -> Path:
    """A file of latencies, with some keys changed."""
    values = {
        "schema": 1,
        "device": "Snapdragon 855 board",
        "model": "small",
        "measured_by": "who has one",
        "measured_at": "2026-01-31",
        "measurements": [
            {
                "runtime": "ncnn",
                "version": "1.0",
                "precision": "fp32",
                "threads": 1,
                "samples_ms": [6.0, 7.0, 8.0],
            },
            {
                "runtime": "mnn",
                "version": "3",
                "precision": "fp16",
                "threads": 4,
                "median_ms": 2.5,
            },
        ],
    }
    path.write_text(json.dumps({**values, **changes}), "utf-8")
    return path
