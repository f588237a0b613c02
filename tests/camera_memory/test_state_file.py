"""State files: written in one step, read without pickle, refused in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

from veroallarme_core.camera_memory import state_file
from veroallarme_core.camera_memory.state_file import (
    StateFileError,
    read_learned,
    read_state,
    write_state,
)

ARRAY = np.arange(6, dtype=np.int16).reshape(2, 3)


def write(path: Path, **facts: object) -> None:
    write_state(path, "test", 3, facts, {"array": ARRAY})


def refused(path: Path) -> str:
    with pytest.raises(StateFileError) as caught:
        read_state(path, "test", 3)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on the way" / "state.npz"
    write(path, name="é", nothing=None, numbers=[1, 2.5])
    facts, arrays = read_state(path, "test", 3)
    assert facts == {"name": "é", "nothing": None, "numbers": [1, 2.5]}
    assert list(arrays) == ["array"]
    assert np.array_equal(arrays["array"], ARRAY)
    assert arrays["array"].dtype == ARRAY.dtype


def test_writing_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.npz"
    write(path, number=1)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, number=2)
    assert read_state(path, "test", 3)[0] == {"number": 1}
    assert list(tmp_path.iterdir()) == [path], "nothing half-written stays"


def test_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nowhere.npz", "test", 3)


@pytest.mark.parametrize(("kind", "version"), [("test", 4), ("other", 3)])
def test_another_kind_or_version_is_refused(tmp_path: Path, kind: str, version: int) -> None:
    path = tmp_path / "state.npz"
    write_state(path, kind, version, {}, {})
    assert refused(path).endswith(f"holds '{kind}' of version {version}, not 'test' of version 3.")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", b"\x93NUMPY\x01\x00"])
def test_what_is_no_state_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    refused(path)


def test_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path)


def test_single_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with path.open("wb") as file:
        np.save(file, ARRAY)
    refused(path)


@pytest.mark.parametrize(
    "facts", ["3", '"text"', "[]", "null", "{", '{"kind": "test"}', "[" * 100_000]
)
def test_facts_of_any_kind_are_refused(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "state.npz"
    with path.open("wb") as file:
        np.savez(file, facts=np.frombuffer(facts.encode(), np.uint8))
    refused(path)


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.trace,)  # type: ignore[return-value]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path, trace = tmp_path / "state.npz", tmp_path / "trace"
    facts = np.frombuffer(json.dumps({"kind": "test", "version": 3}).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, facts=facts, array=np.array([Trap(trace)], object))
    refused(path)
    assert not trace.exists()
    with path.open("rb") as file, np.load(file, allow_pickle=True) as content:
        assert content["array"] is not None
    assert trace.is_dir(), "the trap must work"


def test_what_cannot_be_unpickled_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_state(tmp_path / "state.npz", "test", 3, {}, {"array": np.array([{}], object)})
    assert not list(tmp_path.iterdir())


def test_what_was_learned_is_read_with_its_encoder_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write(path, encoder="some-1", number=5)
    read = read_learned(path, "test", 3, "some-1", lambda facts, arrays: (facts, arrays))
    assert read[0]["number"] == 5
    assert np.array_equal(read[1]["array"], ARRAY)
    with pytest.raises(StateFileError, match=r"with the encoder some-1, not some-2\.$"):
        read_learned(path, "test", 3, "some-2", lambda facts, arrays: facts)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ValueError("x"), OverflowError()])
def test_what_cannot_be_restored_is_refused(tmp_path: Path, error: Exception) -> None:
    def restore(facts: object, arrays: object) -> None:
        raise error

    path = tmp_path / "state.npz"
    write(path, encoder="some-1")
    with pytest.raises(StateFileError, match="lacks a part of a test"):
        read_learned(path, "test", 3, "some-1", restore)


@pytest.mark.parametrize("array", [[1.0, np.nan], [np.inf], ["text"]])
def test_what_holds_no_finite_numbers_is_refused(tmp_path: Path, array: list[object]) -> None:
    path = tmp_path / "state.npz"
    write_state(path, "test", 3, {"encoder": "some-1"}, {"array": np.array(array)})
    with pytest.raises(StateFileError, match="lacks a part of a test"):
        read_learned(path, "test", 3, "some-1", lambda facts, arrays: facts)


@pytest.mark.parametrize("word", ["kind", "version", "encoder"])
def test_what_a_damaged_file_says_is_not_repeated_at_length(tmp_path, word):
    path = tmp_path / "state.npz"
    facts = {"kind": "a", "version": 1, "encoder": "e", word: "x" * 5000}
    with path.open("wb") as file:
        np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8))
    with pytest.raises(StateFileError) as caught:
        read_learned(path, "a", 1, "e", lambda facts, arrays: None)
    assert len(str(caught.value)) < len(str(path)) + 200


def test_what_unpacks_to_more_than_a_state_has_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, a=np.zeros(1 << 18))
    monkeypatch.setattr(state_file, "MAX_STATE_BYTES", 1 << 20)
    with pytest.raises(StateFileError, match="it unpacks to"):
        read_state(path, "a", 1)
