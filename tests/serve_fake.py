"""A server of models without a runtime, in a process of its own: prints its two addresses."""

import asyncio

from fake_hosts import EVERY, Identity, Pictures

from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.server import Addresses, ServerOptions, serve
from paddleport.serve.server_metrics import ServerMetrics


def main() -> None:
    def on_bound(found: Addresses) -> None:
        print(found.http, found.grpc, flush=True)

    registry = HostRegistry([Identity("echo", EVERY), Identity("one"), Pictures("pics")])
    options = ServerOptions(
        http_port=0, grpc_port=0, max_body_bytes=2**22, max_held_bytes=2**24, body_timeout_s=0.5
    )
    asyncio.run(serve(registry, ServerMetrics(), options, on_bound=on_bound))


if __name__ == "__main__":
    main()
