"""Files are written in one step, and are on the disk when the call returns."""

import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from veroallarme_core.files import (
    atomic_file,
    atomic_text_file,
    put_in_place,
    write_atomically,
)

Write = Callable[[Path, bytes], None]


def write_by_block(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def write_text_by_block(path: Path, content: bytes) -> None:
    with atomic_text_file(path) as file:
        file.write(content.decode())


def move_there(path: Path, content: bytes) -> None:
    written = path.with_name("written")
    written.write_bytes(content)
    put_in_place(written, path)


@pytest.fixture(params=[write_by_block, write_text_by_block, write_atomically, move_there])
def write(request: pytest.FixtureRequest) -> Write:
    """Every way to write a file."""
    chosen: Write = request.param
    return chosen


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and replaced, in order."""
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        steps.append(f"sync {kind}")
        fsync(handle)

    def watched_replace(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    return steps


def test_file_is_synced_before_it_is_replaced_and_its_folder_after(
    tmp_path: Path, write: Write, steps: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert steps == ["sync file", "replace", "sync folder"]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_takes_its_place_as_a_whole(tmp_path: Path, steps: list[str]) -> None:
    (tmp_path / "written").mkdir()
    (tmp_path / "written" / "0.jpg").write_bytes(b"picture")
    put_in_place(tmp_path / "written", tmp_path / "event")
    assert (tmp_path / "event" / "0.jpg").read_bytes() == b"picture"
    assert steps == ["sync folder", "replace", "sync folder"]


def test_what_can_be_made_again_is_not_synced(tmp_path: Path, steps: list[str]) -> None:
    with atomic_file(tmp_path / "cache", is_durable=False) as file:
        file.write(b"new")
    assert (tmp_path / "cache").read_bytes() == b"new"
    assert steps == ["replace"]


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_atomically(tmp_path / "text", "é\r\n✓\n")
    with atomic_text_file(tmp_path / "block") as file:
        file.write("é\r\n✓\n")
    for name in ("text", "block"):
        assert (tmp_path / name).read_bytes() == "é\r\n✓\n".encode()


def test_full_disk_leaves_the_old_file(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("opened", [atomic_file, atomic_text_file])
def test_block_that_fails_leaves_the_old_file(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def break_off() -> None:
        with opened(path) as file:
            file.write("half" if opened is atomic_text_file else b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems cannot."""
    fsync = os.fsync

    def sync_files_only(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_threads_that_write_the_same_file_leave_one_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(path, content), contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_as_the_caller_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "scores.csv"
    with pytest.raises(OSError, match="No such file") as failed:
        write_atomically(path, b"new")
    assert failed.value.filename == str(path)
