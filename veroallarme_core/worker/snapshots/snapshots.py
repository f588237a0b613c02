"""Snapshots: one picture of a camera as the camera encoded it, and what all its sources share.

A source (`HttpSource`, `RtspSource`, `MqttImageSource`, `FileSource`, `BridgeSource`) is what the
configuration says; a client fetches single snapshots from it; `bursts.take_burst` asks for several.
Nothing is decoded here: a picture is checked only by its magic bytes; a burst decodes what came to
tell whether its pictures differ.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from veroallarme_core.pictures import is_picture_start

MAX_PICTURE_BYTES = 16 << 20
"""Largest encoded picture that is read; a 12-megapixel JPEG of a camera has about 6 MB."""


_TITLE = re.compile(r"<title[^>]*>(.*?)(?:</title|$)", re.I | re.S)


class SnapshotError(Exception):
    """A snapshot could not be had.

    Attributes:
        code: What went wrong, for programs: "unreachable", "timeout", "http_<status>",
            "not_recorded", "redirect", "tls", "bad_response", "incomplete", "too_large",
            "empty", "not_an_image", "undecodable", "stale", "no_picture", "bad_encoding", "file",
            "flood", "no_decoder" or "closed".

    The text is one sentence with the remedy, free of secrets.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(message)
        self.code = code

    def alone(self) -> SnapshotError:
        """Return it without what it was raised from, which holds all that the camera sent."""
        return SnapshotError(self.code, str(self))


@dataclass(frozen=True)
class Snapshot:
    """One picture of a camera, as the camera encoded it.

    Attributes:
        data: JPEG, PNG or WebP bytes, not decoded.
        captured_at: When the picture was taken, UTC, as far as is known; else when it arrived.
        age_ms: How old it was on arrival in milliseconds; None where the camera does not tell. Of
            a video stream that had to be opened: how long the picture had to be waited for.
    """

    data: bytes = field(repr=False)
    captured_at: datetime
    age_ms: int | None


class SnapshotClient(Protocol):
    """Gives snapshots of one camera, one at a time."""

    async def fetch(self, moment: datetime) -> Snapshot:
        """Fetch one snapshot, as near to the moment as the camera can.

        Args:
            moment: Wanted time, with a time zone. Live sources give what is now; recorders and
                MQTT pictures are chosen by it.

        Raises:
            SnapshotError: None could be had.
        """
        ...

    async def close(self) -> None:
        """Give up what is held; later fetches fail with code "closed"."""
        ...


Scrub = Callable[[str], str]
"""Removes secrets from a text."""


def check_picture(data: bytes, where: str, scrub: Scrub) -> None:
    """Refuse what does not begin like a JPEG, PNG or WebP picture.

    Args:
        data: What came.
        where: From where, for the error.
        scrub: Applied to what the error quotes.

    Raises:
        SnapshotError: "empty" or "not_an_image".
    """
    if not data:
        raise SnapshotError(
            "empty", f"{where} sent an empty picture: check the camera, it may be starting"
        )
    if is_picture_start(data):
        return
    raise SnapshotError(
        "not_an_image",
        f"{where} sent {_describe(data, scrub)} instead of a JPEG, PNG or WebP picture: check the "
        "address and the login",
    )


def _describe(data: bytes, scrub: Scrub) -> str:
    """Say in a few words what something that is no picture seems to be."""
    text = data[:4096].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:256].lower().startswith(("<!doctype html", "<html", "<head")):
        title = _TITLE.search(text)
        return f"a web page ({_quote(html.unescape(title[1]), scrub)})" if title else "a web page"
    printable = sum(character.isprintable() or character.isspace() for character in text)
    if "\ufffd" not in text[:64] and printable > 0.9 * len(text):
        return f"text ({_quote(text, scrub)})"
    return f"{len(data)} bytes of unknown data"


def _quote(text: str, scrub: Scrub) -> str:
    return repr(" ".join(scrub(text).split())[:60])


def closed(where: str) -> SnapshotError:
    """Return the error of a client that is asked after it was closed."""
    return SnapshotError("closed", f"{where} is asked after it was closed")


def check_seconds(name: str, value: float) -> None:
    """Refuse what is no time to wait.

    Raises:
        ValueError: The value is not finite or not above 0.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}: give seconds above 0")
