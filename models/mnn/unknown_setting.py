"""A refusal by name: what an MNN operator asks for and nobody here knows to say in ONNX."""

from paddleport.errors import BackendUnavailableError
from paddleport.models.mnn.mnn_file import MnnOp


def refused(op: MnnOp, setting: str) -> BackendUnavailableError:
    """The error for one operator with a setting that has no translation."""
    return BackendUnavailableError(f"MNN's {op.type} {op.name} with {setting} has no translation")
