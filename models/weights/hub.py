"""Take an inference model from the Hugging Face hub, checked by the digests that it lists.

huggingface_hub, an optional extra, says which files a repository has and where they are; it reads
``HF_ENDPOINT`` and the like itself. In a process of its own it has the settings that are wanted
here, and its log lines don't reach the user's terminal. The bytes are fetched by ``download``:
the library's 2.x throws away what an interrupted run has received.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paddleport.errors import DownloadError, WorkerCrashed
from paddleport.models.cache import locked
from paddleport.models.weights.download import MAX_BYTES, ByteProgress, Downloaded, download
from paddleport.worker import Worker

PROGRAMS = ("inference.json", "inference.pdmodel")
"""Of a repository that has both formats, the first is taken."""
_OTHERS = ("inference.pdiparams", "inference.yml")
_ENVIRON = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",  # public models: nobody's token has to travel
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
}
_LIST_TIMEOUT_S = 120.0
_INSTALL = "huggingface_hub is not installed: pip install 'paddleport[hub]'"


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file as the hub lists it.

    Attributes:
        name: of the file, at the top of the repository.
        url: where it is, at the commit that was listed.
        size_bytes: of its content.
        sha256: of its content, where it is stored apart from git; else empty.
        git_sha1: what git calls its content, where git holds it; else empty.
    """

    name: str
    url: str
    size_bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True, kw_only=True)
class HubListing:
    """What is to be taken of a repository.

    Attributes:
        endpoint: of the hub that was asked.
        revision: the commit.
        files: the program, its parameters and its description.
    """

    endpoint: str
    revision: str
    files: tuple[HubFile, ...]


def take_from_hub(
    repository: str,
    target: Path,
    *,
    downloads: Path,
    max_bytes: int = MAX_BYTES,
    progress: ByteProgress | None = None,
) -> HubListing:
    """Put the model's files of a repository into the empty folder ``target``.

    What an interrupted call has received stays below ``downloads``, and the next one goes on from
    there while the repository is still at the same commit.

    Args:
        repository: as ``PaddlePaddle/PP-OCRv5_mobile_det``.
        target: where the files go, which exists.
        downloads: a folder for what is not complete.
        max_bytes: more is refused.
        progress: called with the bytes there so far and the bytes in all.

    Raises:
        DownloadError: the library is missing, the hub cannot be reached, refuses or sends
            something else than it lists.
        OutputError: a folder cannot be written.
    """
    if find_spec("huggingface_hub") is None:
        raise DownloadError(_INSTALL)
    place = downloads / "huggingface" / repository.replace("/", "--")
    with locked(place):
        try:
            with Worker(environ=_ENVIRON) as worker:
                listing = worker.call(_list_files, _LIST_TIMEOUT_S, repository, max_bytes)
        except WorkerCrashed as error:
            raise DownloadError(f"huggingface_hub ended with {error.reason}") from None
        partial = place / listing.revision
        for older in place.glob("*"):
            if older != partial:
                shutil.rmtree(older, ignore_errors=True)  # of a commit that is no more
        _fetch_files(listing, partial, progress or (lambda done, total: None))
        for file in listing.files:
            shutil.copyfile(partial / file.name, target / file.name)
        shutil.rmtree(place, ignore_errors=True)
    return listing


def _list_files(repository: str, max_bytes: int) -> HubListing:
    """What the hub says of the files that are wanted; in the child."""
    import huggingface_hub

    hub = huggingface_hub.HfApi()
    with _as_download_errors():
        info = hub.model_info(repository, files_metadata=True)
    found = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    program = next((name for name in PROGRAMS if name in found), None)
    if program is None or not info.sha:
        raise DownloadError(f"it holds neither {' nor '.join(PROGRAMS)}")
    files = []
    for name in (program, *_OTHERS):
        if name in found:
            sibling = found[name]
            lfs: Any = sibling.lfs
            size, digest = sibling.size, lfs.sha256 if lfs else ""
            if size is None or not (digest or sibling.blob_id):
                raise DownloadError(f"it says neither size nor digest of {name}")
            git = "" if digest else str(sibling.blob_id)
            url = huggingface_hub.hf_hub_url(repository, name, revision=info.sha)
            files.append(HubFile(name=name, url=url, size_bytes=size, sha256=digest, git_sha1=git))
    total = sum(file.size_bytes for file in files)
    if total > max_bytes:
        raise DownloadError(f"its files have {total:,} bytes, more than {max_bytes:,}")
    return HubListing(endpoint=hub.endpoint, revision=info.sha, files=tuple(files))


def _fetch_files(listing: HubListing, folder: Path, progress: ByteProgress) -> None:
    """Fetch every file into ``folder`` and hold it against the listing.

    Raises:
        DownloadError: as ``download`` does, or a file is not what was listed.
    """
    total, before = sum(file.size_bytes for file in listing.files), 0
    for file in listing.files:

        def report(done: int, of: int | None, *, before: int = before) -> None:
            progress(before + done, total)

        most = file.size_bytes
        got = download(file.url, folder / file.name, max_bytes=most, progress=report)
        if got.size_bytes != most or not _is_listed(got, file):
            got.path.unlink()
            raise DownloadError(
                f"{file.name} is not the file that it lists, by size or digest: it was thrown away"
            )
        before += most


@contextlib.contextmanager
def _as_download_errors() -> Iterator[None]:
    """Whatever the library and its HTTP client raise, as one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.RepositoryNotFoundError:
        raise DownloadError("there is no such repository, or it is not public") from None
    except errors.OfflineModeIsEnabled:
        raise DownloadError("HF_HUB_OFFLINE forbids to download it") from None
    except Exception as error:  # of several HTTP libraries, by version
        cause: BaseException = error
        while cause.__cause__ is not None:  # beneath "please check your connection"
            cause = cause.__cause__
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        raise DownloadError(lines[0][:300] if lines else type(cause).__name__) from None


def _is_listed(got: Downloaded, listed: HubFile) -> bool:
    if listed.sha256:
        return got.sha256 == listed.sha256
    head = f"blob {got.size_bytes}\0".encode()  # as git names its content
    content = got.path.read_bytes()  # git holds small files alone
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest() == listed.git_sha1


def recorded(repository: str, listing: HubListing) -> Mapping[str, Any]:
    """What is kept beside the files of where they are from."""
    return {
        "url": f"{listing.endpoint}/{repository}",
        "revision": listing.revision,
        "files": {file.name: file.sha256 or f"git {file.git_sha1}" for file in listing.files},
    }
