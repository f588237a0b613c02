"""Writing a file in one step, and so that a power cut cannot take it back."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

_NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
"""What some network file systems answer where a folder is to be synced."""


@contextlib.contextmanager
def atomic_file(path: Path, *, is_durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place when the block ends, or never if it fails.

    Args:
        path: of the file; its folder must be there. What was there before is replaced.
        is_durable: whether the file and its folder are synced. False is for what is made again
            where it is lost, such as a cache.

    Raises:
        OSError: the disk is full or not writable; the old file stays, and nothing else with it.
            It names `path`.
    """
    # By process and thread: two that write the same file do not write into each other's.
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.filename == os.fspath(partial):
            error.filename = os.fspath(path)  # the user knows nothing of the other one
        raise
    if is_durable:
        _sync_folder(path.parent)


@contextlib.contextmanager
def atomic_text_file(path: Path) -> Iterator[TextIO]:
    """Open a file as `atomic_file` does, for UTF-8 text; line ends are written as they are."""
    with atomic_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()  # closing it would close the file before it is synced


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file in one step; text is written as UTF-8.

    Raises:
        OSError: the disk is full or not writable; the old file stays, and nothing else with it.
    """
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def put_in_place(written: Path, path: Path) -> None:
    """Move what is complete to its place in one step: a file, or a folder of synced files.

    Both must lie on the same file system.

    Raises:
        OSError: the disk is full or not writable; what was at `path` stays.
    """
    if written.is_dir():
        _sync_folder(written)
    else:
        with written.open("rb") as file:
            os.fsync(file.fileno())
    os.replace(written, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk: without that a power cut undoes a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
    finally:
        os.close(handle)
