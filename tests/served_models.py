"""Serves an ONNX file on two backends, each proven first, until it is told to end: FILE."""

import asyncio
import sys
from pathlib import Path

from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.runners.predictor import PredictorSpec
from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.hosting.host_settings import HostSettings
from paddleport.serve.hosting.process_host import ProcessHost
from paddleport.serve.page import PAGE_HEADERS, page_files
from paddleport.serve.proof import prove
from paddleport.serve.server import ServerOptions, serve
from paddleport.serve.server_metrics import ServerMetrics

BACKENDS = ("openvino", "onnxruntime")


async def main(file: Path) -> None:
    model = read_onnx_model(file)
    hosts = [
        ProcessHost(
            backend,
            PredictorSpec(
                model=model, backend=backend, preprocess=model.preprocess, labels=model.labels
            ),
            HostSettings(),
            prove=prove,
        )
        for backend in BACKENDS
    ]
    try:
        for host in hosts:
            await host.load()
        await serve(
            HostRegistry(hosts),
            ServerMetrics(),
            ServerOptions(http_port=0, grpc_port=None),
            on_bound=lambda bound: print(bound.http, flush=True),
            pages=page_files(),
            page_headers=PAGE_HEADERS,
        )
    finally:
        for host in hosts:
            await host.unload()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
