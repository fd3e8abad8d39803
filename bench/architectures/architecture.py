"""Which architectures are measured, and what each is fed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("architectures.json")
_LOGIT_STD = 3.0
_CONFIDENT_LOGIT_STD = 16.0  # the logits of a picture then spread over more than softmax's 64


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One of PaddleClas's.

    Attributes:
        name: of its constructor.
        family: which networks it stands for.
        sides: height and width of its input, in pixels.
        logit_std: what its seeded classifier is scaled to; None where it has none, and gives
            features without a softmax.
        old_format: exported as .pdmodel.
        arguments: for its constructor, by name; most take none.
    """

    name: str
    family: str
    sides: tuple[int, int] = (224, 224)
    logit_std: float | None = _LOGIT_STD
    old_format: bool = False
    arguments: tuple[tuple[str, bool | int | float], ...] = ()

    @property
    def softmax(self) -> bool:
        """Whether the exported program ends in one."""
        return self.logit_std is not None


def architectures() -> tuple[Architecture, ...]:
    """Those of ``architectures.json``, in its order."""
    return tuple(_read(entry) for entry in json.loads(LIST.read_text("utf-8")))


def _read(entry: dict[str, Any]) -> Architecture:
    logit_std = _CONFIDENT_LOGIT_STD if entry.get("confident") else _LOGIT_STD
    return Architecture(
        name=entry["name"],
        family=entry["family"],
        sides=tuple(entry.get("sides", (224, 224))),
        logit_std=None if entry.get("features") else logit_std,
        old_format=entry.get("old_format", False),
        arguments=tuple(entry.get("arguments", {}).items()),
    )
