"""The reference picture: kept across restarts, replaced whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from veroallarme_core.demo.events import encode
from veroallarme_core.worker.camera.reference import ReferencePicture

OLD = encode(np.full((120, 160, 3), 60, np.uint8))
NEW = encode(np.full((120, 160, 3), 190, np.uint8))


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert ReferencePicture(tmp_path / "front" / "reference.jpg").load() is None


def test_picture_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "front" / "reference.jpg"
    ReferencePicture(path).save(OLD)
    reference = ReferencePicture(path)
    assert reference.load() == OLD
    reference.save(NEW)
    assert reference.load() == NEW
    assert ReferencePicture(path).load() == NEW
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
    reference.save(OLD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        reference.save(NEW)
    assert reference.load() == NEW
    assert ReferencePicture(path).load() == OLD


@pytest.mark.parametrize("data", [b"", b"<html>", NEW[: len(NEW) // 2]])
def test_damaged_picture_does_not_replace_a_good_one(tmp_path: Path, data: bytes) -> None:
    reference = ReferencePicture(tmp_path / "reference.jpg")
    assert reference.save(OLD)
    assert not reference.save(data)
    assert reference.load() == OLD


def test_picture_without_end_marker_becomes_the_reference(tmp_path: Path) -> None:
    reference = ReferencePicture(tmp_path / "reference.jpg")
    assert reference.save(OLD)
    assert reference.save(NEW.removesuffix(b"\xff\xd9"))
    assert reference.load() == NEW.removesuffix(b"\xff\xd9")
