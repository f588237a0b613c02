"""A camera's picture address and login over HTTP: checked, shown without secrets, and scrubbed."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from yarl import URL

from veroallarme_core.worker.snapshots.http_login import AUTHS, Auth
from veroallarme_core.worker.snapshots.snapshots import check_seconds

TIMESTAMP = "{timestamp}"
"""In a URL: replaced by the epoch seconds of the wanted moment, with three decimals."""

STREAMS = frozenset({"rtsp", "rtsps", "rtspx", "rtmp", "rtmps", "onvif"})
"""Addresses that people have and that give no picture."""
MALFORMED_URL = (ValueError, IndexError)
"""What yarl raises for addresses that are none, such as ``http://[]@``."""

_SECRET_NAMES = re.compile(r"pass|pwd|^pw$|user|login|token|key|auth|sig|secret|session|sid", re.I)
_SECRET_LENGTH = 8  # a value of a query so long is taken for a secret whatever its name


@dataclass(frozen=True, kw_only=True)
class HttpSource:
    """Snapshots from a URL that answers each request with one picture.

    Attributes:
        url: http or https address without user name and password. `{timestamp}` in it becomes
            the epoch seconds of the wanted moment, for recorders that give past frames.
        auth: How to log in.
        username: User name for basic and digest.
        password: Password for basic and digest.
        token: Token for bearer.
        verify_tls: Whether the server's certificate must be valid.
        ca_file: PEM file of the certificate authorities (or of the camera's own certificate) to
            trust instead of the system's.
        timeout_s: Seconds that one snapshot may take, from connecting to the last byte.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy, never a secret.
    """

    url: str
    auth: Auth = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verify_tls: bool = True
    ca_file: Path | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        _check_url(self.url)
        _check_login(self)
        check_seconds("timeout_s", self.timeout_s)

    def __repr__(self) -> str:
        """Show the source without its secrets."""
        return f"HttpSource({self.shown_url}, auth={self.auth!r}, verify_tls={self.verify_tls})"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: no query, which often holds a password or a token."""
        return show_url(self.url)


def show_url(url: str) -> str:
    """Write a URL as it may be shown: without user info, query and fragment."""
    without_fragment = url.partition("#")[0]
    address, _, query = without_fragment.partition("?")
    scheme, separator, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{separator}{host}{slash}{path}" + ("?…" if query else "")


class Scrubber:
    """Removes a source's secrets from text that a server sent back."""

    def __init__(self, source: HttpSource) -> None:
        query = source.url.partition("?")[2].partition("#")[0]
        secrets = {secret for secret in (source.password, source.token) if secret}
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if value and (_SECRET_NAMES.search(name) or len(value) >= _SECRET_LENGTH):
                secrets |= {value, unquote(value), unquote_plus(value)}
        spellings = secrets.copy()
        for secret in secrets:
            spellings |= {quote(secret, safe=""), quote(secret), quote_plus(secret)}
            spellings |= {html.escape(secret), json.dumps(secret)[1:-1]}
        # The longest first, so that none is left over as a part of another.
        self._secrets = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _check_url(url: str) -> None:
    shown = show_url(url)
    try:
        parsed = URL(url.replace(TIMESTAMP, "0"))
    except MALFORMED_URL:
        raise ValueError(f"url {shown} is not a web address") from None
    if parsed.scheme in STREAMS:
        raise ValueError(
            f"url {shown} is a video stream, and a picture is needed: give the address of the "
            "camera's still picture, or let go2rtc make one of the stream (preset go2rtc)"
        )
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"url {shown} is not an http or https address")
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(
            f"url {shown} holds a user name or password: put them into username and password"
        )


def _check_login(source: HttpSource) -> None:
    if source.auth not in AUTHS:
        raise ValueError(f"auth is {source.auth!r}: use one of {', '.join(AUTHS)}")
    if source.auth in {"basic", "digest"}:
        if not source.username or ":" in source.username:
            raise ValueError(f"auth is {source.auth}: set username, which may hold no colon")
        if not source.username.isprintable():
            raise ValueError("username holds a line break or control character: write it again")
    elif source.username is not None or source.password is not None:
        raise ValueError(
            f"username or password is set but auth is {source.auth}: set auth to basic or digest"
        )
    if (source.auth == "bearer") != bool(source.token):
        raise ValueError("token and auth bearer belong together: set both or none")
    if source.token is not None and not source.token.isascii():
        raise ValueError("token holds a character that no token has: copy it again")
    if source.token is not None and not source.token.isprintable():
        raise ValueError("token holds a line break or control character: copy it again")
