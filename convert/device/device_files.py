"""A folder for phones and boards: a proven model file, feeds, and the answers to expect."""

from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.conversion import Conversion
from paddleport.convert.device.device_request import DeviceRequest
from paddleport.convert.device.folder_writer import MODEL_FOLDER, FolderWriter
from paddleport.convert.pipeline import convert, file_name
from paddleport.convert.targets import TargetOptions, target_class
from paddleport.convert.whole_folder import whole_folder
from paddleport.errors import NotProvenError, UsageError
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress, no_progress
from paddleport.runners.runner_options import Precision
from paddleport.validate.device.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class WrittenFolder:
    """A finished folder.

    Attributes:
        path: where it is.
        conversion: how its file was made and checked.
        manifest: what stands in it.
        size_bytes: of all files.
    """

    path: Path
    conversion: Conversion
    manifest: Manifest
    size_bytes: int


def default_folder(model: str, to: str, precision: Precision | None) -> Path:
    """Such as ``MobileNetV2.ncnn.device``, in the current folder."""
    lower = f".{precision}" if precision not in (None, "fp32") else ""
    return Path(f"{model}.{to}{lower}.device")


def write_device_folder(
    source: SourceModel,
    path: Path,
    request: DeviceRequest,
    *,
    progress: Progress = no_progress,
) -> WrittenFolder:
    """Make the model file, check it, ask native Paddle, and write all of it as one folder.

    Raises:
        NotProvenError: the file is not proven to be the same model, here or on these feeds, or
            native Paddle's answers would prove nothing.
        OutputError: the folder is there already, or can't be written.
        PortError: as ``convert`` does.
    """
    if target_class(request.to).main_file:
        raise UsageError(
            f"--to {request.to} makes a folder of its own, which no other needs: paddleport "
            f"convert {request.asked} --to {request.to}"
        )
    with whole_folder(path) as waiting:
        (waiting / MODEL_FOLDER).mkdir(parents=True)
        done = _converted(source, waiting / MODEL_FOLDER, request, progress)
        manifest = FolderWriter(source, done, request, waiting, progress).write()
    size_bytes = sum((path / name).stat().st_size for name in manifest.files)
    return WrittenFolder(path=path, conversion=done, manifest=manifest, size_bytes=size_bytes)


def _converted(
    source: SourceModel, folder: Path, request: DeviceRequest, progress: Progress
) -> Conversion:
    options = TargetOptions(precision=request.precision)
    name = file_name(source.name, target_class(request.to), options, embed_preprocess=False)
    done = convert(
        source,
        folder / name,
        to=request.to,
        precision=request.precision,
        opset=request.opset,
        shapes=request.shapes,
        keep_fp32=request.keep_fp32,
        gate=request.gate,
        feed=request.feed if request.precision in (None, "fp32") else None,
        timeout_s=request.timeout_s,
        progress=progress,
    )
    if done.written is None:
        raise NotProvenError(done.explanation)
    return done
