"""What stands in a device folder's ``manifest.json``: its files, feeds, outputs and limit."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from paddleport.errors import ModelFileError
from paddleport.runners.runner_options import Precision
from paddleport.validate.feeds.named_feed import FeedKind

MANIFEST = "manifest.json"
MAX_BYTES = 16 << 20
FEEDS, EXPECTED, FLOAT64 = "feeds.npz", "expected.npz", "float64.npz"

Name = Annotated[str, Meta(min_length=1)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class DeviceTensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input or output of the model file; the order is the model's own."""

    name: Annotated[Name, Meta(description="As the model file has it.")]
    file_name: Annotated[
        Name, Meta(description="The same with letters that every file system takes.")
    ]
    paddle_name: Annotated[Name, Meta(description="As the Paddle model has it.")]
    dtype: Annotated[Name, Meta(description="numpy's name of the type, such as float32.")]
    shapes: Annotated[
        tuple[tuple[Annotated[int, Meta(ge=0)], ...], ...],
        Meta(description="Its sizes with each feed, in the order of the feeds."),
    ]


class DeviceFeed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feed; its number is its place in the list, from 0."""

    name: Annotated[Name, Meta(description="To tell it by.")]
    kind: Annotated[FeedKind, Meta(description="Where it came from.")]
    picture: Annotated[
        str, Meta(description="The picture file that it was made of; empty where there is none.")
    ] = ""


class AnswerHere(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same file on the same feeds, on a backend of the machine that wrote the folder."""

    backend: Annotated[Name, Meta(description="Its name.")]
    version: Annotated[str, Meta(description="Of its runtime.")]
    computes_in: Annotated[str, Meta(description="The precision read back from the runtime.")]
    verdict: Annotated[
        Literal["agrees", "differs", "unproven", "failed"],
        Meta(description="Against native Paddle, by the tolerance of that precision."),
    ]
    worst_error: Annotated[
        float | None,
        Meta(description="The largest error in the tolerance's unit; null if incomparable."),
    ]


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder for phones and boards: one model file with feeds and native Paddle's answers."""

    schema: Annotated[Literal[1], Meta(description="The version of this schema.")]
    paddleport: Annotated[str, Meta(description="The version that wrote it.")]
    created: Annotated[str, Meta(description="When, as ISO 8601 in UTC.")]
    asked: Annotated[
        str, Meta(description="What the model was called by who wrote it: a name, or a path.")
    ]
    weights: Annotated[str, Meta(description="The --weights that were asked for.")]
    model: Annotated[
        dict[str, Any], Meta(description="As model in a parity report: names, hashes, sizes.")
    ]
    target: Annotated[Name, Meta(description="The target that made the file.")]
    format: Annotated[Name, Meta(description="Of the file.")]
    precision: Annotated[
        Precision, Meta(description="Of the file; its tolerance is the default limit.")
    ]
    model_file: Annotated[Name, Meta(description="The main file, below the folder.")]
    limit: Annotated[float, Meta(description="Of every error, as a share of its unit.")]
    limit_unit: Annotated[str, Meta(description="The unit of an error, in words.")]
    classes: Annotated[
        int, Meta(ge=0, description="How many classes it has names for; 0 where it has none.")
    ]
    reference: Annotated[str, Meta(description="What gave the expected answers.")]
    float64_reference: Annotated[
        str, Meta(description="The ONNX graph in float64, or why there is none.")
    ]
    here: Annotated[
        tuple[AnswerHere, ...],
        Meta(description="The file on the backends of the machine that wrote this."),
    ]
    not_run: Annotated[str, Meta(description="Why no backend there runs it; empty where one does.")]
    inputs: Annotated[tuple[DeviceTensor, ...], Meta(min_length=1, description="Its inputs.")]
    outputs: Annotated[tuple[DeviceTensor, ...], Meta(min_length=1, description="Its outputs.")]
    feeds: Annotated[tuple[DeviceFeed, ...], Meta(min_length=1, description="Its feeds.")]
    files: Annotated[
        dict[str, Digest],
        Meta(description="Every file but this one, below the folder, and its sha256."),
    ]
    published: Annotated[
        dict[str, Any], Meta(description="The model's published figures; empty without any.")
    ]

    def to_json(self) -> str:
        """As the file has it."""
        return json.dumps(to_builtins(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a device folder.

    Raises:
        ModelFileError: there is none, or it is damaged, or of another version.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelFileError(
            f"{folder} is no device folder ({MANIFEST}: {error.strerror}): name one that "
            "paddleport device-folder wrote"
        ) from None
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES >> 20} MB")
        values = json.loads(content)
        found = values.get("schema") if isinstance(values, dict) else None
        if found != 1:
            raise ValueError(f"schema {found!r:.40}, and 1 is read here")
        return convert(values, Manifest)
    except (ValueError, RecursionError, ValidationError) as error:
        raise ModelFileError(
            f"{path} is damaged, or of another version of paddleport: {error}. Copy it again"
        ) from None


def key_of(tensor: str, feed: int) -> str:
    """What a tensor of one feed is called in files: ``OUTPUT.FEED``."""
    return f"{tensor}.{feed}"


def file_names(names: Sequence[str]) -> list[str]:
    """Names with letters that every file system takes, no two of them alike."""
    made: list[str] = []
    for name in names:
        safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "tensor"
        taken = {other.lower() for other in made}
        number, found = 2, safe
        while found.lower() in taken:
            number, found = number + 1, f"{safe}_{number}"
        made.append(found)
    return made
