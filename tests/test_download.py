import hashlib
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import Server, serving

from paddleport.errors import DownloadError, OutputError
from paddleport.models.weights import download as module
from paddleport.models.weights.download import download

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.tar"


def left_beside(target: Path) -> set[str]:
    return {item.name for item in target.parent.iterdir() if not item.name.endswith(".lock")}


@pytest.mark.parametrize("chunked", [False, True])
def test_the_file_and_its_record(server: Server, target: Path, chunked: bool) -> None:
    server.chunked = chunked
    told: list[tuple[int, int | None]] = []
    done = download(server.url, target, progress=lambda *at: told.append(at))
    assert target.read_bytes() == CONTENT
    assert (done.sha256, done.size_bytes) == (SHA256, len(CONTENT))
    assert json.loads((target.parent / "file.tar.json").read_text()) == {
        "url": server.url,
        "sha256": SHA256,
        "size_bytes": len(CONTENT),
    }
    total = None if chunked else len(CONTENT)
    assert told[0] == (0, total)
    assert told[-1] == (len(CONTENT), total)
    assert told == sorted(told, key=lambda at: at[0])
    assert left_beside(target) == {"file.tar", "file.tar.json"}


def test_a_second_call_asks_nobody(server: Server, target: Path) -> None:
    download(server.url, target)
    download(server.url, target)
    assert server.asked == [None]


def test_a_file_that_was_changed_on_disk_is_fetched_again(server: Server, target: Path) -> None:
    download(server.url, target)
    target.write_bytes(CONTENT[:-1] + b"x")
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_cut_connections_are_resumed_where_they_were_cut(server: Server, target: Path) -> None:
    server.cut_after = [1000, 0, 50_000]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=1000-", "bytes=51000-"]


@pytest.mark.parametrize("validator", ["etag", "last_modified"])
def test_the_next_call_goes_on_from_there(server: Server, target: Path, validator: str) -> None:
    server.etag = None
    setattr(server, validator, {"etag": '"a"'}.get(validator, "Mon, 01 Jan 2024 00:00:00 GMT"))
    server.cut_after = [5_000, *[0] * (module.MAX_CUTS - 1)]
    with pytest.raises(DownloadError, match="5,000 bytes are kept"):
        download(server.url, target)
    assert not target.exists()
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=5000-"


@pytest.mark.parametrize("fault", ["etag", "same etag, other size", "shorter", "no ranges"])
def test_a_changed_file_is_not_spliced(server: Server, target: Path, fault: str) -> None:
    server.cut_after = [5_000, *[0] * (module.MAX_CUTS - 1)]
    with pytest.raises(DownloadError):
        download(server.url, target)
    changed = bytes(reversed(CONTENT))
    if fault == "etag":
        server.etag = '"second"'
    elif fault == "same etag, other size":
        changed = changed + b"more"
    elif fault == "shorter":
        changed = changed[:100]
    else:
        server.ranges = False
    server.content = changed
    download(server.url, target)
    assert target.read_bytes() == changed


def test_without_a_validator_it_starts_again(server: Server, target: Path) -> None:
    server.etag = None
    server.cut_after = [5_000]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_weak_etag_is_no_validator(server: Server, target: Path) -> None:
    server.etag = 'W/"a"'
    server.cut_after = [5_000]
    download(server.url, target)
    assert server.asked == [None, None]


def test_a_pinned_sha256_is_enforced(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError, match=f"has the sha256 {SHA256}, not the pinned 0000"):
        download(server.url, target, sha256="0" * 64)
    assert left_beside(target) == set()
    assert download(server.url, target, sha256=SHA256).sha256 == SHA256


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_that_is_too_large_is_refused(
    server: Server, target: Path, chunked: bool
) -> None:
    server.chunked = chunked
    with pytest.raises(DownloadError, match="more than 1,000"):
        download(server.url, target, max_bytes=1000)
    assert not target.exists()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_named(server: Server, target: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=f"was answered with {status}"):
        download(server.url, target)
    assert left_beside(target) == set()


def test_a_redirect_is_followed(server: Server, target: Path) -> None:
    server.location = server.url
    download(server.url.replace("/file", "/redirect"), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/file", "/redirect"])
def test_a_redirect_elsewhere_is_not(server: Server, target: Path, location: str) -> None:
    server.location = location
    with pytest.raises(DownloadError, match="cannot be reached"):
        download(server.url.replace("/file", "/redirect"), target)
    assert left_beside(target) == set()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "nothing", "http://", "http://\0"]
)
def test_a_url_that_cannot_be(server: Server, target: Path, url: str) -> None:
    with pytest.raises(DownloadError):
        download(url, target)


def seconds_until_error(url: str, target: Path) -> float:
    start = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        download(url, target)
    assert "\n" not in str(caught.value)
    return time.monotonic() - start


def test_a_stalled_transfer_ends(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_TIMEOUT_S", 0.3)
    server.stall_after = 5_000
    assert 0.3 <= seconds_until_error(server.url, target) < 3
    server.stall_after = None
    download(server.url, target)
    assert server.asked == [None, "bytes=5000-"]
    assert target.read_bytes() == CONTENT


def test_a_closed_port_is_named(server: Server, target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert seconds_until_error(f"http://127.0.0.1:{port}/file", target) < 5


def test_accepted_and_never_answered(server: Server, target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert 3.9 < seconds_until_error(f"http://127.0.0.1:{port}/file", target) < 5


def test_a_name_look_up_that_hangs(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> Any:
        release.wait(30)
        raise socket.gaierror("released")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 1.0)
    assert 1 <= seconds_until_error("http://host.invalid/file", target) < 3.5
    release.set()


def test_a_name_that_does_not_resolve(server: Server, target: Path) -> None:
    assert seconds_until_error("http://host.invalid/file", target) < 5


def test_a_target_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="PADDLEPORT_CACHE"):
        download(server.url, tmp_path / "file" / "below")


def _download(url: str, target: Path) -> None:
    download(url, target)


def test_two_processes_at_once_fetch_it_once(server: Server, target: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_download, args=(server.url, target)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.asked == [None]
    assert target.read_bytes() == CONTENT
