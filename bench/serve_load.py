"""What ``paddleport serve`` bears: far more requests than it can answer, and dying workers."""

import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from claims import Claim
from serve_clients import merged
from serve_work import (
    CLIENTS,
    THREADS,
    WINDOW_S,
    Crowd,
    Work,
    check_all_right,
)
from served import Served

SECONDS = 18.0  # of overload
QUEUE = 16
CROWD = 48  # clients: thrice the queue
KILLS = 20
# An answered request has waited for no more than a full queue and what is computed, so its time
# is that over the rate; half as much again is left to the scheduling of the clients.
QUEUES_PER_P99 = 1.5
MOST_GROWTH = 1.02


def overload_claims(work: Work) -> list[Claim]:
    """The slowest of a hundred that are answered, while far more ask than can be."""
    with ExitStack() as stack:
        words = ("-o", f"streams={THREADS}", "--max-queue", str(QUEUE))
        server = stack.enter_context(work.served(*words))
        crowd = Crowd(stack, work.asked(server, grpc=False), CROWD)
        crowd.ask(WINDOW_S)
        tally = crowd.ask(SECONDS)
    rate = len(tally.times_ms) / SECONDS
    p99_ms = statistics.quantiles(tally.times_ms, n=100)[-1]
    drained_ms = (QUEUE + THREADS + 1) / rate * 1e3
    detail = f"p99 {p99_ms:.0f} ms, a queue of {QUEUE} takes {drained_ms:.0f} ms at {rate:.0f} "
    detail += f"a second; {len(tally.times_ms)} answered, {tally.refused} times 503"
    return [
        Claim(
            what=f"serve, {CROWD} clients: p99 / a full queue's time",
            value=p99_ms / drained_ms if tally.refused else None,
            limit=QUEUES_PER_P99,
            unit="x",
            detail=detail,
            reason="" if tally.refused else "nobody was refused: this was no overload",
        ),
        _none("serve, overload: wrong or lost answers", tally.wrong + tally.lost, detail),
    ]


def soak_claims(work: Work, minutes: float) -> list[Claim]:
    """Two workers that are killed by turns under eight clients."""
    seconds = minutes * 60
    held: list[int] = []
    with ExitStack() as stack:
        words = ("--workers", "2")
        server = stack.enter_context(work.served(*words, threads=1))
        crowds = [Crowd(stack, work.asked(server, grpc=grpc), CLIENTS // 2) for grpc in (0, 1)]
        check_all_right(merged([crowd.ask(WINDOW_S) for crowd in crowds]))
        with _killing(server, seconds, held), ThreadPoolExecutor(2) as pool:
            tally = merged(list(pool.map(lambda crowd: crowd.ask(seconds), crowds)))
    answered = f"{len(tally.times_ms)} answered in {minutes:g} minutes, {len(held)} kills"
    quarter = len(held) // 4
    early, late = statistics.median(held[quarter : 2 * quarter]), statistics.median(held[-quarter:])
    told = f"{answered}; {tally.failed} told of the crash and asked again"
    return [
        _none("serve, soak: wrong answers", tally.wrong, answered),
        _none("serve, soak: lost requests", tally.lost, told),
        Claim(
            what="serve, soak: memory, last quarter / second",
            value=late / early,
            limit=MOST_GROWTH,
            unit="x",
            detail=f"{late / 1e6:.1f} MB against {early / 1e6:.1f} MB, all processes; {answered}",
        ),
    ]


@contextmanager
def _killing(server: Served, seconds: float, held: list[int]) -> Iterator[None]:
    """Kill ``KILLS`` workers, evenly; what all held just before each goes into ``held``."""
    over = threading.Event()
    failed: list[Exception] = []

    def kill() -> None:
        for number in range(KILLS):
            if over.wait(seconds / (KILLS + 1)):
                return
            try:
                held.append(server.held_bytes)
                server.kill_worker(number)
            except Exception as error:  # raised by whoever started this
                failed.append(error)
                return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed or len(held) != KILLS:
        raise RuntimeError(f"{len(held)} of {KILLS} kills") from next(iter(failed), None)


def _none(what: str, count: int, detail: str) -> Claim:
    return Claim(what=what, value=float(count), limit=0, unit="", detail=detail)
