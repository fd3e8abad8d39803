"""What stands in a device folder beside the model: tensors, texts, and the manifest."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from paddleport import __version__
from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.conversion import Conversion
from paddleport.convert.device.device_request import DeviceRequest
from paddleport.convert.device.folder_texts import (
    preprocess_text,
    program_files,
    readme_text,
)
from paddleport.convert.precision.gate_check import backends_for
from paddleport.convert.remaking import RemadeConversion
from paddleport.errors import NotProvenError, OutputError, UsageError
from paddleport.files import sha256
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.progress import Progress
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array
from paddleport.validate.compare.comparison import compare_outputs, overall, remarks
from paddleport.validate.compare.tolerance import TOLERANCES
from paddleport.validate.device.manifest import (
    EXPECTED,
    FEEDS,
    FLOAT64,
    MANIFEST,
    AnswerHere,
    DeviceFeed,
    DeviceTensor,
    Manifest,
    file_names,
    key_of,
)
from paddleport.validate.device.native_answers import NativeAnswers
from paddleport.validate.feeds.make_feeds import extreme_feeds, make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.feeds.value_ranges import input_ranges
from paddleport.validate.parity.describe import describe_model
from paddleport.validate.reports.figures import ERROR_UNIT, json_value

MODEL_FOLDER = "model"
_SAMPLES = 3


class FolderWriter:
    """Everything in the folder but the model, which is there by now."""

    def __init__(
        self,
        source: SourceModel,
        done: Conversion,
        request: DeviceRequest,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._source, self._done, self._request = source, done, request
        self._folder, self._progress = folder, progress
        self._made = done.artifact
        shapes = {name: item.opt for name, item in request.shapes.items()}
        self._onnx = self._made
        if self._made.format != "onnx":
            self._onnx = cached_onnx(
                source, opset=request.opset, shapes=shapes, feed=request.feed, progress=progress
            )
        self._feeds = _feeds(source, request, shapes)

    def write(self) -> Manifest:
        """Write all files, the manifest last."""
        fed = OnnxFeeds(self._source, self._onnx).of(self._feeds)
        with (
            RemadeConversion(self._source, self._onnx, self._made) as conversions,
            NativeAnswers(
                self._source,
                self._onnx,
                self._feeds,
                conversions=conversions,
                progress=self._progress,
            ) as native,
        ):
            self._check_telling(native)
            here = self._answers_here(native)
            manifest = self._manifest(native, here, fed)
            self._write_tensors(manifest, native, fed)
        self._write_texts(manifest)
        files = sorted(file for file in self._folder.rglob("*") if file.is_file())
        digests = {file.relative_to(self._folder).as_posix(): sha256([file]) for file in files}
        manifest = _with_files(manifest, digests)
        (self._folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
        return manifest

    @property
    def _precision(self) -> Precision:
        return self._done.precision

    def _check_telling(self, native: NativeAnswers) -> None:
        """See that answers to these feeds could be told from wrong ones."""
        outputs = native.outputs.outputs
        found = compare_outputs(
            outputs,
            outputs,
            TOLERANCES[self._precision],
            feeds=native.outputs.feed_names,
            classes=self._source.classes,
        )
        if overall(found) != "agrees":
            raise NotProvenError(
                f"answers to these feeds would prove nothing of {self._source.name}: "
                f"{'; '.join(remarks(found))}. Give it telling input with --feed NAME=FILE.npy "
                "or --images DIR"
            )

    def _answers_here(self, native: NativeAnswers) -> tuple[AnswerHere, ...]:
        """The file on every backend here that loads it; in fp32 all must agree."""
        found = []
        for backend, missing in backends_for(self._made.format, ()).items():
            if missing:
                continue
            self._progress(f"{backend} on the same feeds", None)
            answer, why = native.answer_here(backend)
            if answer.verdict != "agrees" and self._precision == "fp32":
                raise NotProvenError(
                    f"{backend} does not agree with native Paddle on the feeds of the folder "
                    f"({answer.verdict}): {why}"
                )
            found.append(answer)
        return tuple(found)

    def _manifest(
        self,
        native: NativeAnswers,
        here: tuple[AnswerHere, ...],
        fed: Sequence[Mapping[str, Array]],
    ) -> Manifest:
        source, made = self._source, self._made
        answers = native.outputs.outputs
        outputs = self._output_names(len(answers[0]))
        tolerance = TOLERANCES[self._precision]
        return Manifest(
            schema=1,
            paddleport=__version__,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            asked=self._request.asked,
            weights=self._request.weights,
            model=json_value(describe_model(source, self._onnx)),
            target=self._done.target,
            format=made.format,
            precision=self._precision,
            model_file=f"{MODEL_FOLDER}/{made.path.name}",
            limit=tolerance.limit,
            limit_unit=ERROR_UNIT,
            classes=source.classes,
            reference=native.title,
            float64_reference=native.description,
            here=here,
            not_run=self._done.not_run,
            inputs=_tensors(list(fed[0]), [feed.tensors for feed in self._feeds], fed),
            outputs=_tensors(outputs, answers, answers),
            feeds=tuple(
                DeviceFeed(name=feed.name, kind=feed.kind, picture=_picture_name(feed, number))
                for number, feed in enumerate(self._feeds)
            ),
            files={},
            published=json_value(source.published),
        )

    def _output_names(self, count: int) -> list[str]:
        """The file's outputs, of which there must be as many as native Paddle gives."""
        specs = self._made.outputs or onnx_tensors(self._onnx.path)[1]
        if len(specs) != count:
            raise OutputError(
                f"{self._made.path.name} has {len(specs)} outputs and native Paddle gives {count}: "
                "no answer of a device could be told apart"
            )
        return [spec.name for spec in specs]

    def _write_tensors(
        self, manifest: Manifest, native: NativeAnswers, fed: Sequence[Mapping[str, Array]]
    ) -> None:
        answers = native.outputs.outputs
        self._write_all(FEEDS, "feeds", manifest.inputs, dict(enumerate(fed)))
        self._write_all(EXPECTED, "expected", manifest.outputs, dict(enumerate(answers)))
        if native.float64:
            self._write_all(FLOAT64, "", manifest.outputs, native.float64)
        for feed, item in zip(self._feeds, manifest.feeds, strict=True):
            if feed.picture is not None:
                _write_picture(self._folder / item.picture, feed.picture)

    def _write_all(
        self,
        archive: str,
        raw: str,
        tensors: Sequence[DeviceTensor],
        found: Mapping[int, Mapping[str, Array]],
    ) -> None:
        """An archive by the names in the model, and raw files by their names in file systems."""
        packed = {}
        for number, mapping in found.items():
            for tensor, array in zip(tensors, mapping.values(), strict=True):
                packed[key_of(tensor.name, number)] = array
                if raw:
                    file = self._folder / raw / f"{key_of(tensor.file_name, number)}.bin"
                    file.parent.mkdir(exist_ok=True)
                    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
                    file.write_bytes(little.tobytes())
        np.savez_compressed(self._folder / archive, allow_pickle=False, **packed)

    def _write_texts(self, manifest: Manifest) -> None:
        source, folder = self._source, self._folder
        if source.labels:
            (folder / "labels.txt").write_text("\n".join(source.labels) + "\n", "utf-8")
        if source.preprocess is not None:
            (folder / "preprocess.json").write_text(preprocess_text(source.preprocess), "utf-8")
        programs = program_files(manifest)
        for name, text in programs.items():
            (folder / name).write_text(text, "utf-8")
        readme = readme_text(manifest, self._made, list(programs), source.preprocess, source.labels)
        (folder / "README.md").write_text(readme, "utf-8")


def _feeds(
    source: SourceModel, request: DeviceRequest, shapes: Mapping[str, Sequence[int]]
) -> list[NamedFeed]:
    inputs = source.program.inputs
    feeds = make_feeds(
        inputs,
        preprocess=source.preprocess,
        pictures=request.pictures,
        samples=_SAMPLES,
        shapes=shapes,
        given=request.feed,
        ranges=input_ranges(source),
    )
    feeds += extreme_feeds(feeds, inputs, source.preprocess)
    if len(feeds) < 2:
        raise UsageError(
            "one feed alone can't show that a device reads its feeds: give another --feed"
        )
    return feeds


def _tensors(
    names: Sequence[str],
    paddle: Sequence[Mapping[str, Array]],
    found: Sequence[Mapping[str, Array]],
) -> tuple[DeviceTensor, ...]:
    """What stands in the manifest of some inputs or outputs; positions belong together."""
    columns = zip(*(mapping.values() for mapping in found), strict=True)
    return tuple(
        DeviceTensor(
            name=name,
            file_name=safe,
            paddle_name=own,
            dtype=str(arrays[0].dtype),
            shapes=tuple(tuple(map(int, array.shape)) for array in arrays),
        )
        for name, safe, own, arrays in zip(
            names, file_names(names), paddle[0], columns, strict=True
        )
    )


def _picture_name(feed: NamedFeed, number: int) -> str:
    return "" if feed.picture is None else f"pictures/{number}.png"


def _write_picture(path: Path, picture: Array) -> None:
    """BGR pixels as a PNG, which keeps every bit of them."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(path)


def _with_files(manifest: Manifest, digests: Mapping[str, str]) -> Manifest:
    from msgspec.structs import replace as with_fields

    found: Manifest = with_fields(manifest, files=dict(digests))
    return found
