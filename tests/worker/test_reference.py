"""The reference picture: kept across restarts, replaced whole or not at all."""

import os
from pathlib import Path

import pytest

from veroallarme_core.worker.reference import ReferencePicture


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert ReferencePicture(tmp_path / "front" / "reference.jpg").load() is None


def test_picture_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "front" / "reference.jpg"
    ReferencePicture(path).save(b"old")
    reference = ReferencePicture(path)
    assert reference.load() == b"old"
    reference.save(b"new")
    assert reference.load() == b"new"
    assert ReferencePicture(path).load() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["reference.jpg"]


def test_disk_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "reference.jpg"
    path.write_bytes(b"first")
    reference = ReferencePicture(path)
    assert reference.load() == b"first"
    path.write_bytes(b"changed behind our back")
    assert reference.load() == b"first"


def test_full_disk_keeps_the_old_file_and_uses_the_new_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reference.jpg"
    reference = ReferencePicture(path)
    reference.save(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        reference.save(b"new")
    assert reference.load() == b"new"
    assert ReferencePicture(path).load() == b"old"
