"""Snapshots from files."""

import asyncio
import itertools
import os
import threading
from datetime import datetime
from pathlib import Path

import pytest

from tests.worker.counting_camera import MOTION_AT, jpeg, now
from veroallarme_core.worker.snapshots import file_snapshots
from veroallarme_core.worker.snapshots.bursts import take_burst
from veroallarme_core.worker.snapshots.file_snapshots import FileSource, Reading
from veroallarme_core.worker.snapshots.snapshots import MAX_PICTURE_BYTES, Snapshot, SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client


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
async def test_the_newest_file_counts(ftp, path, number):
    client = open_client(FileSource(path=ftp / path))
    assert (await client.fetch(MOTION_AT)).data == jpeg(number)


async def test_a_file_tells_its_age(ftp):
    snapshot = await open_client(FileSource(path=ftp / "1.jpg")).fetch(MOTION_AT)
    assert 29_000 < snapshot.age_ms < 60_000
    assert abs((now() - snapshot.captured_at).total_seconds() * 1000 - snapshot.age_ms) < 5_000


async def test_a_burst_waits_for_the_file_to_change(tmp_path):
    path = write(tmp_path / "live.jpg", 0)
    client = open_client(FileSource(path=path))
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


async def test_a_picture_that_is_being_written_is_waited_for(tmp_path):
    path = tmp_path / "upload.jpg"
    path.write_bytes(b"")
    client = open_client(FileSource(path=path, timeout_s=30))
    fetching = asyncio.create_task(client.fetch(now()))
    for share in (0.1, 0.5, 0.9, 1):
        await asyncio.sleep(2 * file_snapshots.LOOK_AGAIN_S)
        assert not fetching.done()
        path.write_bytes(jpeg(1)[: int(share * len(jpeg(1)))])
    assert (await fetching).data == jpeg(1)


async def test_a_picture_that_nobody_finishes_is_taken_as_it_is(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(jpeg(1)[:-100])
    assert (await open_client(FileSource(path=path)).fetch(now())).data == jpeg(1)[:-100]
    # The time may be over before.
    client = open_client(FileSource(path=path, timeout_s=file_snapshots.SETTLED_S / 2))
    assert (await client.fetch(now())).data == jpeg(1)[:-100]


async def test_a_file_without_an_end_marker_is_a_picture(tmp_path):
    path = tmp_path / "endless.jpg"
    path.write_bytes(jpeg(1)[:-2])
    burst = await take_burst(open_client(FileSource(path=path)), size=1, motion_at=now())
    assert [s.data for s in burst.snapshots] == [jpeg(1)[:-2]]


async def test_a_file_that_is_overwritten_slowly_gives_whole_pictures_only(tmp_path):
    path = write(tmp_path / "live.jpg", 0)

    async def overwrite() -> None:
        for number in itertools.count(1):
            with path.open("wb", buffering=0) as file:
                for start in range(0, len(jpeg(number)), 500):
                    file.write(jpeg(number)[start : start + 500])
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)

    writing = asyncio.create_task(overwrite())
    client = open_client(FileSource(path=path, timeout_s=30))
    burst = await take_burst(client, spacing_s=0.01, limit_s=60, motion_at=now())
    writing.cancel()
    assert burst.distinct == 3
    whole = {jpeg(number) for number in range(100)}
    assert {s.data for s in burst.snapshots} <= whole


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
async def test_unusable_files(tmp_path, name, content, code, says):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SnapshotError, match=says) as caught:
        await open_client(FileSource(path=path)).fetch(now())
    assert caught.value.code == code
    assert str(path) in str(caught.value)


async def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_snapshots, "_newest_file", refuse)
    with pytest.raises(SnapshotError, match="Permission denied") as caught:
        await open_client(FileSource(path=tmp_path / "x.jpg")).fetch(now())
    assert caught.value.code == "file"


async def test_a_hanging_disk_holds_one_thread_only(tmp_path, monkeypatch):
    hold = threading.Event()
    begun = 0

    def hang(path: str) -> Reading:
        nonlocal begun
        begun += 1
        hold.wait(10)
        return Reading(path, jpeg(begun), now(), is_finished=True)

    monkeypatch.setattr(file_snapshots, "_read_newest", hang)
    client = open_client(FileSource(path=tmp_path, timeout_s=0.05))
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
