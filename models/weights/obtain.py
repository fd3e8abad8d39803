"""The weights for a model of the zoo: downloaded, made here, or the user's own."""

import importlib.metadata
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paddleport.errors import (
    BackendUnavailableError,
    DownloadError,
    ModelFileError,
    ModelNotFoundError,
)
from paddleport.files import sha256
from paddleport.models.artifact import Artifact
from paddleport.models.cache import cache_dir, cache_key, cached_folder
from paddleport.models.paddle.checkpoint import read_checkpoint
from paddleport.models.paddle.foreign_files import is_checkpoint
from paddleport.models.paddle.model_builder import build_inference_model, build_seeded_model
from paddleport.models.paddle.source import FoundModel, find_model
from paddleport.models.weights.archive import is_archive, unpacked
from paddleport.models.weights.pretrained import pretrained_model
from paddleport.models.zoo.architecture import load_architecture
from paddleport.models.zoo.model_card import ModelCard
from paddleport.progress import Progress, no_progress

Kind = Literal["pretrained", "seeded", "checkpoint", "own"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ObtainedModel:
    """An inference model of the zoo on disk, and where its weights are from.

    Attributes:
        model: program and parameters.
        kind: ``pretrained`` (official), ``seeded`` (untrained: labels mean nothing),
            ``checkpoint`` (built from the user's .pdparams) or ``own`` (the user's files).
        source: where the weights are from, in a few words.
        sha256: over program and parameters.
        warning: what nobody may miss; ``None`` if the weights are those that were asked for.
    """

    model: Artifact
    kind: Kind
    source: str
    sha256: str
    warning: str | None = None


def obtain(
    card: ModelCard,
    weights: str = "auto",
    *,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> ObtainedModel:
    """Get a model of the zoo with the weights asked for.

    Args:
        card: the model.
        weights: ``pretrained``; ``seeded``; ``auto``, which is pretrained from the cache, else
            pretrained from the network, else seeded with a warning; or a path to a .pdparams
            checkpoint, or to an inference model as a folder, tar or program file.
        cache: instead of ``cache_dir()``.
        progress: called with what is going on and the share done, from 0 to 1.

    Raises:
        DownloadError: ``pretrained`` and not to be had, or what a network is built from is not.
        UsageError: the card has nothing to build a network from.
        ModelNotFoundError, ModelFileError: the path holds nothing, or nothing that fits.
        BackendUnavailableError: a model must be built and paddle is not installed.
        OutputError: the cache cannot be written.
    """
    cache = cache or cache_dir()
    if weights == "pretrained" or (weights == "auto" and card.architecture is None):
        try:
            return _pretrained(card, cache, progress)
        except DownloadError as error:
            seeded = "--weights seeded, or " if card.architecture else ""
            raise DownloadError(
                f"{error}. Without a connection: {seeded}your own copy with --weights FOLDER"
            ) from None
    if weights == "seeded":
        return _seeded(card, cache, progress)
    if weights != "auto":
        return _from_path(card, Path(weights), cache, progress)
    try:
        return _pretrained(card, cache, progress)
    except DownloadError as error:
        warning = (
            f"{card.name} has seeded weights, not the pretrained ones: {error}. Numbers and "
            "latency can be judged as with trained weights, LABELS MEAN NOTHING. --weights seeded "
            "chooses this, --weights pretrained insists"
        )
        try:
            return _seeded(card, cache, progress, warning=warning)
        except DownloadError as second:
            raise DownloadError(f"{error}. Nor can seeded weights be made: {second}") from None


def open_source(path: Path, params: Path | None = None, *, cache: Path | None = None) -> FoundModel:
    """Find the inference model in a folder, a tar or beside a program file.

    Args:
        path: one of these.
        params: its parameters, as ``find_model`` takes them.
        cache: instead of ``cache_dir()``.

    Raises:
        ModelNotFoundError, ModelFileError: as ``find_model`` and ``unpack``.
    """
    if not (path.is_file() and is_archive(path)):
        return find_model(path, params)
    folder = unpacked(path, cache=cache)
    try:
        return find_model(folder, params)
    except ModelFileError as error:
        message = str(error).replace(str(folder), str(path))  # not where it was unpacked
        hint = f"; unpack {path} to name a file in it" if f"{path}/" in message else ""
        raise ModelFileError(message + hint) from None


def _pretrained(card: ModelCard, cache: Path, progress: Progress) -> ObtainedModel:
    taken = pretrained_model(card, cache, progress)
    return _obtained(taken.found.model, "pretrained", taken.source)


def _seeded(
    card: ModelCard, cache: Path, progress: Progress, *, warning: str | None = None
) -> ObtainedModel:
    recipe = load_architecture(card).RECIPE
    found = _built(
        f"seeded/{card.name}-recipe{recipe}",
        card,
        lambda folder: build_seeded_model(card, folder, progress=progress),
        cache,
    )
    source = f"seeded here from the name {card.name}, recipe {recipe}{_fixed_batch(card, found)}"
    return _obtained(found.model, "seeded", source, warning=warning)


def _from_path(card: ModelCard, path: Path, cache: Path, progress: Progress) -> ObtainedModel:
    if not path.exists():
        raise ModelNotFoundError(
            f"--weights {path} is no file or folder, nor one of auto, pretrained, seeded"
        )
    if not (path.is_file() and is_checkpoint(path)):
        found = open_source(path, cache=cache)
        return _obtained(found.model, "own", str(path))
    checkpoint = read_checkpoint(path)
    found = _built(
        f"checkpoint/{card.name}-{sha256([path])[:32]}",
        card,
        lambda folder: build_inference_model(
            card, checkpoint.state, folder, source=str(path), progress=progress
        ),
        cache,
    )
    part = f", its {checkpoint.part}" if checkpoint.part else ""
    return _obtained(found.model, "checkpoint", f"{path}{part}{_fixed_batch(card, found)}")


def _built(name: str, card: ModelCard, build: Callable[[Path], object], cache: Path) -> FoundModel:
    # The program's format depends on the Paddle that wrote it, and older ones don't read newer.
    entry = f"{name}-{_build_key(card)}-paddle{_paddle_version()}"
    return find_model(cached_folder(entry, build, cache=cache))


def _fixed_batch(card: ModelCard, found: FoundModel) -> str:
    """What to say where the program takes another batch than the card says."""
    wanted, given = card.known_input().shape[:1], found.program.inputs[0].shape[:1]
    if wanted == given:
        return ""
    return f"; takes a batch of {given[0]} alone, since Paddle traces {card.name} with no free one"


def _build_key(card: ModelCard) -> str:
    """A digest of what a card says of the network that is built."""
    spec = card.known_input()
    return cache_key(
        {
            "architecture": card.architecture,
            "arguments": card.arguments,
            "classes": card.classes,
            "input": [spec.name, spec.dtype, spec.shape],
        }
    )


def _paddle_version() -> str:
    for distribution in ("paddlepaddle", "paddlepaddle-gpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise BackendUnavailableError(
        "building a model takes paddle, which is not installed: pip install 'paddleport[cpu]'"
    )


def _obtained(
    model: Artifact, kind: Kind, source: str, *, warning: str | None = None
) -> ObtainedModel:
    _logger.info("weights %s: %s", kind, source)
    files = [file for file in (model.path, model.weights_file) if file]
    return ObtainedModel(
        model=model, kind=kind, source=source, sha256=sha256(files), warning=warning
    )
