"""Stands for ``paddle.tensorrt``, which only GPU builds of Paddle have.

The signatures are those of PaddlePaddle/Paddle, python/paddle/tensorrt/export.py: of commit
02a5e4e0 for Paddle 3.0 and of commit 7357bc7f, which adds ``use_cuda_graph``, for later ones. What
``convert`` leaves behind (``<save_model_dir>.json``, ``.pdiparams`` and a folder of engines) is
what export.py and converter.py there write; the engines here are no engines.
"""

import json
import shutil
from enum import Enum
from pathlib import Path
from typing import Any

converted: list[Any] = []
"""The config of every conversion since a test has emptied this."""

engines = 1
"""How many subgraphs a conversion takes to TensorRT; for a test to set."""


class Input:
    def __init__(
        self,
        warmup_data: Any = None,
        min_input_shape: Any = None,
        max_input_shape: Any = None,
        optim_input_shape: Any = None,
        input_data_type: str | None = "float32",
        input_range: Any = None,
        name: str | None = None,
    ) -> None:
        if warmup_data is None and None in (min_input_shape, max_input_shape, optim_input_shape):
            raise ValueError("min/max/optim shapes must be specified")
        self.shapes = (min_input_shape, optim_input_shape, max_input_shape)
        self.input_data_type, self.name = input_data_type, name


class PrecisionMode(Enum):
    FP32 = "FP32"
    FP16 = "FP16"
    BF16 = "BF16"
    INT8 = "INT8"


class TensorRTConfig:  # as of 3.0
    def __init__(
        self,
        inputs: list[Input],
        min_subgraph_size: int | None = 3,
        save_model_dir: str | None = None,
        disable_ops: Any = None,
        precision_mode: PrecisionMode = PrecisionMode.FP32,
        ops_run_float: Any = None,
        optimization_level: int | None = 3,
        disable_passes: Any = (),
        workspace_size: int | None = 1 << 30,
        refit_params_path: str | None = None,
    ) -> None:
        self.inputs, self.min_subgraph_size = inputs, min_subgraph_size
        self.save_model_dir, self.precision_mode = save_model_dir, precision_mode
        self.workspace_size = workspace_size


class LaterTensorRTConfig(TensorRTConfig):
    def __init__(  # the new parameter has its place before the last one
        self,
        inputs: list[Input],
        min_subgraph_size: int | None = 3,
        save_model_dir: str | None = None,
        disable_ops: Any = None,
        precision_mode: PrecisionMode = PrecisionMode.FP32,
        ops_run_float: Any = None,
        optimization_level: int | None = 3,
        disable_passes: Any = (),
        workspace_size: int | None = 1 << 30,
        use_cuda_graph: bool | None = False,
        refit_params_path: str | None = None,
    ) -> None:
        super().__init__(
            inputs,
            min_subgraph_size,
            save_model_dir,
            precision_mode=precision_mode,
            workspace_size=workspace_size,
        )


def convert(model_path: str, config: TensorRTConfig) -> None:
    prefix, saved = Path(model_path), Path(config.save_model_dir or "")
    if saved == prefix:
        raise ValueError("save_model_dir and model_path cannot be the same")
    if not prefix.with_suffix(".pdiparams").exists():
        raise ValueError("Parameters file not found")
    document = json.loads(prefix.with_suffix(".json").read_text())
    ops = document["program"]["regions"][0]["blocks"][0]["ops"]
    ops += [{"#": "1.tensorrt_engine", "A": [], "I": [], "O": []}] * engines
    saved.mkdir()
    (saved / "engine_1_0.trt").write_bytes(b"engine")
    saved.with_suffix(".json").write_text(json.dumps(document))
    shutil.copy(prefix.with_suffix(".pdiparams"), saved.with_suffix(".pdiparams"))
    converted.append(config)
