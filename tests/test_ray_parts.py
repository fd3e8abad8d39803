"""What goes to Ray and comes back, without a cluster: names, parts, files, shipped models."""

import os
import shutil
import socket
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import colour_pictures
import numpy as np
import onnx
import pytest
from conftest import skip_or_fail

from paddleport.cli.ray_engine import is_asked, out_and_extras
from paddleport.errors import OutputError, UsageError
from paddleport.progress import no_progress
from paddleport.runners.predictor import Predictor, PredictorSpec

try:
    import fsspec
    import pyarrow
    from pyarrow import parquet
except ImportError as absent:
    skip_or_fail("ray", str(absent))

from paddleport.integrations import ray_run, stored_pictures
from paddleport.integrations.answer_parts import AnswerParts, encoded
from paddleport.integrations.answer_tables import answers_table, array_from
from paddleport.integrations.ray_actors import connect
from paddleport.integrations.ray_data import BatchPredictor
from paddleport.integrations.shipped_model import ship
from paddleport.integrations.stored_pictures import read_stored, stored_parts, with_read_errors


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PredictorSpec:
    path = tmp_path_factory.mktemp("ray") / "colours.onnx"
    model = colour_pictures.save_classifier(path, described=True)
    return PredictorSpec(
        model=model, backend="onnxruntime", preprocess=model.preprocess, labels=("r", "g", "b")
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = colour_pictures.draw_colours(tmp_path_factory.mktemp("pictures"), 20)
    (folder / "0" / "bad.png").write_bytes(b"no picture")
    return folder


def answered(spec: PredictorSpec, names: list[Any]) -> list[Any]:
    with spec.open() as predictor:
        return list(predictor.predict_many(names))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_folder_in_parts_is_what_run_finds(pictures: Path, size: int) -> None:
    parts = list(stored_parts([f"file://{pictures}"], size))
    names = [name for part in parts for name in part.names]
    assert names == [str(file) for file in sorted(pictures.rglob("*.png"))]
    assert all(part.size == size for part in parts[:-1])


def test_a_part_is_named_by_pictures_and_options(
    spec: PredictorSpec, pictures: Path, tmp_path: Path
) -> None:
    asked = {"topk": 5}
    folder = shutil.copytree(pictures, tmp_path / "photos")
    some, other = sorted(folder.rglob("*.png"))[:2]

    def parts() -> list[str]:
        request = ray_run.RayRequest(spec=spec, names=[str(folder)], out=str(tmp_path / "out"))
        return [part.name for part in ray_run._named(request, 1, asked)]

    before = parts()
    assert parts() == before
    some.write_bytes(other.read_bytes())
    after = parts()
    assert [one == same for one, same in zip(before, after, strict=True)].count(False) == 1
    asked["topk"] = 3
    assert not set(parts()) & set(after)


def test_where_nobody_listens_is_said_at_once(free_port: int) -> None:
    for address in (f"127.0.0.1:{free_port}", f"ray://127.0.0.1:{free_port}", "127.0.0.1:99999"):
        began = time.monotonic()
        with pytest.raises(UsageError, match=rf"no Ray cluster at {address}: \S"):
            connect(address)
        assert time.monotonic() - began < 5


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_an_object_store_gives_the_same_answers(spec: PredictorSpec, pictures: Path) -> None:
    store = fsspec.filesystem("memory")
    for file in pictures.rglob("*.png"):
        store.pipe_file(f"/photos/{file.relative_to(pictures)}", file.read_bytes())
    store.pipe_file("/photos/notes.txt", b"not asked for")
    (part,) = stored_parts(["memory://photos"], 100)
    errors: dict[int, str] = {}
    gone = "memory:///photos/0/gone.png"
    sources = list(read_stored([*part.names, gone], errors))
    with spec.open() as predictor:
        found = with_read_errors(predictor.predict_many(sources), errors)
    wanted = answered(spec, sorted(pictures.rglob("*.png")))
    assert [item.answer for item in found[:-1]] == [item.answer for item in wanted]
    assert found[-1].error == f"{gone} cannot be read: FileNotFoundError"
    assert len(list(stored_parts(["memory://photos/*/*.png"], 4))) == 6
    with pytest.raises(UsageError, match="holds no pictures"):
        list(stored_parts(["memory://nowhere/*.png"], 4))


@pytest.mark.parametrize("in_struct", [True, False])
def test_parquet_rows_are_read_once_each(tmp_path: Path, pictures: Path, in_struct: bool) -> None:
    files = sorted(pictures.rglob("*.png"))
    cells: list[Any] = [file.read_bytes() for file in files]
    if in_struct:
        cells = [
            {"bytes": cell, "path": file.name} for cell, file in zip(cells, files, strict=True)
        ]
    table = pyarrow.table({"image": cells, "label": [0] * len(cells)})
    parquet.write_table(table, tmp_path / "shard.parquet", row_group_size=5)
    for size in (1, 3, 5, 8, 50):
        parts = list(stored_parts([str(tmp_path)], size))
        found: list[Any] = [source for part in parts for source in part.sources({})]
        assert [content for _, content in found] == [file.read_bytes() for file in files]
        assert len({name for name, _ in found}) == len(files)


def test_a_part_is_whole_or_not_there(tmp_path: Path, spec: PredictorSpec, pictures: Path) -> None:
    with spec.open() as predictor:
        table = answers_table(list(predictor.predict_many(pictures.rglob("*.png"))), predictor)
    content = encoded(table, 1)
    for address in (str(tmp_path / "out"), "memory://answers"):
        out = AnswerParts(address)
        assert out.names() == set()
        out.begin({"model": "a", "threads": 1})
        out.begin({"model": "a", "threads": 1})
        out.write("part-0.parquet", content)
        out.write("part-1.parquet", content[:-20])
        assert len(out.names()) == 2
        footer = content[-int.from_bytes(content[-8:-4], "little") - 8 :]
        out.write("part-2.parquet", bytes(len(content) - len(footer)) + footer)
        seen = out.seen("part-0.parquet")
        assert seen is not None and seen[0] == 21 and "bad.png is text" in "".join(seen[1])
        assert out.seen("part-1.parquet") is out.seen("part-2.parquet") is None
        with pytest.raises(UsageError, match=r"another run \(model differ\)"):
            out.check({"model": "b", "threads": 1})
        out.check({"model": "a", "threads": 1})


def test_a_folder_without_answers_is_of_no_other_run(tmp_path: Path) -> None:
    out = AnswerParts(str(tmp_path))
    out.begin({"model": "a"})
    out.check({"model": "b"})


@pytest.mark.parametrize("store", ["", "memory:/"])
def test_two_runs_do_not_mix(tmp_path: Path, store: str) -> None:
    out, one, other = AnswerParts(f"{store}{tmp_path}"), {"topk": 5}, {"topk": 3}
    out.begin(one)
    out.begin(other)  # at the same time: there are no answers yet
    with pytest.raises(UsageError, match=r"another run has begun in .* \(topk differ\)"):
        out.write_part("part-0.parquet", b"", one)
    out.write_part("part-0.parquet", b"", other)
    with pytest.raises(UsageError, match=r"another run \(topk differ\)"):
        out.begin(one)
    assert out.names_among({"part-0.parquet", "part-1.parquet"}) == {"part-0.parquet"}
    with pytest.raises(UsageError, match=r"with other options, in part-0.parquet"):
        out.names_among({"part-1.parquet"})


def test_a_name_that_leads_nowhere_is_said_before_anything(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nophotos does not exist"):
        list(stored_parts([str(tmp_path / "nophotos")], 4))
    (part,) = stored_parts([str(tmp_path / "gone.jpg")], 4)  # its row says so
    assert part.size == 1


def test_tensors_come_back_bit_for_bit(spec: PredictorSpec, pictures: Path) -> None:
    raw = PredictorSpec(
        model=spec.model, backend=spec.backend, preprocess=spec.preprocess, task="tensors"
    )
    files = sorted(pictures.rglob("*.png"))
    wanted = answered(raw, files)
    table = BatchPredictor(raw)({"path": np.array([str(file) for file in files])})
    assert table.column_names == ["path", "error", "output_y"]
    for row, item in zip(table.to_pylist(), wanted, strict=True):
        assert (row["output_y"] is None) == bool(item.error) == bool(row["error"])
        if not item.error:
            assert array_from(row["output_y"]).tobytes() == item.answer["y"].tobytes()


def test_batches_by_path_and_by_bytes(spec: PredictorSpec, pictures: Path) -> None:
    files = sorted(pictures.rglob("*.png"))
    names = np.array([str(file) for file in files])
    held = BatchPredictor(ship(spec))
    by_path = held({"path": names}).to_pylist()
    both = {"path": names, "bytes": np.array([file.read_bytes() for file in files], object)}
    assert [row["scores"] for row in held(both).to_pylist()] == [row["scores"] for row in by_path]
    for row, item in zip(by_path, answered(spec, files), strict=True):
        assert (row["path"], row["error"]) == (item.picture, item.error)
        assert row["scores"] == (item.answer and [each.score for each in item.answer])
        assert row["labels"] == (item.answer and [each.label for each in item.answer])
    with pytest.raises(UsageError, match="rename_columns"):
        held({"image": names})


def test_a_model_is_sent_where_its_file_is_not(
    tmp_path: Path, spec: PredictorSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    sent = ship(spec)
    assert sent.here() is spec
    content = spec.model.path.read_bytes()
    moved = spec.model.path.rename(tmp_path / "elsewhere.onnx")
    try:
        found = sent.here().model.path
        assert found.is_relative_to(tmp_path / "cache")
        assert found.read_bytes() == content
        assert sent.here().model.path == found
        spec.model.path.write_bytes(b"another model")  # the same path, other bytes
        assert sent.here().model.path == found
        Predictor(sent.here()).runner.close()
    finally:
        moved.replace(spec.model.path)


def test_weights_beside_the_file_are_of_the_model(
    tmp_path: Path, spec: PredictorSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CACHE", str(tmp_path / "cache"))
    path, weights = tmp_path / "colours.onnx", tmp_path / "w.bin"
    proto = onnx.load(str(spec.model.path))
    onnx.save(proto, str(path), save_as_external_data=True, location=weights.name, size_threshold=0)
    model = replace(spec.model, files=(path,))
    before = ship(replace(spec, model=model))
    assert before.files.here() is model
    content = weights.read_bytes()
    weights.write_bytes(content[::-1])
    now = ship(before.spec)
    assert ray_run._asked(now, 4) != ray_run._asked(before, 4)
    stale = before.files.here().path  # as where an older model lies at the same paths
    assert stale != path and stale.with_name(weights.name).read_bytes() == content


def test_the_short_option_is_the_folder_beside_an_engine() -> None:
    assert out_and_extras("ray", None, ["streams=2", "answers"]) == ("answers", ["streams=2"])
    assert out_and_extras("ray", "answers", ["streams=2"]) == ("answers", ["streams=2"])
    with pytest.raises(UsageError, match=r"write -o KEY=VALUE; a folder .* --engine ray"):
        out_and_extras(None, None, ["streams"])
    with pytest.raises(UsageError, match="one folder is taken, and there are a, b"):
        out_and_extras("ray", "a", ["b"])


@pytest.mark.parametrize(
    ("engine", "out", "words"),
    [
        (None, "a", "--out a is for --engine ray"),
        ("dask", "a", "dask"),
        ("ray", None, "-o DIR"),
        ("ray", "", "-o DIR"),
    ],
)
def test_options_that_do_not_go_together(engine: str | None, out: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        is_asked(engine, out, None, None, pictures=["photos"], jsonl=None)


def test_a_folder_with_pictures_and_tables_and_our_own_answers(
    tmp_path: Path, pictures: Path
) -> None:
    folder = tmp_path / "both"
    shutil.copytree(pictures, folder)
    loose = [name for part in stored_parts([str(folder)], 4) for name in part.names]
    content = pyarrow.table({"image": [Path(loose[0]).read_bytes()] * 3})
    for place in (folder / "rows.parquet", folder / "out" / "part-00000000-0.parquet"):
        place.parent.mkdir(exist_ok=True)
        parquet.write_table(content, place)
    parts = list(stored_parts([str(folder)], 4, but_in=str(folder / "out")))
    assert [part.names for part in parts if part.rows] == [(str(folder / "rows.parquet"),)]
    assert [name for part in parts if not part.rows for name in part.names] == loose


def test_no_pictures_are_no_answer(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    for name, out in ((".", "."), ("0", "."), ("*/*.png", f"file://{pictures}"), ("0", "0/../0")):
        with pytest.raises(UsageError, match=r"lies in .*, where the answers go: give another -o"):
            list(stored_parts([name], 4, but_in=out))
    table = tmp_path / "out" / "rows.parquet"
    table.parent.mkdir()
    parquet.write_table(pyarrow.table({"image": pyarrow.array([], pyarrow.binary())}), table)
    for folder in (tmp_path / "out", tmp_path / "elsewhere"):
        with pytest.raises(UsageError, match=r"no pictures. Parquet files have no rows"):
            list(stored_parts([str(tmp_path)], 4, but_in=str(folder)))


def test_answers_in_the_memory_of_a_process_are_refused(spec: PredictorSpec) -> None:
    request = ray_run.RayRequest(spec=spec, names=["photos"], out="memory://answers")
    with pytest.raises(UsageError, match="each actor's own memory"):
        ray_run.run_on_ray(request, no_progress, print)


def test_a_store_that_fails_for_a_while_ends_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def cat_ranges(self, paths: list[str], *ranges: None, on_error: str) -> list[Exception]:
            return [FileNotFoundError("gone"), TimeoutError("later")]

    store = Store()
    monkeypatch.setattr(stored_pictures, "filesystem", lambda name: (store, name))
    errors: dict[int, str] = {}
    with pytest.raises(OutputError, match="x://b can't be read now: TimeoutError"):
        list(stored_pictures.read_stored(["x://a", "x://b"], errors))
    assert errors == {0: "x://a cannot be read: FileNotFoundError"}


def test_stores_of_several_kinds_in_one_part(pictures: Path, tmp_path: Path) -> None:
    content = [file.read_bytes() for file in sorted(pictures.rglob("*.png"))[:2]]
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("in/a.png", content[0])
    store = fsspec.filesystem("memory")
    store.pipe_file("/kinds/b[0].png", content[1])
    store.pipe_file("/kinds/b0.png", b"another")
    local = tmp_path / "c.png"
    local.write_bytes(content[0])
    inside = f"zip://in/a.png::{archive}"
    names = [inside, f"zip://in::{archive}", "memory://kinds/b[0].png", f"local://{local}"]
    (part,) = stored_parts([*names, f"zip://*/*.png::{archive}"], 9)
    assert part.names == (inside, inside, names[2], str(local), inside)
    errors: dict[int, str] = {}
    read = [(inside, content[0]), (names[2], content[1]), (str(local), local)]
    assert list(part.sources(errors)) == [read[0], *read, read[0]]
    assert list(read_stored([names[-1]], errors)) == [(names[-1], local)] and not errors
    assert AnswerParts(f"local://{tmp_path}/out/").address == str(tmp_path / "out")
    with pytest.raises(UsageError, match=r"nowhere.zip cannot be opened: .*No such file"):
        list(stored_parts([f"zip://in::{tmp_path}/nowhere.zip"], 9))


class Refused(Exception):
    """As aiohttp's, no ``OSError``."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} from there")
        self.status = status


class RefusingStore(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    protocol = "refusing"

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": path, "size": 9, "type": "file"}

    def isdir(self, path: str) -> bool:
        raise Refused(403)

    def _open(self, path: str, *more: Any, **options: Any) -> Any:
        raise Refused(503 if "busy" in path else 403)


def test_what_a_store_raises_is_one_line() -> None:
    fsspec.register_implementation("refusing", RefusingStore, clobber=True)
    (part,) = stored_parts(["refusing://h/a.png"], 4)
    errors: dict[int, str] = {}
    assert list(part.sources(errors)) == [("refusing://h/a.png", b"")]
    assert errors == {0: "refusing://h/a.png cannot be read: HTTP 403"}
    with pytest.raises(OutputError, match=r"can't be read now: Refused: 503 from there"):
        list(read_stored(["refusing://h/busy.png"], errors))
    for name, what in (("photos", "listed"), ("t.parquet", "read")):
        with pytest.raises(UsageError, match=rf"h/{name} cannot be {what}: 403 from there$"):
            list(stored_parts([f"refusing://h/{name}"], 4))
    with pytest.raises(UsageError, match=r"refusing://h/out cannot be read: 403 from there$"):
        AnswerParts("refusing://h/out").check({})


def test_a_damaged_page_names_its_file(tmp_path: Path, pictures: Path) -> None:
    content = [file.read_bytes() for file in pictures.rglob("*.png")]
    file = tmp_path / "shard.parquet"
    parquet.write_table(pyarrow.table({"image": content}), file, compression="zstd")
    good = file.read_bytes()
    file.write_bytes(good[:4] + bytes(len(good) // 2) + good[4 + len(good) // 2 :])
    (part,) = stored_parts([str(file)], 99)  # its footer is whole
    with pytest.raises(UsageError, match=r"shard.parquet is damaged or no Parquet file: \S"):
        list(part.sources({}))


@pytest.mark.parametrize("store", ["", "memory:/"])
@pytest.mark.parametrize("name", ["", "/rows.parquet", "/*.parquet"])
def test_a_folder_called_as_a_table(tmp_path: Path, store: str, name: str) -> None:
    place = f"{store}{tmp_path}"
    stream = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({"image": [b"a"] * 3}), stream)
    files = [f"{place}/rows.parquet/part-{index}.parquet" for index in range(2)]
    for file in files:
        with fsspec.open(file, "wb", auto_mkdir=True) as opened:
            opened.write(stream.getvalue())
    assert [part.names for part in stored_parts([place + name], 4)] == [(file,) for file in files]


def test_a_name_of_other_bytes_is_written_out(spec: PredictorSpec, pictures: Path) -> None:
    name = f"a{os.fsdecode(bytes([255]))}.png"
    with spec.open() as predictor:
        source = (name, next(pictures.rglob("*.png")).read_bytes())
        table = answers_table(list(predictor.predict_many([source, (name, b"none")])), predictor)
    assert table["path"].to_pylist() == ["a\\udcff.png"] * 2
    assert table["error"].to_pylist()[1].startswith("a\\udcff.png")
    for words in ({"out": "out", "pictures": [name]}, {"out": name, "pictures": ["a.png"]}):
        with pytest.raises(UsageError, match="no UTF-8, and Ray takes no such command line"):
            is_asked("ray", address=None, actors=None, jsonl=None, **words)  # type: ignore[arg-type]


def test_answers_go_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file: give a folder as -o"):
        AnswerParts(str(tmp_path / "file")).check({})
