"""A camera's video stream over RTSP: its address and login, checked and shown without secrets."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from urllib.parse import quote

from yarl import URL

from veroallarme_core.worker.snapshots.http_source import MALFORMED_URL, show_url
from veroallarme_core.worker.snapshots.snapshots import check_seconds

MISSING_EXTRA = (
    "is a video stream, and what decodes it is not installed: run pip install 'veroallarme[rtsp]' "
    "(in the app use preset onvif or go2rtc), or give the address of the camera's still picture"
)


@dataclass(frozen=True, kw_only=True)
class RtspSource:
    """Snapshots out of a video stream over RTSP, for cameras that give no still pictures.

    Attributes:
        url: rtsp address without user name and password.
        username: User name, where the camera wants a login.
        password: Its password.
        timeout_s: Seconds that one snapshot may take, from connecting to the first whole picture.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy, never a secret.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        shown = self.shown_url
        try:
            parsed = URL(self.url)
        except MALFORMED_URL:
            raise ValueError(f"url {shown} is not a stream's address") from None
        if parsed.scheme != "rtsp" or not parsed.host:
            raise ValueError(f"url {shown} is not an rtsp address")
        if parsed.user is not None or parsed.password is not None:
            raise ValueError(
                f"url {shown} holds a user name or password: put them into username and password"
            )
        if not self.url.isprintable() or " " in self.url:
            raise ValueError(f"url {shown} holds a blank or control character: write it again")
        if self.password is not None and not self.username:
            raise ValueError("password stands without username: add username")
        check_seconds("timeout_s", self.timeout_s)

    def __repr__(self) -> str:
        """Show the source without its secrets."""
        return f"RtspSource({self.shown_url})"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: many cameras take the password in its query."""
        return show_url(self.url)

    @property
    def url_with_login(self) -> str:
        """The URL as the decoder takes it, with the login in it: never to be shown."""
        if self.username is None:
            return self.url
        login = f"{quote(self.username, safe='')}:{quote(self.password or '', safe='')}"
        return f"rtsp://{login}@{self.url.partition('://')[2]}"


def can_decode() -> bool:
    """Tell whether the extra that decodes video streams is installed."""
    return importlib.util.find_spec("av") is not None
