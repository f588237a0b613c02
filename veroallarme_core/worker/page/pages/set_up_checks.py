"""What a camera needs in its first hour, checked: motion, pictures, and what these are worth."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from veroallarme_core.pictures import (
    BLURRED,
    FrameError,
    blur,
    decode_frame,
    encode_jpeg,
    shrink,
)
from veroallarme_core.worker.camera import CameraWorker, FetchedFrames
from veroallarme_core.worker.mqtt import Gives, TopicRecord
from veroallarme_core.worker.page.shell import House
from veroallarme_core.worker.snapshots import BridgeSource, FileSource, MqttImageSource

SMALL_PX = 640
"""Width from which somebody 15 m away is 18 pixels wide: a lens of 60 degrees sees 17 m there."""
STALE_MS = 3000
"""An age from which a picture may show who has left already: whoever walks is 4 m further."""
SLOW_MS = 5000
"""How long a burst may take: a first picture this late shows nothing of the motion for sure."""
SHOWN_PX = 640
WAITED_S = 20.0
"""How long pictures of a camera that delivers them itself are waited for: it may do so on motion
alone, and somebody has to walk before it."""
_LOOK_AGAIN_S = 0.5
_OTHER_ADVICE = frozenset({"test_none", "test_few", "test_slow", "test_stale"})
"""Checks whose remedy is another one where the camera delivers its pictures."""

_OLD_PICTURES = frozenset({"stale", "repeats"})
"""Faults whose sentence speaks of an address, which a camera that delivers does not have."""

OK, WAIT, BAD = "ok", "wait", "bad"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        key: What it is, and what was found: the key of the words, below ``set_up.``.
        state: `OK`, `WAIT` (nothing is known yet) or `BAD`.
        values: For the placeholders of the words.
        detail: A sentence of the worker's own, in English; None where there is nothing to add.
    """

    key: str
    state: str
    values: dict[str, Any] = field(default_factory=dict)
    detail: str | None = None


@dataclass(frozen=True)
class TriedPictures:
    """What came of asking a camera for a burst.

    Attributes:
        checks: What the pictures are worth.
        jpeg: The last of them, small; None where there is none, or it may not be shown.
    """

    checks: Sequence[Check]
    jpeg: bytes | None = None


def checks(house: House, camera: CameraWorker) -> list[Check]:
    """Return what is known of a camera without asking it for anything."""
    return [
        *(_motion(record) for record in house.listening.records(camera.id)),
        _pictures(house, camera),
        _judged(camera),
    ]


def _motion(record: TopicRecord) -> Check:
    what = "picture_topic" if record.gives is Gives.PICTURES else "motion_topic"
    values = {"topic": record.topic, "count": record.count}
    if record.refusal is not None:
        return Check(f"{what}_refused", BAD, values, record.refusal)
    if record.mistake is not None:
        return Check(f"{what}_misunderstood", BAD, values, record.mistake)
    if record.count:
        return Check(f"{what}_heard", OK, values)
    if record.past:
        return Check(f"{what}_past", WAIT, values)
    if record.ends or record.others:
        return Check(f"{what}_other", WAIT, values, record.sum_up())
    return Check(f"{what}_silent", WAIT, values)


def _pictures(house: House, camera: CameraWorker) -> Check:
    told = house.complaints.about(f"{camera.id}/snapshots")
    if told:
        # Before the first motion it is no fault that nothing was delivered.
        is_early = delivers(camera) and not camera.statistics.events
        missing = Check("pictures_missing", BAD, detail=told[0].message)
        return replace(missing, key="pictures_awaited", state=WAIT) if is_early else missing
    if camera.connectivity.is_reachable:
        return Check("pictures_come", OK)
    return Check("pictures_unknown", WAIT)


def _judged(camera: CameraWorker) -> Check:
    events = camera.statistics.events
    return Check("judged" if events else "not_judged", OK if events else WAIT, {"count": events})


def can_be_asked(camera: CameraWorker) -> bool:
    """Whether the worker can ask a camera for a picture, rather than wait for what comes."""
    return not isinstance(camera.context.config.source, BridgeSource)


def delivers(camera: CameraWorker) -> bool:
    """Whether a camera delivers its pictures when it likes, rather than on request."""
    return isinstance(camera.context.config.source, FileSource | MqttImageSource)


async def try_pictures(camera: CameraWorker) -> TriedPictures:
    """Ask a camera for a burst, and tell what it is worth; wait for one that is delivered.

    Raises:
        AnalysisError: too many ask already, or it takes too long.
    """
    is_delivered = delivers(camera)
    until = monotonic() + WAITED_S
    while not (fetched := await camera.analyses.take_pictures()).frames:
        if not is_delivered or monotonic() >= until:
            break
        await asyncio.sleep(_LOOK_AGAIN_S)
    is_shown = camera.context.config.publish_image
    tried = await asyncio.to_thread(look_at, fetched, is_shown)
    if not is_delivered:
        return tried
    is_told = fetched.fault is not None and fetched.fault.code not in _OLD_PICTURES
    return replace(tried, checks=[_for_delivered(check, is_told) for check in tried.checks])


def _for_delivered(check: Check, is_told: bool) -> Check:
    if check.key not in _OTHER_ADVICE:
        return check
    detail = check.detail if is_told else None
    return replace(check, key=f"{check.key}_delivered", detail=detail)


def look_at(fetched: FetchedFrames, is_shown: bool) -> TriedPictures:
    """Tell what the pictures of a burst are worth; blocks while they are decoded."""
    if not fetched.frames:
        detail = None if fetched.fault is None else str(fetched.fault)
        return TriedPictures([Check("test_none", BAD, {"waited": f"{WAITED_S:.0f}"}, detail)])
    found = list(_of_burst(fetched))
    try:
        frame = decode_frame(fetched.frames[-1]).image
    except FrameError as error:
        return TriedPictures([*found, Check("test_undecodable", BAD, detail=str(error))])
    height, width = frame.shape[:2]
    size = {"width": width, "height": height}
    found.append(
        Check("test_small" if width < SMALL_PX else "test_large", _is(width >= SMALL_PX), size)
    )
    is_sharp = blur(frame) < BLURRED
    found.append(Check("test_sharp" if is_sharp else "test_blurred", _is(is_sharp)))
    return TriedPictures(found, encode_jpeg(shrink(frame, SHOWN_PX)) if is_shown else None)


def _of_burst(fetched: FetchedFrames) -> Iterator[Check]:
    counts = fetched.counts
    came = {"count": counts.distinct, "requested": counts.requested}
    detail = None if fetched.fault is None else str(fetched.fault)
    if counts.distinct < counts.requested:
        yield Check("test_few", BAD, came, detail)
    else:
        yield Check("test_came", OK, came)
    seconds = {"seconds": f"{fetched.fetch_ms / 1000:.1f}"}
    is_quick = fetched.fetch_ms < SLOW_MS
    yield Check("test_quick" if is_quick else "test_slow", _is(is_quick), seconds)
    if counts.age_ms is None:
        yield Check("test_undated", WAIT)
    else:
        is_fresh = counts.age_ms < STALE_MS
        age = {"seconds": f"{counts.age_ms / 1000:.1f}"}
        yield Check("test_fresh" if is_fresh else "test_stale", _is(is_fresh), age)


def _is(well: bool) -> str:
    return OK if well else BAD
