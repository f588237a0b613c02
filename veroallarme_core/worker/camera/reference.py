"""The reference picture: what a camera sees without motion, taken every few minutes."""

from __future__ import annotations

import contextlib
from pathlib import Path

from veroallarme_core.files import write_atomically
from veroallarme_core.pictures import FrameError, decode_frame


class ReferencePicture:
    """The newest picture without motion of one camera, kept in a file across restarts.

    Args:
        path: of the file; its folder is made when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data: bytes | None = None
        self._loaded = False

    def load(self) -> bytes | None:
        """Return the encoded picture, or None where there is none; reads the disk once."""
        if not self._loaded:
            with contextlib.suppress(OSError):
                self._data = self._path.read_bytes()
            self._loaded = True
        return self._data

    def save(self, data: bytes) -> bool:
        """Replace the picture, atomically on disk; return False for one that is damaged.

        Raises:
            OSError: the disk is full or not writable; the picture is used all the same.
        """
        try:
            if decode_frame(data).truncated:
                return False
        except FrameError:
            return False
        self._data, self._loaded = data, True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, data)
        return True
