"""Snapshots that Home Assistant takes for a camera that it bridges, and sends by MQTT."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from veroallarme_core.contract import BridgedFrame
from veroallarme_core.worker.snapshots.bursts import Burst, BurstInProgress
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotError, check_picture

MAX_FRAME_BYTES = 8 << 20
"""Largest encoded picture that is taken from a message; of a 4K camera it has about 2 MB."""

MAX_AGE_S = 10.0
"""A frame captured more than so many seconds before the motion is stale."""


@dataclass(frozen=True, kw_only=True)
class BridgeSource:
    """Snapshots that come unasked, with the motion that they belong to."""


class BridgeSnapshotClient:
    """Stands where other cameras have one that can be asked."""

    async def fetch(self, moment: datetime) -> Snapshot:
        """Refuse: the worker knows no address of this camera."""
        raise _no_picture()

    async def close(self) -> None:
        """Do nothing: nothing is held."""


def read_frames(
    frames: Sequence[BridgedFrame], motion_at: datetime, received_at: datetime
) -> Burst:
    """Make a burst of the frames of a message; blocks for as long as decoding base64 takes.

    What cannot be used is left out: base64 that is none, what is no picture or too large, and
    frames that are stale or identical to another one.

    Args:
        frames: as they were sent.
        motion_at: when the camera reported motion, UTC.
        received_at: when the message came, UTC.
    """
    burst = BurstInProgress(len(frames), motion_at, timedelta(seconds=MAX_AGE_S))
    for number, frame in enumerate(frames, 1):
        age_s = (received_at - frame.captured_at).total_seconds()
        try:
            data = _picture_of(frame.jpeg, f"frame {number} from Home Assistant")
            # Clocks of two machines differ a little, and no frame comes from the future.
            burst.add(Snapshot(data, frame.captured_at, max(0, round(age_s * 1000))))
        except SnapshotError as error:
            burst.errors.append(error)
    if not frames:
        burst.errors.append(_no_picture())
    return burst.finish()


def _picture_of(text: str, where: str) -> bytes:
    if len(text) > MAX_FRAME_BYTES * 4 // 3 + 4:
        raise SnapshotError(
            "too_large",
            f"{where} has more than {MAX_FRAME_BYTES >> 20} MB: let the camera make smaller "
            "pictures",
        )
    try:
        data = base64.b64decode(text, validate=True)
    # A character that ASCII does not have is a ValueError of its own.
    except (binascii.Error, ValueError):
        raise SnapshotError(
            "bad_encoding", f"{where} is not base64: update the integration"
        ) from None
    check_picture(data, where, str)
    return data


def _no_picture() -> SnapshotError:
    return SnapshotError(
        "no_picture",
        "Home Assistant has no picture of this motion: check there that the camera shows one",
    )
