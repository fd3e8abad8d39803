"""The options that ``--profile`` sets, for the commands that take it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.models.artifact import Artifact
    from paddleport.runners.profile import Profile


@dataclass(frozen=True)
class ProfileOptions:
    """What a profile sets where nothing else was typed; empty without one."""

    profile: "Profile | None" = None

    @classmethod
    def read(cls, path: Path | None) -> "ProfileOptions":
        """Read the file that ``--profile`` names."""
        if path is None:
            return cls()
        from paddleport.runners.profile import read_profile

        return cls(read_profile(path))

    def backend(self, typed: str | None) -> str | None:
        """Its backend, since no other takes its options; without a profile what was typed.

        Raises:
            UsageError: another backend was typed.
        """
        if self.profile is None:
            return typed
        if typed not in (None, self.profile.backend):
            raise UsageError(
                f"the profile is of {self.profile.backend}, not of {typed}: leave one of them out"
            )
        return self.profile.backend

    @property
    def model(self) -> str | None:
        """The model that it was tuned for."""
        return self.profile.model if self.profile else None

    def file_of(self, named: str) -> str:
        """The profile's own file of this model, if it has one; else what was named.

        Raises:
            UsageError: it was tuned for another model.
        """
        if self.profile is None:
            return named
        if named != self.profile.model and Path(named).name != self.profile.model:
            raise UsageError(
                f"the profile is of {self.profile.model}, not of {named}: paddleport tune {named}"
            )
        return str(self.profile.file or named)

    @property
    def onnx_file(self) -> Path | None:
        """Its own file, where that is ONNX."""
        file = self.profile.file if self.profile else None
        return file if file is not None and file.suffix == ".onnx" else None

    @property
    def other_file(self) -> "Artifact | None":
        """Its own file, where its backend loads another format than ONNX."""
        file = self.profile.file if self.profile else None
        if file is None or file == self.onnx_file:
            return None
        from paddleport.models.recognize import read_artifact

        return read_artifact(file)

    @property
    def batch(self) -> int | None:
        """Pictures per inference."""
        return self.profile.batch if self.profile else None

    @property
    def threads(self) -> int | None:
        """CPU threads."""
        return self.profile.threads if self.profile else None

    @property
    def precision(self) -> Any:
        """What it computes in; ``None`` where its own file determines that."""
        return self.profile.runner_options.precision if self.profile else None

    @property
    def extras(self) -> dict[str, str]:
        """The backend's own options."""
        return dict(self.profile.options) if self.profile else {}
