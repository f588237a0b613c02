"""What a camera has learned, on disk: named arrays and a few facts in one file, no pickle."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.files import atomic_file

T = TypeVar("T")

_FACTS = "facts"
MAX_STATE_BYTES = 1 << 30
"""Of all that a state file unpacks to: far more than a camera knows, far less than a bomb."""
_MAX_SHOWN = 60
"""Characters of a damaged file's words that a sentence repeats."""
Arrays = Mapping[str, NDArray[Any]]


class StateFileError(ValueError):
    """A file of a camera's state cannot be used; the message is one sentence."""


def write_state(
    path: Path, kind: str, version: int, facts: Mapping[str, Any], arrays: Arrays
) -> None:
    """Write a state file in one step: a reader sees the old one or the new one.

    Args:
        path: of the file; its folder is made if need be.
        kind: what the file is, checked when it is read.
        version: of its layout.
        facts: JSON-serialisable values.
        arrays: any number of them.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"kind": kind, "version": version, **facts}, sort_keys=True)
    facts_array = np.frombuffer(text.encode(), np.uint8)
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **{_FACTS: facts_array, **arrays})


def _require_encoder(path: Path, facts: Mapping[str, Any], encoder: str) -> None:
    """Check that a state file was learned with an encoder: features of others must not be mixed.

    Raises:
        KeyError: the file does not name one.
        StateFileError: it was another one.
    """
    if facts["encoder"] != encoder:
        raise StateFileError(
            f"{path} was learned with the encoder {_cut(str(facts['encoder']))}, not {encoder}."
        )


def read_state(
    path: Path, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_state` wrote: the facts and the arrays.

    Raises:
        FileNotFoundError: there is no such file.
        StateFileError: the file is broken, of another kind or of a version that is not known.
    """
    try:
        # NumPy leaves a file open that it opened itself and cannot read.
        with path.open("rb") as file:
            _require_size(file)
            with np.load(file, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        found = facts.pop("kind"), facts.pop("version")
    except FileNotFoundError:
        raise
    except Exception as error:  # What a hostile file makes zip, NumPy and JSON raise has no end.
        reason = " ".join(str(error).split())[:200]
        raise StateFileError(f"{path} cannot be read as a state file ({reason}).") from None
    if found != (kind, version):
        it_is, of = (_cut(repr(one)) for one in found)
        raise StateFileError(
            f"{path} holds {it_is} of version {of}, not {kind!r} of version {version}."
        )
    return facts, arrays


def _require_size(file: BinaryIO) -> None:
    """Refuse what unpacks to more than any state has; what is no archive is left to NumPy.

    Raises:
        ValueError: it does.
    """
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_STATE_BYTES:
            raise ValueError(f"it unpacks to {size} bytes, and may have {MAX_STATE_BYTES}")
    file.seek(0)


def _cut(text: str) -> str:
    """Return what stands in a damaged file, as far as a sentence may repeat it."""
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def read_learned(
    path: Path,
    kind: str,
    version: int,
    encoder: str,
    restore: Callable[[Mapping[str, Any], Arrays], T],
) -> T:
    """Read what was learned with an encoder out of a state file.

    Args:
        path: of the file.
        kind: of `write_state`.
        version: of `write_state`.
        encoder: that it must have been learned with.
        restore: makes of facts and arrays what they stand for; may raise what a missing or a
            foreign part makes Python raise.

    Raises:
        FileNotFoundError: there is no such file.
        StateFileError: it is broken, of another version or of another encoder.
    """
    facts, arrays = read_state(path, kind, version)
    try:
        _require_encoder(path, facts, encoder)
        # An infinity would make scores that are no numbers, and these raise no alarm.
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("not all numbers are finite")
        return restore(facts, arrays)
    except StateFileError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StateFileError(f"{path} lacks a part of a {kind} ({repr(error)[:200]}).") from None
