"""A plug-in's runner: native Paddle on the copied files."""

from typing import ClassVar

from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.paddle.paddle_program import program_format
from paddleport.runners.paddle.paddle_runner import PaddleRunner


class PdCopyRunner(PaddleRunner):
    """What is in the two files is what Paddle saved."""

    name: ClassVar[str] = "pdcopy"
    formats: ClassVar[tuple[str, ...]] = ("pdcopy",)

    def load(self, model: Artifact) -> None:
        program, params = model.files
        super().load(paddle_artifact(program, params, program_format(program) or ""))
