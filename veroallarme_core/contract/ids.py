"""Ids: what names a site, worker, camera, event or request, and becomes folder and topic."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

_ID = re.compile(r"[a-z0-9_]{1,64}")


def is_valid_id(text: str) -> bool:
    """Whether ``text`` may serve as a site, worker, camera or event id.

    Ids become folders and topics, so this is checked wherever one comes in.
    """
    return _ID.fullmatch(text) is not None


def new_event_id(motion_at: datetime) -> str:
    """Make the unique id of an event, ``<YYYYMMDD>_<HHMMSS>_<6 hex>`` in UTC."""
    return f"{motion_at.astimezone(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
