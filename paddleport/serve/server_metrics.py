"""What Prometheus is told of: requests, latencies by stage, batches, queues, errors, restarts."""

import platform
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from paddleport import __version__

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of ``ServerMetrics.text``."""

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


Series = TypeVar("Series", Counter, Gauge, Histogram)


def _series(metric: Series) -> Callable[..., Series]:
    """Its series by labels, each looked up by the library once."""
    found: Callable[..., Series] = lru_cache(None)(metric.labels)
    return found


class ServerMetrics:
    """One server's figures, in a registry of their own.

    A ``model`` is a served one's name, or empty where a request named none that there is: a
    client's text would make a series of its own for each.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = _series(
            Counter(
                "paddleport_requests",
                "Requests answered, by model, protocol (http, grpc) and status code.",
                ("model", "protocol", "status"),
                registry=registry,
            )
        )
        self._errors = _series(
            Counter(
                "paddleport_errors",
                "Requests that got no result, by model and kind of error (its class).",
                ("model", "kind"),
                registry=registry,
            )
        )
        self._stages = _series(
            Histogram(
                "paddleport_stage_seconds",
                "Seconds that a request spent in a stage: decode, queue, compute, transfer, total.",
                ("model", "stage"),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._batches = _series(
            Histogram(
                "paddleport_batch_size",
                "Examples computed together.",
                ("model",),
                buckets=_BATCHES,
                registry=registry,
            )
        )
        self._queue = _series(
            Gauge(
                "paddleport_queued_requests",
                "Requests that wait for a worker.",
                ("model",),
                registry=registry,
            )
        )
        self._restarts = _series(
            Counter(
                "paddleport_worker_restarts",
                "Workers started again after they ended on their own.",
                ("model",),
                registry=registry,
            )
        )
        self._ready = _series(
            Gauge(
                "paddleport_model_ready",
                "1 for a model that answers: loaded, and proven where it can be.",
                ("model",),
                registry=registry,
            )
        )
        build = Info("paddleport_build", "What serves.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})

    def request(self, model: str, protocol: str, status: str) -> None:
        """One request was answered; ``model`` is a served one's name, or empty."""
        self._requests(model, protocol, status).inc()

    def error(self, model: str, kind: str) -> None:
        """A request got no result; ``kind`` is the error's class, such as OverloadedError."""
        self._errors(model, kind).inc()

    def stage(self, model: str, stage: str, seconds: float) -> None:
        """A stage of a request took so long."""
        self._stages(model, stage).observe(seconds)

    def batch(self, model: str, size: int) -> None:
        """So many examples were computed together."""
        self._batches(model).observe(size)

    def queued(self, model: str, count: int) -> None:
        """So many requests wait."""
        self._queue(model).set(count)

    def restarted(self, model: str) -> None:
        """A worker ended and was started again."""
        self._restarts(model).inc()

    def ready(self, model: str, ready: bool) -> None:
        """A model answers now, or no longer; its counters are there from then on, at 0."""
        self._ready(model).set(int(ready))
        self._queue(model)
        self._restarts(model)

    def text(self) -> bytes:
        """In Prometheus' text format, to be sent as ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
