"""Snapshots that arrive by MQTT."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from veroallarme_core.worker.motion_sources import check_topic_filter, look_up
from veroallarme_core.worker.snapshots.snapshots import (
    MAX_PICTURE_BYTES,
    Snapshot,
    SnapshotError,
    check_picture,
    check_seconds,
    closed,
)

Encoding = Literal["raw", "base64"]


ENCODINGS: tuple[str, ...] = get_args(Encoding)


KEPT_PICTURES = 4
"""Newest MQTT pictures that wait to be fetched."""


@dataclass(frozen=True, kw_only=True)
class MqttImageSource:
    """Snapshots that arrive on an MQTT topic.

    Attributes:
        topic: MQTT topic filter of the pictures.
        encoding: Whether a message is the picture itself or its base64 text.
        path: Dotted path to the base64 text in a JSON payload; None takes the whole payload.
        timeout_s: Seconds to wait for the next picture.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy.
    """

    topic: str
    encoding: Encoding = "raw"
    path: str | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        check_topic_filter(self.topic)
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding is {self.encoding!r}: use one of {', '.join(ENCODINGS)}")
        if self.path is not None and self.encoding == "raw":
            raise ValueError("path is set but encoding is raw: JSON holds pictures as base64")
        check_seconds("timeout_s", self.timeout_s)


@dataclass(frozen=True)
class _Offer:
    payload: bytes | None
    received_at: datetime


class MqttSnapshotClient:
    """Hands out pictures that arrive by MQTT, each at most once."""

    def __init__(self, source: MqttImageSource) -> None:
        """Start without any picture."""
        self._source = source
        self._lock = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._offers: deque[_Offer] = deque(maxlen=KEPT_PICTURES)
        self._closed = False
        self._max_payload_bytes = MAX_PICTURE_BYTES * (1 if source.encoding == "raw" else 2)

    def offer(self, payload: bytes, received_at: datetime, *, retained: bool = False) -> None:
        """Take a picture from the receive loop; never blocks and never raises.

        Args:
            payload: The message as it came; checked when it is fetched.
            received_at: When it came, with a time zone.
            retained: Whether the broker marked it as retained; such a picture is of unknown age
                and is left out, as is the empty message that clears a retained one.
        """
        if retained or not payload or self._closed:
            return
        kept = payload if len(payload) <= self._max_payload_bytes else None
        self._offers.append(_Offer(kept, received_at))
        self._arrived.set()

    async def fetch(self, moment: datetime) -> Snapshot:
        """Give the first picture since the moment; wait for it, else fall back to the newest."""
        async with self._lock:
            offer = await self._next_offer(moment)
            data = await asyncio.to_thread(_picture_of, self._source, offer)
        return Snapshot(data, offer.received_at, None)

    async def close(self) -> None:
        """Drop all pictures and end a fetch that waits."""
        self._closed = True
        self._offers.clear()
        self._arrived.set()

    async def _next_offer(self, moment: datetime) -> _Offer:
        try:
            async with asyncio.timeout(self._source.timeout_s):
                while not self._closed:
                    self._arrived.clear()
                    while self._offers and self._offers[0].received_at < moment:
                        # The newest one stays as the fallback.
                        if len(self._offers) == 1:
                            break
                        self._offers.popleft()
                    else:
                        if self._offers:
                            return self._offers.popleft()
                    await self._arrived.wait()
        except TimeoutError:
            if self._offers:
                return self._offers.pop()
            raise SnapshotError(
                "no_picture",
                f"no picture came on {self._source.topic} within {self._source.timeout_s:g} s: "
                "check the topic and that the camera publishes pictures",
            ) from None
        raise closed(self._source.topic)


def _picture_of(source: MqttImageSource, offer: _Offer) -> bytes:
    """Get the encoded picture out of an MQTT message."""
    payload = offer.payload
    if payload is not None and source.path is not None:
        payload = _text_at(source, source.path, payload)
    if payload is not None and source.encoding == "base64":
        payload = _decode_base64(source, payload)
    if payload is None or len(payload) > MAX_PICTURE_BYTES:
        raise SnapshotError(
            "too_large",
            f"a message on {source.topic} holds more than {MAX_PICTURE_BYTES >> 20} MB: let the "
            "camera publish smaller pictures",
        )
    check_picture(payload, source.topic, str)
    return payload


def _text_at(source: MqttImageSource, path: str, payload: bytes) -> bytes:
    try:
        _, value = look_up(json.loads(payload), path)
        return str.encode(value, "ascii")  # type: ignore[arg-type]  # TypeError where no text
    except (ValueError, RecursionError, TypeError):
        raise SnapshotError(
            "bad_encoding",
            f"a message on {source.topic} is not JSON with base64 text at {path}: check the path",
        ) from None


def _decode_base64(source: MqttImageSource, text: bytes) -> bytes:
    head, comma, body = text[:64].partition(b",")
    if comma and head.lstrip().startswith(b"data:") and head.endswith(b";base64"):
        text = body + text[64:]
    try:
        return base64.b64decode(text.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        raise SnapshotError(
            "bad_encoding",
            f"a message on {source.topic} is not base64: set encoding to raw, or check the topic",
        ) from None
