"""A Paddle model as the .pdmodel that Paddle Lite takes: its own, or its network saved again."""

from pathlib import Path

from paddleport.errors import BackendUnavailableError
from paddleport.models.artifact import Artifact, paddle_artifact
from paddleport.models.cache import cache_key, cached_folder
from paddleport.models.paddle.model_builder import (
    PROTOBUF_PROGRAM,
    build_protobuf_program,
)
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.resolve import SourceModel

_SAVE_AGAIN = (
    "Paddle Lite reads .pdmodel alone, and no tool turns a .json program into one: save the "
    "network again with FLAGS_enable_pir_api=0 in the environment, by paddle.jit.save or "
    "paddle.static.save_inference_model"
)


def protobuf_program(source: SourceModel) -> Artifact:
    """The model's own .pdmodel; or its network, where that is the zoo's, saved as one.

    A network that is saved again goes with the model's own parameter file: both programs name the
    same parameters, and the file holds them in the order of their names.

    Raises:
        BackendUnavailableError: the program is of PIR, and its network is not to be had, or not
            to be saved so, or has other parameters.
    """
    if source.model.encoding == "protobuf":
        return source.model
    card = source.card
    if card is None or card.architecture is None:
        raise BackendUnavailableError(f"{source.name} is a .json program (PIR). {_SAVE_AGAIN}")
    outputs = source.program.outputs
    classes = outputs[0].shape[-1] if card.classes is not None and outputs[0].shape else None

    def build(folder: Path) -> None:
        build_protobuf_program(card, classes, folder)

    made_of = {
        "architecture": card.architecture,
        "arguments": card.arguments,
        "input": str(card.known_input()),
        "classes": classes,
        "paddle": _paddle_version(),
    }
    folder = cached_folder(f"protobuf/{card.name}-{cache_key(made_of)}", build)
    program = folder / PROTOBUF_PROGRAM
    if read_program(program).parameters != source.program.parameters:
        raise BackendUnavailableError(
            f"{source.name} is a .json program (PIR), and its network, saved as .pdmodel, has "
            f"other parameters. {_SAVE_AGAIN}"
        )
    return paddle_artifact(program, source.model.weights_file, "protobuf")


def _paddle_version() -> str:
    from paddleport.convert.provenance import tool_versions

    return tool_versions()["paddlepaddle"]
