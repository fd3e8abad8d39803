"""Run in an environment with kserve: its REST and gRPC clients against a server that runs.

Arguments: the HTTP address with its scheme, the gRPC address.
"""

import asyncio
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def request(*, binary: bool) -> tuple[InferRequest, "np.ndarray"]:
    values = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    item = InferInput("in_float32", [2, 3], "FP32")
    item.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model_name="echo", infer_inputs=[item]), values


async def rest(address: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(address)
    assert await client.is_server_ready(address)
    assert await client.is_model_ready(address, "echo")
    for binary in (True, False):
        asked, values = request(binary=binary)
        found = await client.infer(address, asked, model_name="echo")
        assert np.array_equal(found.outputs[0].as_numpy(), values)


async def grpc(address: str) -> None:
    client = InferenceGRPCClient(address)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("echo")
    for binary in (True, False):
        asked, values = request(binary=binary)
        found = await client.infer(asked)
        assert np.array_equal(found.outputs[0].as_numpy(), values)
    await client.close()


async def main() -> None:
    await rest(sys.argv[1])
    await grpc(sys.argv[2])
    print("all right")


if __name__ == "__main__":
    asyncio.run(main())
