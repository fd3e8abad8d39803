"""A plug-in's target that is made of the Paddle program: a copy of its files under one name."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from paddleport.convert.targets import MadeFile, Target, TargetOptions
from paddleport.models.artifact import Artifact
from paddleport.tensors import Feed


class PdCopyTarget(Target):
    """Program and parameters; faulty if the environment says so."""

    name: ClassVar[str] = "pdcopy"
    format: ClassVar[str] = "pdcopy"
    made_of: ClassVar[Literal["onnx", "paddle"]] = "paddle"
    suffix: ClassVar[str] = ".pdcopy"

    def make(
        self, model: Artifact, path: Path, options: TargetOptions, calibration: Sequence[Feed]
    ) -> MadeFile:
        params = path.with_suffix(".params")
        shutil.copyfile(model.files[0], path)
        shutil.copyfile(model.files[1], params)
        if os.environ.get("PDCOPY_FAULT"):
            content = bytearray(params.read_bytes())
            last = np.frombuffer(content, np.float32, 4, len(content) - 16)
            last += np.float32(0.5)
            params.write_bytes(content)
        return MadeFile(files=(path, params), tools={"copy": "1"})
