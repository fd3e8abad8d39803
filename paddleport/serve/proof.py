"""A served model against native Paddle, before it is said to be ready."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from paddleport.errors import FeedError
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.model_host import Inferred, NotReadyError
from paddleport.serve.served_comparison import (
    Served,
    file_inputs,
    file_precision,
    judged,
    served_precision,
)
from paddleport.tensors import Array, Feed
from paddleport.validate.feeds.reference_record import REFERENCE
from paddleport.validate.feeds.stored_reference import StoredReference, fed_as, read_reference

Infer = Callable[[Feed], Awaitable[Inferred]]
"""The served model's outputs for one feed."""

_NO_ANSWERS = (
    "not compared: {file} has no reference answers. Convert it again with paddleport convert, or "
    "give --prove where Paddle is installed"
)
_PADDLES_OWN = (
    "not compared: {file} is Paddle's own program. --prove holds it against Paddle at its "
    "plainest, without oneDNN"
)
_STORED = "native Paddle's answers, stored when the file was made"
_LOWERED = "what the file answered on {backend} when its answers passed for native Paddle's"


async def prove(spec: PredictorSpec, infer: Infer) -> Mapping[str, Any]:
    """Hold a loaded model against the answers that its file carries.

    Args:
        spec: what is served.
        infer: its outputs for a feed, as a client would get them.

    Returns:
        ``result`` (``agrees``, ``unproven``, ``not compared``), ``sentence``, ``against``,
        ``precision``, ``feeds``, ``left_out`` and ``outputs``, ``warning`` where there is one;
        JSON values.

    Raises:
        DiffersError: it differs; what, by how much, and what to type next.
        NotReadyError: it can't be compared, or did not pass its gate when it was made.
        HostError: as ``infer`` does.
    """
    _check_gate(spec)
    model = spec.model
    if REFERENCE not in model.provenance:
        sentence = _PADDLES_OWN if model.format == "paddle" else _NO_ANSWERS
        return _not_compared(sentence.format(file=model.path.name))
    try:
        stored = await asyncio.to_thread(
            read_reference, model.provenance[REFERENCE], model.preprocess, _lowered_by(spec)
        )
    except ValueError as error:
        raise NotReadyError(
            f"{model.path.name} can't be proven: {error}. Convert it again with paddleport convert"
        ) from None
    against = _LOWERED.format(backend=stored.lowered_by) if stored.lowered_by else _STORED
    served = Served(spec=spec, against=against, precision=served_precision(spec))
    return await _prove_against(served, stored, infer)


async def prove_with_paddle(
    spec: PredictorSpec, infer: Infer, *, paddle_model: str = "", weights: str = "auto"
) -> Mapping[str, Any]:
    """As ``prove``, against native Paddle, which runs now in a process of its own.

    A file that does not say which Paddle model it was made of is held against what it carries,
    and that is said.

    Args:
        spec: what is served.
        infer: its outputs for a feed.
        paddle_model: the Paddle model, as ``convert`` takes it; by default what the file's
            provenance names.
        weights: of a zoo model, where others were asked for than its provenance names.

    Raises:
        DiffersError: it differs.
        NotReadyError: there is no Paddle model or no Paddle to ask.
        HostError: as ``infer`` does.
    """
    from paddleport.serve.native_paddle import UnknownSourceError, native_reference

    _check_gate(spec)
    try:
        stored, against = await asyncio.to_thread(native_reference, spec, paddle_model, weights)
    except UnknownSourceError as error:
        if REFERENCE not in spec.model.provenance:
            raise NotReadyError(f"--prove has nothing to compare with: {error}") from None
        found = await prove(spec, infer)
        not_asked = f"native Paddle was not asked: {error}"
        return {**found, "sentence": f"{found['sentence']}; {not_asked}", "warning": not_asked}
    served = Served(spec=spec, against=against, precision=served_precision(spec))
    return await _prove_against(served, stored, infer)


def _lowered_by(spec: PredictorSpec) -> str:
    """The backend, where a file in a lower precision is run in that precision."""
    own = file_precision(spec)
    return spec.backend if own != "fp32" and spec.options.precision in (None, own) else ""


def _check_gate(spec: PredictorSpec) -> None:
    """Raises NotReadyError: a file that did not pass when it was made, and was kept."""
    lowered = spec.model.provenance.get("lowered")
    gate = lowered.get("gate") if isinstance(lowered, Mapping) else None
    rows = gate.get("backends") if isinstance(gate, Mapping) else None
    found = {
        str(row.get("backend")): row["result"]
        for row in (rows if isinstance(rows, Sequence) else ())
        if isinstance(row, Mapping) and isinstance(row.get("result"), Mapping)
    }
    asked = {spec.backend: found[spec.backend]} if spec.backend in found else found
    for backend, result in asked.items():
        if result.get("passed") is False:
            raise NotReadyError(
                f"{spec.model.path.name} did not pass its gate on {backend} when it was made: "
                f"{result.get('reason')}. Serve the file in fp32, or convert again with what "
                "convert advises"
            )


async def _prove_against(
    served: Served, stored: StoredReference, infer: Infer
) -> Mapping[str, Any]:
    inputs = [item.name for item in file_inputs(served.spec.model)]
    outputs: list[dict[str, Array]] = []
    refused: dict[int, str] = {}
    for index, feed in enumerate(stored.feeds):
        try:
            outputs.append((await infer(fed_as(feed, inputs))).outputs)
        except FeedError as error:  # it was opened for other shapes
            refused[index] = f"{feed.name}: {error}"
    stored = stored.without(refused)
    if not stored.feeds:
        return _not_compared(f"not compared: {'; '.join(stored.left_out) or 'there is no feed'}")
    return await asyncio.to_thread(judged, served, stored, outputs)


def _not_compared(sentence: str) -> Mapping[str, Any]:
    return {"result": "not compared", "sentence": sentence}
