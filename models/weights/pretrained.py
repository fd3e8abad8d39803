"""The official weights of a card: its sources in their order, each checked, kept and named."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleport.errors import DownloadError, ModelFileError
from paddleport.files import sha256
from paddleport.models.cache import cache_key, cached_folder, is_intact
from paddleport.models.paddle.source import FoundModel, find_model, programs_in
from paddleport.models.weights.archive import unpack
from paddleport.models.weights.download import download
from paddleport.models.weights.hub import recorded, take_from_hub
from paddleport.models.zoo.model_card import Archive, ModelCard
from paddleport.progress import Progress

_RECORD = "download.json"
_MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class PretrainedModel:
    """An official inference model on disk.

    Attributes:
        found: its files.
        source: where it is from, with the digest that was recorded.
    """

    found: FoundModel
    source: str


def pretrained_model(card: ModelCard, cache: Path, progress: Progress) -> PretrainedModel:
    """The card's official model: from the cache, else from the first source that has it.

    Raises:
        DownloadError: no source has it; the message names each and what it said.
        ModelFileError: as that, and a source had something that is no model.
        OutputError: the cache cannot be written.
    """
    for archive in card.archives:
        if is_intact(cache / _entry(card, archive)):
            return _opened(card, archive, cache / _entry(card, archive))
    if os.environ.get("PADDLEPORT_OFFLINE", "0") not in ("", "0"):
        raise DownloadError(
            f"the weights of {card.name} are not in {cache} and PADDLEPORT_OFFLINE forbids to "
            "download them"
        )
    refusals: list[DownloadError | ModelFileError] = []
    for archive in card.archives:
        try:
            return _opened(card, archive, _fetched(card, archive, cache, progress))
        except (DownloadError, ModelFileError) as error:
            refusals.append(error)
    raise _refusal(card, refusals)


def _refusal(card: ModelCard, refusals: list[DownloadError | ModelFileError]) -> Exception:
    """One error for all sources; what is damaged weighs more than what cannot be reached."""
    if not refusals:
        return DownloadError(f"the card of {card.name} has no archive")
    if len(refusals) == 1:
        return refusals[0]
    damaged = any(isinstance(error, ModelFileError) for error in refusals)
    kind = ModelFileError if damaged else DownloadError
    said = "; ".join(f"({n}) {error}" for n, error in enumerate(refusals, start=1))
    return kind(f"none of the {len(refusals)} sources of {card.name} gave its weights: {said}")


def _entry(card: ModelCard, archive: Archive) -> str:
    """In the cache, one for each source: another one may hold another network."""
    return f"pretrained/{card.name}-{cache_key({'archives': [archive.address]})}"


def _fetched(card: ModelCard, archive: Archive, cache: Path, progress: Progress) -> Path:
    def report(done: int, total: int | None) -> None:
        progress(f"downloading {card.name}", done / total if total else 0.0)

    def build(folder: Path) -> None:
        (folder / _MODEL).mkdir()
        if archive.url is not None:
            record = _from_url(archive, cache, folder / _MODEL, report)
        else:
            record = _from_hub(archive, cache, folder / _MODEL, report)
        (folder / _RECORD).write_text(json.dumps(record, indent=1), "utf-8")

    return cached_folder(_entry(card, archive), build, cache=cache)


def _from_url(archive: Archive, cache: Path, folder: Path, report: Any) -> Mapping[str, Any]:
    url = str(archive.url)
    # Two addresses may end in one name, and each keeps what it has received.
    place = cache / "downloads" / cache_key({"url": url}) / url.rpartition("/")[2]
    got = download(url, place, sha256=archive.sha256, progress=report)
    try:
        unpack(got.path, folder)
        _find(folder)  # what is no model must not enter the cache
    except ModelFileError as error:
        got.path.unlink()  # the next attempt downloads it again
        raise ModelFileError(f"{error} (from {url})") from None
    return {"url": got.url, "sha256": got.sha256, "size_bytes": got.size_bytes}


def _from_hub(archive: Archive, cache: Path, folder: Path, report: Any) -> Mapping[str, Any]:
    repository = str(archive.huggingface)
    try:
        listing = take_from_hub(repository, folder, downloads=cache / "downloads", progress=report)
    except DownloadError as error:
        raise DownloadError(f"{archive.address}: {error}") from None
    try:
        _find(folder)
    except ModelFileError as error:
        raise ModelFileError(f"{error} (from {archive.address})") from None
    digest = sha256(sorted(folder.iterdir()))
    if archive.sha256 and digest != archive.sha256:
        raise DownloadError(
            f"{archive.address} has the sha256 {digest}, not the pinned {archive.sha256}"
        )
    return {**recorded(repository, listing), "sha256": digest}


def _find(folder: Path) -> FoundModel:
    """The model in a folder; of one that is there in both formats, that of Paddle 3."""
    programs, place = programs_in(folder)
    by_suffix = {program.suffix: program for program in programs}
    same = len({program.stem for program in programs}) == 1
    if same and len(programs) == 2 and set(by_suffix) == {".json", ".pdmodel"}:
        return find_model(by_suffix[".json"])
    return find_model(place if programs else folder)


def _opened(card: ModelCard, archive: Archive, folder: Path) -> PretrainedModel:
    record = json.loads((folder / _RECORD).read_text("utf-8"))
    if archive.sha256 and record["sha256"] != archive.sha256:
        raise DownloadError(
            f"{folder} is from an archive with the sha256 {record['sha256']}, not the pinned "
            f"{archive.sha256}: delete it"
        )
    at = f"revision {record['revision']}, files" if "revision" in record else "archive"
    source = f"{record['url']} ({at} sha256 {record['sha256']})"
    return PretrainedModel(found=_find(folder / _MODEL), source=source)
