"""KServe's own server on our adapter: in KServe's environment, with our packages behind its own.

python kserve_adapter.py serve HTTP_PORT GRPC_PORT MODEL.onnx FOLDER...
python kserve_adapter.py ask GRPC_PORT X.npy          prints the outputs as JSON, by name
"""

import json
import sys
from pathlib import Path


def serve(http_port: str, grpc_port: str, model: str, *folders: str) -> None:
    """A small network as ``small``, until ended; the folders hold paddleport and its packages."""
    sys.path += folders
    from kserve import ModelServer

    from paddleport.integrations.kserve_model import PaddleportModel
    from paddleport.models.artifact import onnx_artifact
    from paddleport.runners.predictor import PredictorSpec

    spec = PredictorSpec(model=onnx_artifact(Path(model)), backend="onnxruntime")
    adapter = PaddleportModel("small", spec)
    adapter.load()
    ModelServer(http_port=int(http_port), grpc_port=int(grpc_port)).start([adapter])


def ask(grpc_port: str, file: str) -> None:
    """By Triton's client, over gRPC."""
    import numpy as np
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(f"127.0.0.1:{grpc_port}")
    metadata = client.get_model_metadata("small")
    tensor = np.load(file)
    given = triton.InferInput(metadata.inputs[0].name, list(tensor.shape), "FP32")
    given.set_data_from_numpy(tensor)
    answer = client.infer("small", [given])
    names = [output.name for output in metadata.outputs]
    print(json.dumps({name: answer.as_numpy(name).tolist() for name in names}))


if __name__ == "__main__":
    (serve if sys.argv[1] == "serve" else ask)(*sys.argv[2:])
