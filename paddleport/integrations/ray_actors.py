"""Actors that hold a predictor each, and parts of the pictures handed to whoever is free."""

import logging
import os
import socket
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from paddleport.errors import PortError, UsageError, WorkerCrashed
from paddleport.integrations.answer_parts import AnswerParts, encoded
from paddleport.integrations.answer_tables import answers_table
from paddleport.integrations.ray_signals import exit_code_kept, sigterm_kept
from paddleport.integrations.shipped_model import ShippedModel
from paddleport.integrations.stored_pictures import StoredPart, with_read_errors

_CONNECT_S = 10.0
_START = "ray start --head starts one, without --address it is one of this command's own"
MOST_ATTEMPTS = 4
"""How often a part may lose its actor; a cluster loses several at a time, a picture one by one."""


@dataclass(frozen=True, kw_only=True)
class NamedPart:
    """A part and the file its answers go to."""

    name: str
    pictures: StoredPart

    @property
    def first(self) -> str:
        """The first of its pictures, for messages."""
        return self.pictures.names[0]


@dataclass(frozen=True, kw_only=True)
class PartDone:
    """What an actor gives back.

    Attributes:
        name: the part's file.
        pictures: how many.
        errors: why those that were not read were not.
        content: the file, where the driver is to write it; ``None`` where it is written.
    """

    name: str
    pictures: int
    errors: tuple[str, ...]
    content: bytes | None


class PartActor:
    """One predictor in a process of Ray's."""

    def __init__(self, model: ShippedModel, out: str, asked: Mapping[str, Any]) -> None:
        self._predictor = model.here().open()
        self._out, self._asked = AnswerParts(out), asked

    def ready(self) -> None:
        """Answered once the model is loaded."""

    def answer(self, part: NamedPart) -> PartDone:
        """Decode, preprocess and compute one part."""
        errors: dict[int, str] = {}
        with closing(self._predictor.predict_many(part.pictures.sources(errors))) as found:
            answers = with_read_errors(found, errors)
        told = tuple(answer.error for answer in answers if answer.error)
        content = encoded(answers_table(answers, self._predictor), len(told))
        if not self._out.is_local:
            self._out.write_part(part.name, content, self._asked)
        return PartDone(
            name=part.name,
            pictures=len(answers),
            errors=told,
            content=content if self._out.is_local else None,
        )


@dataclass(frozen=True, kw_only=True)
class ActorNeeds:
    """How many actors, and what each takes of a node."""

    actors: int | None
    cpus: int
    gpus: int = 0

    def count(self, resources: dict[str, float]) -> int:
        """What was asked, or as many as the cluster holds.

        Raises:
            UsageError: it holds none.
        """
        fits = int(resources.get("CPU", 0)) // self.cpus
        if self.gpus:
            fits = min(fits, int(resources.get("GPU", 0)) // self.gpus)
        if not fits:
            raise UsageError(
                f"the cluster has {resources.get('CPU', 0):g} CPUs and "
                f"{resources.get('GPU', 0):g} GPUs, and an actor takes {self.cpus} and "
                f"{self.gpus}: give less --threads, or --device cpu"
            )
        return min(self.actors or fits, fits)


def gpus_for(device: str) -> int:
    """How many of a node's GPUs an actor takes that computes on a device."""
    return int(device.lower() not in ("cpu", "auto"))


def connect(address: str | None) -> bool:
    """Join the cluster, or start one here; whether this process is to leave it again.

    Raises:
        UsageError: Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray takes Ray: pip install 'paddleport[ray]'") from None
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_listens(address)
    try:
        with sigterm_kept():
            ray.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        if address == "auto":  # then it is about an option of its own that we were given
            reason = "none runs on this machine"
        raise UsageError(f"no Ray cluster at {address}: {reason}; {_START}") from None
    return True


def _check_listens(address: str) -> None:
    """Refuse at once a host and port where nobody listens: Ray asks them for a minute.

    Raises:
        UsageError: nobody does.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return  # a word of Ray's, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"no Ray cluster at {address}: {reason}; {_START}") from None


def parts_done(
    model: ShippedModel,
    out: str,
    asked: Mapping[str, Any],
    parts: Iterator[NamedPart],
    needs: ActorNeeds,
) -> Generator[PartDone, None, None]:
    """Every part once, in the order in which they are done; raises as ``answered_once``."""
    import ray

    return answered_once(PartActor, (ray.put(model), out, asked), parts, needs)


def answered_once(
    kind: type[Any], arguments: tuple[Any, ...], parts: Iterator[Any], needs: ActorNeeds
) -> Generator[Any, None, None]:
    """What actors answer to every part, once each, in the order in which they are done.

    A part whose actor is lost is done by another one, and a new actor is asked for. Those that
    find no room wait, and nobody waits for them. An actor holds one part, the driver none.

    Args:
        kind: of the actors, with ``ready()`` and ``answer(part)``.
        arguments: what it is made with.
        parts: each with a ``name`` of its own, and the ``first`` of its pictures for messages.
        needs: how many actors, and what they take.

    Raises:
        PortError: what making an actor or answering does.
        WorkerCrashed: a part has lost ``MOST_ATTEMPTS`` actors.
    """
    import ray

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    actors = needs.count(resources)
    remote = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_restarts=0)(kind)
    group = _ActorGroup(remote, arguments, parts)
    try:
        for _ in range(actors):
            group.start()
        while group.has_work:
            with exit_code_kept():
                done = group.next_done()
            if done is not None:
                yield done
    finally:
        group.kill()


_LOADING = ""  # what an actor without a part was lost at


class _ActorGroup:
    """Actors, each with at most one part, and the parts that have none."""

    def __init__(self, kind: Any, arguments: tuple[Any, ...], parts: Iterator[Any]) -> None:
        self._kind, self._arguments, self._parts = kind, arguments, parts
        self._running: dict[Any, tuple[Any, Any]] = {}  # with None until it is ready
        self._idle: list[Any] = []
        self._lost: deque[Any] = deque()
        self._losses: dict[str, int] = {}
        self._begun = False

    @property
    def has_work(self) -> bool:
        """Whether a part is not done; while no actor was ever ready, nobody has asked for one."""
        return not self._begun or bool(self._lost) or any(p for _, p in self._running.values())

    def start(self) -> None:
        """Ask for an actor, which gets its first part when its model is loaded."""
        actor = self._kind.remote(*self._arguments)
        self._running[actor.ready.remote()] = (actor, None)

    def next_done(self) -> Any:
        """Wait until an actor has ended something; ``None`` unless that was a part."""
        import ray

        (ended, *_), _ = ray.wait(list(self._running), num_returns=1)
        actor, part = self._running.pop(ended)
        try:
            done = ray.get(ended)
        except ray.exceptions.RayTaskError as error:
            raise _told(error) from None
        except ray.exceptions.RayError as error:
            self._lose(part, error)
            return None
        self._begun = True
        if part is None:
            self._losses.pop(_LOADING, None)  # the model can be loaded
        self._idle.append(actor)
        self._hand_out()
        return done

    def kill(self) -> None:
        """End all of them."""
        import ray

        for actor in [*self._idle, *(actor for actor, _ in self._running.values())]:
            ray.kill(actor)

    def _hand_out(self) -> None:
        while self._idle:
            part = self._lost.popleft() if self._lost else next(self._parts, None)
            if part is None:
                return
            actor = self._idle.pop()
            self._running[actor.answer.remote(part)] = (actor, part)

    def _lose(self, part: Any, error: Exception) -> None:
        """Count it, and let others do what the actor had."""
        key = part.name if part else _LOADING
        losses = self._losses[key] = self._losses.get(key, 0) + 1
        if losses == MOST_ATTEMPTS:
            log = str(error)
            what = f"the part of {part.first}" if part else "loading the model"
            raise WorkerCrashed(
                f"{what} ended {losses} Ray actors: {log.splitlines()[0]}",
                reason="lost actors",
                log=log,
            )
        if part is not None:
            self._lost.append(part)
        self.start()
        self._hand_out()


def _told(error: Any) -> Exception:
    """What an actor raised, without Ray's traceback around it where it is for the user."""
    cause = error.cause
    return cause if isinstance(cause, PortError) else error
