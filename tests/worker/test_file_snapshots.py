"""Snapshots from files."""

import os
import threading
from datetime import datetime
from pathlib import Path

import pytest

from tests.worker.counting_camera import MOTION_AT, jpeg, now
from veroallarme_core.worker import file_snapshots
from veroallarme_core.worker.bursts import take_burst
from veroallarme_core.worker.file_snapshots import FileSource
from veroallarme_core.worker.snapshot_sources import open_client
from veroallarme_core.worker.snapshots import MAX_PICTURE_BYTES, Snapshot, SnapshotError


def write(path: Path, number: int, age_s: float = 0.0) -> Path:
    path.write_bytes(jpeg(number))
    stamp = now().timestamp() - age_s
    os.utime(path, (stamp, stamp))
    return path


@pytest.fixture
def ftp(tmp_path) -> Path:
    """A folder as a camera's FTP upload leaves it."""
    write(tmp_path / "1.jpg", 1, age_s=30)
    write(tmp_path / "2.JPG", 2, age_s=5)
    write(tmp_path / "3.png", 3, age_s=20)
    write(tmp_path / "newest.txt", 4)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "number"), [("", 2), ("1.jpg", 1), ("*.png", 3), ("**/[13].*", 3), ("*", 4)]
)
async def test_the_newest_file_counts(ftp, session, path, number):
    client = open_client(FileSource(path=ftp / path), session)
    assert (await client.fetch(MOTION_AT)).data == jpeg(number)


async def test_a_file_tells_its_age(ftp, session):
    snapshot = await open_client(FileSource(path=ftp / "1.jpg"), session).fetch(MOTION_AT)
    assert 29_000 < snapshot.age_ms < 60_000
    assert abs((now() - snapshot.captured_at).total_seconds() * 1000 - snapshot.age_ms) < 5_000


async def test_a_burst_waits_for_the_file_to_change(tmp_path, session):
    path = write(tmp_path / "live.jpg", 0)
    client = open_client(FileSource(path=path), session)
    reads = 0

    class Rewriting:
        async def fetch(self, moment: datetime) -> Snapshot:
            nonlocal reads
            snapshot = await client.fetch(moment)
            reads += 1
            write(path, reads // 2)
            return snapshot

        async def close(self) -> None:
            await client.close()

    burst = await take_burst(Rewriting(), spacing_s=0.0, motion_at=now())
    assert [s.data for s in burst.snapshots] == [jpeg(0), jpeg(1), jpeg(2)]
    assert burst.fetched == 5


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("missing.jpg", None, "file", "holds no picture"),
        ("empty.jpg", b"", "empty", "empty picture"),
        ("page.jpg", b"<html><title>Hello</title>", "not_an_image", "Hello"),
        ("big.jpg", jpeg() + bytes(MAX_PICTURE_BYTES), "too_large", "16 MB"),
        ("folder", None, "file", "holds no picture"),
    ],
)
async def test_unusable_files(tmp_path, session, name, content, code, says):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SnapshotError, match=says) as caught:
        await open_client(FileSource(path=path), session).fetch(now())
    assert caught.value.code == code
    assert str(path) in str(caught.value)


async def test_a_file_that_cannot_be_opened(tmp_path, session, monkeypatch):
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_snapshots, "_newest_file", refuse)
    with pytest.raises(SnapshotError, match="Permission denied") as caught:
        await open_client(FileSource(path=tmp_path / "x.jpg"), session).fetch(now())
    assert caught.value.code == "file"


async def test_a_hanging_disk_holds_one_thread_only(tmp_path, session, monkeypatch):
    hold = threading.Event()
    begun = 0

    def hang(path: str) -> tuple[bytes, datetime]:
        nonlocal begun
        begun += 1
        hold.wait(10)
        return jpeg(begun), now()

    monkeypatch.setattr(file_snapshots, "_read_newest", hang)
    client = open_client(FileSource(path=tmp_path, timeout_s=0.05), session)
    for _ in range(3):
        with pytest.raises(SnapshotError) as caught:
            await client.fetch(now())
        assert caught.value.code == "timeout"
    assert begun == 1
    hold.set()
    assert (await client.fetch(now())).data == jpeg(1)
    assert (await client.fetch(now())).data == jpeg(2)
    await client.close()
    with pytest.raises(SnapshotError) as caught:
        await client.fetch(now())
    assert caught.value.code == "closed"


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"path": Path("a\0")}, "null"), ({"path": Path("a"), "timeout_s": 0}, "seconds above 0")],
)
def test_an_impossible_file_source_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        FileSource(**fields)
