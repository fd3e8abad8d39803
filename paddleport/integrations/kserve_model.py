"""A predictor behind KServe's own Python server, where ``paddleport serve`` can't stand.

``kserve.ModelServer().start([PaddleportModel("MobileNetV2", spec)])``. KServe wants protobuf 6:
give it an environment of its own, with paddleport and the runtime.
"""

import asyncio
from typing import Any
from uuid import uuid4

import numpy as np

from paddleport.errors import BackendUnavailableError, FeedError
from paddleport.runners.predictor import Predictor, PredictorSpec
from paddleport.tensors import Array, TensorSpec

try:
    from kserve import InferOutput, InferRequest, InferResponse, Model
    from kserve.errors import InvalidInput
    from kserve.utils.numpy_codec import from_np_dtype
except ImportError as error:
    raise BackendUnavailableError(
        f"KServe's server is not to be had ({error}): pip install kserve, or paddleport serve"
    ) from None


class PaddleportModel(Model):  # type: ignore[misc]  # kserve is not where mypy runs
    """Tensors in and out by the Open Inference Protocol, v2; pictures are not taken.

    Attributes:
        name: in addresses.
        spec: what the predictor is opened with, in the server's process.
    """

    def __init__(self, name: str, spec: PredictorSpec) -> None:
        super().__init__(name)
        self.spec = spec
        self._predictor: Predictor | None = None

    def load(self) -> bool:
        """Open the model; raises what the runner does, and KServe then says that it is not ready.

        KServe asks for it itself at its start.
        """
        if self._predictor is None:
            self._predictor = self.spec.open()
        self.ready = True
        return self.ready

    def stop(self) -> None:
        """Finish what is computed, and release the runtime."""
        self.ready = False
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None

    def get_input_types(self) -> list[dict[str, Any]]:
        """What the model takes, as its metadata says it."""
        return [_described(spec) for spec in self._opened().runner.inputs]

    def get_output_types(self) -> list[dict[str, Any]]:
        """What the model gives, as its metadata says it."""
        return [_described(spec) for spec in self._opened().runner.outputs]

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """The outputs for one request, computed in a thread: the event loop goes on.

        Raises:
            InvalidInput: it is not what the model takes, or of KServe's first protocol.
        """
        if not isinstance(payload, InferRequest):
            raise InvalidInput("this model takes tensors by the Open Inference Protocol, v2")
        feed = {given.name: given.as_numpy() for given in payload.inputs}
        try:
            outputs = await asyncio.to_thread(self._opened().run, feed)
        except FeedError as error:
            raise InvalidInput(str(error)) from error
        return InferResponse(
            response_id=payload.id or str(uuid4()),  # KServe takes no answer without
            model_name=self.name,
            infer_outputs=[_output(name, array) for name, array in outputs.items()],
            from_grpc=payload.from_grpc,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def _opened(self) -> Predictor:
        if self._predictor is None:
            self.load()
        assert self._predictor is not None
        return self._predictor


def _output(name: str, array: Array) -> Any:
    output = InferOutput(name=name, shape=list(array.shape), datatype=from_np_dtype(array.dtype))
    output.set_data_from_numpy(array, binary_data=True)
    return output


def _described(spec: TensorSpec) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "datatype": from_np_dtype(np.dtype(spec.dtype)), "shape": shape}
