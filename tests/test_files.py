"""What has a name that is to be written to: files are replaced whole, what is no file stays."""

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from paddleport.errors import OutputError
from paddleport.files import write_atomically


@pytest.mark.parametrize("linked", [False, True])
def test_a_named_pipe_is_written_into(tmp_path: Path, linked: bool) -> None:
    pipe, named = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    named.symlink_to(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_atomically(named if linked else pipe, b"answers")
    reader.join(10)
    assert read == [b"answers"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert named.is_symlink()


def test_a_file_is_replaced_and_a_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(OutputError, match="Is a directory"):
        write_atomically(tmp_path, b"new")


def test_a_stream_of_the_process_is_not_replaced(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("w") as stream:
        link = tmp_path / "stdout"
        link.symlink_to(f"/proc/self/fd/{stream.fileno()}")
        with pytest.raises(OutputError, match=r"it leads to .*out\.txt\. Name that"):
            write_atomically(link, b"answers")
        assert link.is_symlink()
