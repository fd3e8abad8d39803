"""Native Paddle's answers to a served model's feeds, asked now: ``--prove``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddleport.errors import ModelFileError, PortError
from paddleport.models.recognize import format_of
from paddleport.models.resolve import SourceModel, resolve
from paddleport.models.zoo import registry as zoo
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.model_host import NotReadyError
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.stored_reference import StoredReference, stored_of
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.session import PLAIN_PADDLE, Session

_SAMPLES = 2
_OF_THE_ZOO = ("pretrained", "seeded")  # what a name alone finds again


class UnknownSourceError(PortError):
    """Nothing says which Paddle model a file was made of."""


def native_reference(
    spec: PredictorSpec, paddle_model: str = "", weights: str = "auto"
) -> tuple[StoredReference, str]:
    """Feeds for what is served, and native Paddle's answers to them; whose they are, in words.

    Args:
        spec: what is served.
        paddle_model: the Paddle model; by default what the file's provenance names.
        weights: of a zoo model; by default those that the file was made with.

    Raises:
        UnknownSourceError: nothing says which Paddle model it was made of.
        NotReadyError: that model can't be had, is another one, or does not run here.
    """
    try:
        source = _source(spec, paddle_model, weights)
        pixels = None
        if spec.model.format == "onnx":
            pixels = OnnxFeeds(source, spec.model).pixels
        feeds = make_feeds(
            source.program.inputs,
            preprocess=source.preprocess,
            samples=_SAMPLES,
            shapes={name: shape.opt for name, shape in spec.options.shapes.items()},
            pixels=pixels,
            ranges=input_ranges(source),
        )
        session = Session("paddle", source.model, PLAIN_PADDLE)
        try:
            answers = session.run_all([feed.tensors for feed in feeds])
        finally:
            session.close()
    except UnknownSourceError:
        raise
    except PortError as error:
        raise NotReadyError(
            f"--prove has no native Paddle to compare {spec.model.path.name} with: {error}"
        ) from None
    return stored_of(feeds, answers), f"native Paddle running {source.name} now"


def _source(spec: PredictorSpec, paddle_model: str, weights: str) -> SourceModel:
    """The Paddle model that a file was made of."""
    model, made_of = spec.model, spec.model.provenance.get("source", {})
    if paddle_model and not format_of(Path(paddle_model)):
        asked = weights if weights != "auto" else _weights(paddle_model, made_of)
        source = resolve(paddle_model, weights=asked)
    elif model.format == "paddle":
        return resolve(None, program=model.path, params=model.weights_file)
    else:
        name = str(made_of.get("name", ""))
        if name not in zoo.names() or made_of.get("weights") not in _OF_THE_ZOO:
            raise UnknownSourceError(
                f"{model.path.name} does not say where its Paddle model is"
                f"{f' ({name})' if name else ''}: serve the Paddle model by its folder, or leave "
                "--prove out"
            )
        source = resolve(name, weights=_weights(name, made_of))
    recorded = made_of.get("sha256")
    if recorded and recorded != source.sha256:
        raise ModelFileError(
            f"{source.name} ({source.weights_title}) is another model than {model.path.name} was "
            "made of: its program or parameters have another sha256"
        )
    return source


def _weights(name: str, made_of: Mapping[str, Any]) -> str:
    """Those that the file was made with, of a model of the zoo."""
    recorded = str(made_of.get("weights", ""))
    return recorded if name in zoo.names() and recorded in _OF_THE_ZOO else "auto"
