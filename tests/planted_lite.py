"""Paddle Lite's target with faults planted into what its optimiser is handed."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from paddleport.convert.paddle_lite.program_form import LiteProgram
from paddleport.convert.targets import MadeFile, TargetOptions
from paddleport.convert.targets import paddle_lite_nb as room
from paddleport.errors import ConversionError as ConversionError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.params import read_stored_parameters
from paddleport.tensors import Feed


class SpoiltWeights(room.PaddleLiteTarget):
    """Its largest parameter is larger than the model's."""

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        assert model.weights_file is not None
        content = bytearray(model.weights_file.read_bytes())
        largest = max(read_stored_parameters(model.weights_file), key=lambda item: item.size_bytes)
        values = np.frombuffer(content, np.float32, largest.size_bytes // 4, largest.data)
        values *= np.float32(1.05)
        params = path.with_suffix(".pdiparams")
        params.write_bytes(content)
        spoilt = paddle_artifact(model.path, params, "protobuf")
        made = super().make(
            Artifact(
                format="paddle",
                files=spoilt.files,
                encoding="protobuf",
                inputs=model.inputs,
                outputs=model.outputs,
            ),
            path,
            options,
            calibration,
        )
        params.unlink()
        return made


class OldForm(room.PaddleLiteTarget):
    """The program reaches the optimiser with an operator that Paddle Lite has not."""

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        def renamed(program: bytes) -> LiteProgram:
            return LiteProgram(program.replace(b"\x1a\x06conv2d", b"\x1a\x06conv2e"), ())

        with patch.object(room, "lite_form", renamed):
            return super().make(model, path, options, calibration)
