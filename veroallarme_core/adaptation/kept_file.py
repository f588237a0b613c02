"""Files that an adaptation keeps for the next one: caches that may be deleted at any time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from veroallarme_core.camera_memory import Arrays, StateFileError, read_learned

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


def read_kept(
    path: Path,
    kind: str,
    format_version: int,
    encoder: str,
    conditions: Mapping[str, Any],
    restore: Callable[[Mapping[str, Any], Arrays], T | None],
    remedy: str,
) -> T | None:
    """Read what an adaptation kept, where it was written under the conditions of now.

    Args:
        path: of the file.
        kind: of the file, as for `read_learned`, and so are `format_version` and `encoder`.
        conditions: under which events are looked at now, JSON-serialisable.
        restore: makes it of the file's facts and arrays; None where it does not fit.
        remedy: what is done where the file cannot be used, for the log.

    Returns:
        None where there is no such file, it is damaged or does not fit.
    """

    def restore_where_it_fits(facts: Mapping[str, Any], arrays: Arrays) -> T | None:
        return restore(facts, arrays) if facts["conditions"] == dict(conditions) else None

    try:
        return read_learned(path, kind, format_version, encoder, restore_where_it_fits)
    except FileNotFoundError:
        return None
    except (StateFileError, OSError) as error:
        _LOGGER.warning("%s: %s", remedy, error)
        return None
