"""What ``paddleport serve`` adds to the call that it makes, on loopback, and what it bears."""

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from claims import NO_LIMIT, Claim, Results, ratio_detail, spread
from serve_clients import ClientProcess
from serve_load import overload_claims, soak_claims
from serve_work import (
    BACKEND,
    CLIENTS,
    THREADS,
    TIMEOUT_S,
    WINDOW_S,
    WINDOWS,
    Crowd,
    Work,
    check_all_right,
    options,
    prepare,
)
from served import MODEL, BareCalls, served, served_by_kserve

from paddleport.models.artifact import Artifact
from paddleport.validate.benchmark.machine import settle
from paddleport.worker import Worker

ROUNDS, CALLS = 15, 20
OVERHEAD_MS, OVERHEAD = 1.5, 1.15
LEAST_THROUGHPUT = 0.9
KSERVE_PORTS = (18480, 18481)
LARGER = "MobileNetV2_x2_0"


def latency_claims(work: Work, model: str = "") -> list[Claim]:
    """One client, batch 1, against the predictor's call, in turn; ``model`` is told if given."""
    claims = []
    with ExitStack() as stack:
        server = stack.enter_context(work.served())
        bare = stack.enter_context(Worker())
        calls = bare.hold(BareCalls, TIMEOUT_S, work.model, BACKEND, options())
        for name, grpc in (("REST", False), ("gRPC", True)):
            client = stack.enter_context(Worker())
            asked = work.asked(server, grpc=grpc)
            asks = client.hold(ClientProcess, TIMEOUT_S, asked, 1)
            pids = [*server.pids, bare.pid, client.pid]
            pairs = []
            for index in range(ROUNDS + 1):
                settle(pids)
                ours = client.call(ClientProcess.one_by_one, TIMEOUT_S, asks, CALLS)
                settle(pids)
                theirs = bare.call(BareCalls.one_by_one, TIMEOUT_S, calls, work.tensors, CALLS)
                if index:  # the first is not counted
                    pairs.append((statistics.median(ours), statistics.median(theirs)))
            claims += _latency(f"{name}, {model}" if model else name, pairs)
    return claims


def _latency(name: str, pairs: Sequence[tuple[float, float]]) -> list[Claim]:
    ours, theirs = zip(*pairs, strict=True)
    added = [one - other for one, other in pairs]
    ratio = statistics.median(one / other for one, other in pairs)
    return [
        Claim(
            what=f"serve, {name}, one client: added to the call",
            value=statistics.median(added),
            limit=OVERHEAD_MS,
            unit="ms",
            detail=f"{spread(added)} ms; {len(pairs)} rounds of {CALLS}",
        ),
        Claim(
            what=f"serve, {name}, one client / bare call",
            value=ratio,
            limit=OVERHEAD,
            unit="x",
            detail=ratio_detail(ours, theirs, "ms"),
        ),
    ]


def throughput_claims(work: Work) -> list[Claim]:
    """Eight clients against the vendor's own loop over the same streams, in turn."""
    rates: dict[str, list[tuple[float, float]]] = {"REST": [], "gRPC": []}
    with ExitStack() as stack:
        server = stack.enter_context(work.served("-o", f"streams={THREADS}"))
        bare = stack.enter_context(Worker())
        loop = bare.hold(BareCalls, TIMEOUT_S, work.model, BACKEND, options(THREADS))
        crowds = {
            name: Crowd(stack, work.asked(server, grpc=name == "gRPC"), CLIENTS) for name in rates
        }
        pids = [*server.pids, bare.pid, *(pid for crowd in crowds.values() for pid in crowd.pids)]
        for index in range(WINDOWS + 1):
            for name, crowd in crowds.items():
                settle(pids)
                tally = crowd.ask(WINDOW_S)
                check_all_right(tally)
                settle(pids)
                theirs = bare.call(BareCalls.per_second, TIMEOUT_S, loop, work.tensors, WINDOW_S)
                if index:
                    rates[name].append((len(tally.times_ms) / WINDOW_S, theirs))
    return [
        Claim(
            what=f"serve, {name}, {CLIENTS} clients / bare loop, {THREADS} streams",
            value=statistics.median(ours / theirs for ours, theirs in pairs),
            limit=LEAST_THROUGHPUT,
            unit="x",
            detail=ratio_detail(*zip(*pairs, strict=True), "a second"),
            at_least=True,
        )
        for name, pairs in rates.items()
    ]


def kserve_claims(work: Work) -> list[Claim]:
    """The same predictor in KServe's own server, eight clients over gRPC, in turn with ours."""
    what = f"serve / KServe's server, gRPC, {CLIENTS} clients, onnxruntime"
    empty = Claim(what=what, value=None, limit=NO_LIMIT, unit="x", detail="")
    python = os.environ.get("PADDLEPORT_CLIENTS_PYTHON")
    if not python:
        return [replace(empty, reason="PADDLEPORT_CLIENTS_PYTHON names no Python: make clients")]
    with ExitStack() as stack:
        model = Path(work.model.path)
        ours = stack.enter_context(served(model, "onnxruntime"))
        theirs = stack.enter_context(served_by_kserve(model, python, KSERVE_PORTS))
        crowds = [
            Crowd(stack, work.asked(server, grpc=True, model=name), CLIENTS)
            for server, name in ((ours, MODEL), (theirs, "small"))
        ]
        pairs = []
        for index in range(WINDOWS + 1):
            settle([*ours.pids, *theirs.pids])
            tallies = [crowd.ask(WINDOW_S) for crowd in crowds]
            for tally in tallies:
                check_all_right(tally)
            if index:
                pairs.append(tuple(len(tally.times_ms) / WINDOW_S for tally in tallies))
            time.sleep(0.1)
    value = statistics.median(one / other for one, other in pairs)
    return [replace(empty, value=value, detail=ratio_detail(*zip(*pairs, strict=True), "a second"))]


def serve_results(model: Artifact, larger: Artifact, minutes: float) -> Results:
    """All of it, in the table's order; of ``larger``, whose calls are longer, the latency alone."""
    work = prepare(model)
    claims = [*latency_claims(work), *latency_claims(prepare(larger), LARGER)]
    claims += [*throughput_claims(work), *overload_claims(work)]
    return Results([*claims, *soak_claims(work, minutes), *kserve_claims(work)], {}, {})
