"""What came of pictures that a backend read itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.validate.diagnose.causes import Cause


@dataclass(frozen=True, kw_only=True)
class PictureFindings:
    """Both sides, on the same files.

    Attributes:
        backend: who reads pictures itself.
        theirs, ours: what decodes and resizes there and here, with versions.
        pictures: how many files there were.
        apart: the files whose tensors are not the same bits, or that one side alone reads, and by
            how much, the worst first.
        explained: what the worst of them was made by, in a sentence; empty where none differs.
        answers: the files whose answer is not the one to their own tensor.
    """

    backend: str
    theirs: str
    ours: str
    pictures: int
    apart: tuple[tuple[str, str], ...] = ()
    explained: str = ""
    answers: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether every tensor has Python's bits, and every answer is that of its tensor."""
        return not self.apart and not self.answers

    @property
    def libraries(self) -> str:
        """What there is to say of the two libraries' versions."""
        if self.theirs == self.ours:
            return f"{self.theirs} as in Python"
        return f"{self.theirs}, Python's is {self.ours.split()[-1]}"

    @property
    def note(self) -> str:
        """One line where they agree."""
        pictures = counted(self.pictures, "picture")
        return f"{pictures} by path: its tensors are Python's, bit for bit ({self.libraries})"

    @property
    def cause(self) -> "Cause":
        """Who is to blame where they do not."""
        if self.agree:
            return ""
        return "preprocessing" if self.apart else "runtime"

    @property
    def reason(self) -> str:
        """The bare finding; empty where they agree."""
        if self.apart:
            name, how = self.apart[0]
            return (
                f"{len(self.apart)} of {self.pictures} pictures are prepared otherwise, {name} "
                f"most: {how}"
            )
        if self.answers:
            return f"the answer to {self.answers[0]} is not the answer to its tensor"
        return ""

    @property
    def explanation(self) -> str:
        """Sentences on the cause, and what to do next; empty where they agree."""
        if self.apart:
            kinds = sorted({name.rpartition(".")[2] for name, _ in self.apart})
            versions = ""
            next_step = "compare its sources with those that paddleport writes"
            if self.theirs != self.ours:
                versions = (
                    f" Its {self.theirs} is another than Python's, {self.ours.split()[-1]}: where "
                    "decoders or the resize differ, pixels do."
                )
                next_step = (
                    f"build it with {self.ours} (OpenCV_DIR names its CMake files); what differs "
                    "then is in its sources"
                )
            return (
                f"{self.backend} prepares pictures otherwise than Python ({', '.join(kinds)}). "
                f"{self.explained}{versions} Next: {next_step}."
            )
        if self.answers:
            return (
                f"{self.backend} gives a picture that it reads itself another answer than that "
                "picture's own tensor. Next: look at how its program feeds the model."
            )
        return ""
