"""Pictures of Home Assistant's cameras: one, or a burst, and in words what came instead of one.

Integrations of cameras raise what they like, hang, repeat themselves, and hand on the error page of
a camera as a picture; none of this may cost an alarm.
"""

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from homeassistant.components.camera import async_get_image
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .orientation import Stance, stance, standing
from .payload import MAX_IMAGE_BYTES

BURST_LIMIT_S = 12.0
"""An alarm does not wait longer for pictures; without any the worker alerts."""
SMALLER = ((1920, 1080), (1280, 720), (640, 360))
"""Sizes to ask for, one after the other, where pictures are too large for a burst."""
OVERHEAD_BYTES = 512
"""What a burst holds besides its pictures, for each of them."""
MAX_FAULT_CHARACTERS = 120
MAX_FAULTS = 2
"""Kinds of faults that are told of one burst, the most frequent ones."""

_LOOKED_AT_BYTES = 512
_URL = re.compile(r"\w+://\S+")
_KINDS = (
    (b"<html", "an HTML page"),
    (b"<!doctype html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"<", "an XML document"),
    (b"{", "a JSON text"),
    (b"[", "a JSON text"),
    (b"gif8", "a GIF picture"),
    (b"bm", "a BMP picture"),
)


class PictureError(Exception):
    """A picture that could not be had; the message says what came instead, or why nothing did."""


def is_picture(content: bytes) -> bool:
    """Whether bytes begin like a JPEG, PNG or WebP picture, whatever they were declared to be."""
    return content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        content.startswith(b"RIFF") and content[8:12] == b"WEBP"
    )


def describe(content: bytes, declared: str) -> str:
    """Say what came that is no picture.

    Args:
        content: what came; nothing of it is repeated, as it may hold what is nobody's business.
        declared: its content type.
    """
    if not content:
        return "an empty answer"
    size = f"{len(content)} bytes, declared as {declared[:40]}"
    return f"{_kind(content[:_LOOKED_AT_BYTES])} ({size})"


def _kind(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<html" in text:  # after the prolog of XML, for example
        return "an HTML page"
    for mark, kind in _KINDS:
        if text.startswith(mark):
            return kind
    return "a text" if head.isascii() and b"\0" not in head else "something that is no picture"


async def async_take_picture(
    hass: HomeAssistant,
    entity_id: str,
    limit_s: float,
    size: tuple[int, int] | None = None,
) -> bytes:
    """Take a picture through Home Assistant's camera API.

    Args:
        entity_id: of the camera.
        limit_s: how long it may take.
        size: width and height to ask for; None takes what the camera gives.

    Raises:
        PictureError: none came.
    """
    width, height = size or (None, None)
    # In a task of its own: the camera API swallows a cancellation, and so a time-out around it.
    request = hass.async_create_background_task(
        async_get_image(hass, entity_id, width=width, height=height), f"picture {entity_id}"
    )
    try:
        done, _ = await asyncio.wait({request}, timeout=limit_s)
        if not done:
            raise PictureError("no answer in time")
        # Asked for, not caught: a cancelled request must not look like our own cancellation.
        if request.cancelled():
            raise PictureError("the request was broken off")
        if (error := request.exception()) is not None:
            raise PictureError(_reason(error)) from error
        image = request.result()
        content = image.content
        if not isinstance(content, bytes | bytearray):
            raise PictureError(f"no bytes but {type(content).__name__}")
        if not is_picture(content):
            raise PictureError(describe(content, str(image.content_type)))
        return bytes(content)
    finally:
        request.cancel()
        # What it ends with is of no interest any more.
        request.add_done_callback(lambda task: task.cancelled() or task.exception())


def _reason(error: BaseException) -> str:
    """Tell an error in one line, without addresses: they may hold passwords."""
    text = " ".join(_URL.sub("…", str(error)).split())
    return ": ".join(filter(None, (type(error).__name__, text)))[:MAX_FAULT_CHARACTERS]


@dataclass(eq=False)
class Capture:
    """A burst as far as it has been taken."""

    frames: list[dict[str, str]] = field(default_factory=list)
    """As the contract wants them, distinct, dated when they came."""
    faults: Counter[str] = field(default_factory=Counter)
    """What came instead of a picture, and how often."""
    is_complete: bool = False

    @property
    def fault(self) -> str | None:
        """What kept it from being complete, in a few words; None where nothing did."""
        if self.is_complete:
            return None
        counted = (f"{fault} ({count}x)" for fault, count in self.faults.most_common(MAX_FAULTS))
        return "; ".join(counted) or "no picture in time"


class BurstCamera:
    """Takes bursts of one camera.

    Args:
        max_burst_bytes: returns the largest burst that worker and broker take.
    """

    def __init__(self, hass: HomeAssistant, max_burst_bytes: Callable[[], int]) -> None:
        """Start with pictures as large as the camera gives them."""
        self._hass = hass
        self._max_burst_bytes = max_burst_bytes
        self._smaller = -1
        """Which of SMALLER is asked for; none at first."""
        self._stance = Stance()

    async def async_capture(
        self, entity_id: str, size: int, spacing_s: float, capture: Capture
    ) -> None:
        """Take a burst without repeated pictures.

        Args:
            entity_id: of the camera.
            size: how many pictures are wanted.
            spacing_s: the pause between them.
            capture: filled on the way, so that whoever breaks this off has what came before.
        """
        seen: set[bytes] = set()
        ends_at = self._hass.loop.time() + BURST_LIMIT_S
        # Some cameras repeat a picture, so more are asked for than wanted.
        for attempt in range(2 * size):
            if attempt:
                await asyncio.sleep(spacing_s)
            if ends_at <= self._hass.loop.time():
                return
            try:
                picture = await self._take(entity_id, size, ends_at, is_first=not seen)
            except PictureError as error:
                capture.faults[str(error)] += 1
                continue
            if picture in seen:
                capture.faults["the same picture again"] += 1
                continue
            seen.add(picture)
            capture.frames.append(
                {
                    "captured_at": dt_util.utcnow().isoformat(),
                    "jpeg": base64.b64encode(picture).decode("ascii"),
                }
            )
            if len(seen) == size:
                capture.is_complete = True
                return

    async def _take(self, entity_id: str, size: int, ends_at: float, *, is_first: bool) -> bytes:
        """Take a picture that fits into a burst of ``size``.

        The first one is asked for smaller and smaller until it fits; its size is remembered, as
        all pictures of a burst have to be of one size.

        Raises:
            PictureError: none came, or none that fits.
        """
        limit = self._picture_limit(size)
        while True:
            wanted = SMALLER[self._smaller] if self._smaller >= 0 else None
            left_s = ends_at - self._hass.loop.time()
            picture = await async_take_picture(self._hass, entity_id, left_s, wanted)
            if wanted is None:
                self._stance = stance(picture)
            else:
                picture = standing(picture, self._stance)
            if len(picture) <= limit:
                return picture
            if not is_first or self._smaller + 1 == len(SMALLER):
                raise PictureError(
                    f"a picture of {len(picture) / 1e6:.1f} MB, where {limit / 1e6:.1f} MB fit"
                )
            self._smaller += 1

    def _picture_limit(self, size: int) -> int:
        """Return the bytes that each picture of a burst may have."""
        share = self._max_burst_bytes() // size - OVERHEAD_BYTES
        return min(MAX_IMAGE_BYTES, share * 3 // 4)
