"""A finished file gets its name: all that belongs to it together, and nothing else is touched."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from paddleport.convert.conversion import WRITTEN, Conversion, sidecar_of
from paddleport.convert.paddle2onnx.external_data import data_file
from paddleport.convert.targets import Target
from paddleport.errors import OutputError
from paddleport.files import sha256, write_atomically, writing_atomically
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import FORMAT as CPP
from paddleport.models.onnx.onnx_file import (
    external_files,
    read_onnx_model,
    read_onnx_proto,
    write_metadata,
)
from paddleport.models.recognize import format_of, sidecar

_CHUNK = 1 << 20  # bytes


def check_output(path: Path, target: type[Target], source: Artifact) -> None:
    """Refuse, before a long conversion, a name that the file can't have.

    Raises:
        OutputError: as ``check_name`` does, or it is one of the files that are converted.
    """
    check_name(path, target)
    if target.main_file:
        return
    _refuse_source([path, *([] if target.format == "onnx" else [sidecar(path)])], source)


def check_name(path: Path, target: type[Target]) -> None:
    """Refuse, before the model is there, a name that no file of the target can have.

    Raises:
        OutputError: a folder, or another format's ending.
    """
    suffix = target.suffix
    if target.main_file:
        from paddleport.convert.whole_folder import check_folder

        check_folder(path)
        return
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give a file: -o {path / f'model{suffix}'}")
    if target.fixed_suffix and not path.name.endswith(suffix):
        stem = path.name.removesuffix(Path(suffix).suffix).removesuffix(Path(suffix).stem)
        other = path.with_name(f"{stem or path.name}{suffix}")
        raise OutputError(f"{path} has another ending than {suffix}; try -o {other}")
    known = format_of(path) if path.suffix in (".onnx", ".xml") else ""
    if known and known != target.format:
        raise OutputError(f"{path} would be taken for {known}; try -o {path}{suffix}")


def path_by_verdict(path: Path, verdict: str, keep: bool) -> Path | None:
    """Where a file goes by its verdict; ``None`` where it goes nowhere."""
    if verdict in WRITTEN:
        return path
    return path.with_suffix(f".{verdict}{path.suffix}") if keep else None


def name_file(done: Conversion, path: Path) -> Conversion:
    """Give a conversion's file its name, with all that it has to say of itself.

    Raises:
        OutputError: it can't be written, or would take the place of somebody else's file.
    """
    made = done.artifact
    if made.format == CPP:
        return _name_folder(done, path)
    names = _names(made, path)
    done = replace(done, written=replace(made, files=names), files_sha256=_digests(made, names))
    file = named_artifact(made, path, done.to_dict(), source=done.source.model)
    size_bytes = sum(item.stat().st_size for item in file.files)
    return replace(done, written=file, size_bytes=size_bytes)


def _name_folder(done: Conversion, path: Path) -> Conversion:
    """The same for a folder, whose main file says what the conversion came to."""
    file = named_artifact(done.artifact, path, done.to_dict())
    folder = [item for item in path.rglob("*") if item.is_file()]
    return replace(
        done,
        written=file,
        size_bytes=sum(item.stat().st_size for item in folder),
        sha256=sha256([file.path]),
        files_sha256={item.relative_to(path).as_posix(): sha256([item]) for item in sorted(folder)},
    )


def named_artifact(
    made: Artifact,
    path: Path,
    values: Mapping[str, Any] | None = None,
    *,
    source: Artifact | None = None,
) -> Artifact:
    """Copy what was made to ``path``; an ONNX file gets its metadata, others get a JSON file.

    Args:
        made: the file and what belongs to it, in a folder of their own.
        path: of the main file; the others keep their endings. Of the folder, where it is one.
        values: what stands in the JSON file; by default what the artifact itself has.
        source: what must not be overwritten.

    Raises:
        OutputError: as ``name_file`` does.
    """
    if made.format == "onnx":
        proto = read_onnx_proto(made.path)
        write_metadata(
            proto,
            preprocess=made.preprocess,
            labels=made.labels,
            provenance=made.provenance,
            input_format=made.input_format,
        )
        write_atomically(path, proto.SerializeToString(deterministic=True))
        return replace(made, files=(path,))
    if made.format == CPP:
        from paddleport.convert.cpp.named_bundle import named_bundle

        return named_bundle(made, path, values)
    named = replace(made, files=_names(made, path))
    beside = sidecar(path)
    if source is not None:
        _refuse_source([*named.files, beside], source)
    _refuse_foreign([*named.files[1:], beside], path)
    values = values or {**sidecar_of(named), "files_sha256": _digests(made, named.files)}
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    _write_together(made.files, named.files, beside, text.encode())
    return named


def write_onnx(file: Path, path: Path) -> tuple[Path, ...]:
    """Give a finished ONNX file its name, and the file beside it with weights, if there is one.

    Returns:
        The files, the main one first.

    Raises:
        OutputError: one can't be written, or would take the place of somebody else's.
    """
    if not external_files(file):
        write_file(file, path)
        return (path,)
    (data,) = external_files(file)
    proto, beside = read_onnx_proto(file, external_data=False), data_file(path)
    if beside.exists() and not (path.is_file() and beside in external_files(path)):
        raise OutputError(
            f"{beside} is there, and {path.name} does not refer to it: move it, or choose another "
            "name with -o"
        )
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = beside.name
    write_file(data, beside)
    write_atomically(path, proto.SerializeToString(deterministic=True))
    return path, beside


def add_provenance(file: Path, record: Mapping[str, Any]) -> None:
    """Have a finished ONNX file say more of itself; weights in other files stay there."""
    artifact, proto = read_onnx_model(file), read_onnx_proto(file, external_data=False)
    write_metadata(
        proto,
        preprocess=artifact.preprocess,
        labels=artifact.labels,
        provenance={**artifact.provenance, **record},
        input_format=artifact.input_format,
    )
    write_atomically(file, proto.SerializeToString(deterministic=True))


def write_file(file: Path, path: Path) -> None:
    """Copy a finished file to its name, whole or not at all."""
    with file.open("rb") as source, writing_atomically(path) as stream:
        shutil.copyfileobj(source, stream, _CHUNK)


def _digests(made: Artifact, names: Sequence[Path]) -> dict[str, str]:
    """The sha256 of every file, by the name that it gets."""
    return {name.name: sha256([file]) for file, name in zip(made.files, names, strict=True)}


def _names(made: Artifact, path: Path) -> tuple[Path, ...]:
    """The files' names beside ``path``: the same endings after its own stem."""
    stem = made.path.stem
    others = (path.with_name(path.stem + file.name[len(stem) :]) for file in made.files[1:])
    return path, *others


def _write_together(
    files: Sequence[Path], names: Sequence[Path], beside: Path, content: bytes
) -> None:
    """All under other names first, then renamed; a JSON file never stands beside other files."""
    folder = names[0].parent
    mark = f".{os.getpid()}.{os.urandom(4).hex()}.writing"
    waiting = [(folder / f".{name.name}{mark}", name) for name in (*names, beside)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, (temporary, _) in zip(files, waiting, strict=False):
            write_file(file, temporary)
        write_atomically(waiting[-1][0], content)
        beside.unlink(missing_ok=True)
        for temporary, name in (*waiting[1:-1], waiting[0], waiting[-1]):  # the main file last
            temporary.replace(name)
    except OSError as error:
        raise OutputError(
            f"{names[0]} can't be written with what belongs to it: {error.strerror or error}"
        ) from error
    finally:
        for temporary, _ in waiting:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _refuse_source(paths: Sequence[Path], source: Artifact) -> None:
    own = {file.resolve() for file in source.files}
    for path in paths:
        if path.resolve() in own:
            raise OutputError(
                f"{path} is part of the model that is converted: choose another name with -o"
            )


def _refuse_foreign(paths: Sequence[Path], main: Path) -> None:
    """Files that would be overwritten though nobody named them, and no conversion wrote them."""
    ours: set[str] = set()
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        recorded = json.loads(sidecar(main).read_text("utf-8"))
        if recorded.get("format"):
            ours = {sidecar(main).name, *map(str, recorded.get("files", ()))}
    for path in paths:
        if path.exists() and path.name not in ours:
            raise OutputError(
                f"{path} is there, and no conversion to {main.name} has written it: move it, or "
                "choose another name with -o"
            )
