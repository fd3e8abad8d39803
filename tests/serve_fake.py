"""A server of models without a runtime, in a process of its own: prints its two addresses."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fake_hosts import EVERY, Identity, Pictures

from paddleport.serve.hosting.host_registry import HostRegistry
from paddleport.serve.server import Addresses, ServerOptions, serve
from paddleport.serve.server_metrics import ServerMetrics


def started(**told: Any) -> "subprocess.Popen[str]":
    """The process; ``told`` is what ``main`` takes."""
    command = [sys.executable, __file__, json.dumps(told)]
    return subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True)


def main(*, delay_s: float = 0, keeps_pictures: bool = False, **options: Any) -> None:
    def on_bound(found: Addresses) -> None:
        print(found.http, found.grpc, flush=True)

    hosts = [
        Identity("echo", EVERY),
        Identity("one", delay_s=delay_s),
        Pictures("pics", keeps=keeps_pictures),
    ]
    chosen = ServerOptions(http_port=0, grpc_port=0, **options)
    asyncio.run(serve(HostRegistry(hosts), ServerMetrics(), chosen, on_bound=on_bound))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
