"""The state folder of one worker: held for it alone, and where it keeps who it is."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
from pathlib import Path
from typing import IO

from veroallarme_core.contract import is_valid_id

CLIENT_ID_FILE = "client_id"


class StartError(RuntimeError):
    """The worker cannot start; the message says why and what to do."""


class FolderHeldError(StartError):
    """Another worker holds the state folder."""


def lock_folder(state_dir: Path) -> IO[str]:
    """Hold the state folder for this process alone, as long as the returned file is open.

    Raises:
        FolderHeldError: another worker holds it.
        StartError: it cannot be written.
    """
    path = state_dir / "lock"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise StartError(
            f"state_dir {state_dir} cannot be written ({error}): choose a folder that can"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise FolderHeldError(
            f"another worker uses the state_dir {state_dir}: stop it, give this one its own, or "
            "let it stand by (--standby)"
        ) from None
    return file


def client_id(state_dir: Path, site: str) -> str:
    """Return the client id kept in the state folder, so that the broker knows us again.

    Raises:
        StartError: it cannot be written.
    """
    path = state_dir / CLIENT_ID_FILE
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="ascii").strip()
        if is_valid_id(text):
            return text
    text = f"veroallarme_{site[:32]}_{secrets.token_hex(6)}"
    unfinished = path.with_suffix(".partial")
    try:
        unfinished.write_text(text, encoding="ascii")
        unfinished.replace(path)
    except OSError as error:
        raise StartError(f"{path} cannot be written ({error}): free some space") from error
    return text
