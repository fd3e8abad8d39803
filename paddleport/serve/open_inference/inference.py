"""A request put to a served model, as a feed or as pictures, and the outputs asked for."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from paddleport.errors import FeedError
from paddleport.serve.hosting.model_host import ModelHost
from paddleport.serve.open_inference.best_classes import best_classes
from paddleport.serve.open_inference.datatypes import BYTES, ProtocolError, datatype_of
from paddleport.serve.open_inference.messages import (
    InferRequest,
    InferResponse,
    RequestedOutput,
    RequestTensor,
    ResponseTensor,
    texts,
)
from paddleport.tensors import Array, Feed

LABELS, SCORES = "labels", "scores"
"""Outputs besides the model's own, where pictures were sent: the best classes and their scores."""

_MICROSECOND = 1e-6


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and what it cost.

    Attributes:
        response: to be written.
        stages_s: seconds by stage.
        batch: examples that were computed together; 0 where nobody says.
    """

    response: InferResponse
    stages_s: Mapping[str, float]
    batch: int = 0


async def infer(
    host: ModelHost, request: InferRequest, *, deadline_s: float | None = None
) -> Answered:
    """Answer one request.

    A model that takes pictures is sent tensors, or one input of BYTES with encoded pictures, under
    its own input's name or any: then ``labels`` and ``scores`` are outputs as well.

    Raises:
        ProtocolError: the request is not one for this model.
        FeedError: likewise.
        HostError: as ``ModelHost`` says.
    """
    if len(request.inputs) == 1 and request.inputs[0].is_bytes and host.takes_pictures:
        return await _pictures(host, request, deadline_s)
    done = await host.infer(_feed(host, request.inputs), deadline_s=deadline_s)
    types = {spec.name: datatype_of(spec.dtype) for spec in host.outputs}
    found = {name: (types.get(name, ""), values) for name, values in done.outputs.items()}
    response = _response(host, request, found)
    return Answered(response=response, stages_s=done.stages_s, batch=done.batch)


def deadline_of(parameters: Mapping[str, object]) -> float | None:
    """Seconds out of a request's parameter ``timeout``, microseconds as Triton has it.

    Raises:
        ProtocolError: it is no count.
    """
    timeout = parameters.get("timeout")
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 0 <= timeout < 2**63:
        raise ProtocolError(f"timeout is {timeout!r:.40}: microseconds, please")
    return timeout * _MICROSECOND or None


def _feed(host: ModelHost, inputs: Sequence[RequestTensor]) -> Feed:
    expected = {spec.name: datatype_of(spec.dtype) for spec in host.inputs}
    for item in inputs:
        wanted = expected.get(item.name, item.datatype)
        if item.datatype != wanted:
            raise FeedError(f"input {item.name} is {item.datatype}, and the model takes {wanted}")
    return {item.name: item.values for item in inputs}


async def _pictures(host: ModelHost, request: InferRequest, deadline_s: float | None) -> Answered:
    (given,) = request.inputs
    pictures = given.values.ravel().tolist()
    if not pictures:
        raise ProtocolError(f"input {given.name} has no picture")
    done = await host.predict(pictures, deadline_s=deadline_s)
    if failed := [(place, why) for place, why in enumerate(done.errors) if why]:
        place, why = failed[0]
        raise ProtocolError(f"picture {place + 1} of {len(pictures)} can't be read: {why}")
    types = {spec.name: datatype_of(spec.dtype) for spec in host.outputs}
    found = {name: (types.get(name, ""), values) for name, values in done.outputs.items()}
    found |= _best_classes([answer.get("predictions") for answer in done.answers])
    return Answered(response=_response(host, request, found), stages_s=done.stages_s)


def _best_classes(
    answers: Sequence[list[Mapping[str, object]] | None],
) -> dict[str, tuple[str, Array]]:
    """``labels`` and ``scores``, both [pictures, k]; nothing of a task without classes."""
    rows = [row for row in answers if row]
    if len(rows) < len(answers):
        return {}
    named = [str(item["label"] or item["index"]) for row in rows for item in row]
    scores = np.array([[item["score"] for item in row] for row in rows], np.float32)
    return {
        LABELS: (BYTES, texts(named).reshape(scores.shape)),
        SCORES: ("FP32", scores),
    }


def _response(
    host: ModelHost, request: InferRequest, found: Mapping[str, tuple[str, Array]]
) -> InferResponse:
    asked = request.outputs
    if asked is None:
        asked = [RequestedOutput(name=name, binary=request.binary) for name in found]
    outputs = []
    for item in asked:
        if item.name not in found:
            raise ProtocolError(
                f"{host.name} has no output {item.name!r:.80}, only {', '.join(found)}"
            )
        datatype, values = found[item.name]
        datatype = datatype or datatype_of(values.dtype.name)
        if item.classification:
            datatype = BYTES
            values = best_classes(item.name, values, item.classification, host.spec.labels)
        elif datatype == BYTES and values.dtype != object:
            values = texts([str(value) for value in values.ravel().tolist()]).reshape(values.shape)
        outputs.append(
            ResponseTensor(name=item.name, datatype=datatype, values=values, binary=item.binary)
        )
    return InferResponse(model=host.name, outputs=outputs, id=request.id)
