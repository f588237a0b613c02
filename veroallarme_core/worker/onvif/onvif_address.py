"""Where a camera that speaks ONVIF is, its login, and which addresses it may send us to."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field

from yarl import URL

MALFORMED = (ValueError, IndexError)
"""What yarl raises for addresses that are none."""
DEVICE_PATH = "/onvif/device_service"
MISSING_EXTRA = (
    "ONVIF needs what is not installed: run pip install 'veroallarme[onvif]' where the worker is "
    "installed"
)


class OnvifError(Exception):
    """A camera cannot be asked over ONVIF.

    Attributes:
        code: "missing", "unreachable", "timeout", "login", "redirect", "bad_answer", "fault",
            "no_events", "no_pictures" or "no_channel".

    The text is one sentence with the remedy, free of secrets, without the camera's name.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class OnvifAddress:
    """A camera that speaks ONVIF.

    Attributes:
        host: Name or address, without scheme and port.
        port: TCP port of its ONVIF service.
        username: A user with ONVIF rights; None asks without a login.
        password: Its password.
        channel: Which of the device's cameras, counted from 1; recorders have several.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy, never a secret.
    """

    host: str
    port: int = 80
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    channel: int = 1

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}: give a TCP port, 1 to 65535")
        try:
            is_host = URL.build(scheme="http", host=self.host, port=self.port).host is not None
        except MALFORMED:
            is_host = False
        if not is_host or any(character in self.host for character in "/?#@ ") or not self.host:
            raise ValueError("host is not the name or address of a camera: leave out all else")
        if self.channel < 1:
            raise ValueError(f"channel is {self.channel}: they are counted from 1")
        if self.password is not None and not self.username:
            raise ValueError("password stands without username: add username")

    @property
    def shown(self) -> str:
        """The address as it stands in logs."""
        return f"onvif://{self.host}:{self.port}"

    @property
    def device_url(self) -> str:
        """Where every camera answers first."""
        return str(URL.build(scheme="http", host=self.host, port=self.port, path=DEVICE_PATH))

    def service_url(self, told: object) -> str:
        """Return the address of one of the camera's services, which is at this host always.

        A camera tells addresses as it sees itself, which may be behind a router, or of somebody
        else; only port, path and query are taken.

        Raises:
            OnvifError: "bad_answer": it is no address.
        """
        url = self._at_host(told)
        port = url.explicit_port if url.scheme == "http" else None
        return str(url.with_scheme("http").with_port(port or self.port))

    def picture_url(self, told: object) -> str:
        """Return the address of a picture, which is at this host always.

        Raises:
            OnvifError: "bad_answer": it is no web address.
        """
        return str(self._at_host(told))

    def _at_host(self, told: object) -> URL:
        try:
            url = URL(told.strip() if isinstance(told, str) else "")
            if url.scheme not in {"http", "https"} or url.host is None:
                raise ValueError
            port = url.explicit_port
            url = url.with_user(None).with_fragment(None).with_host(self.host).with_port(port)
        except MALFORMED:
            raise OnvifError(
                "bad_answer", "it tells an address that is none: update its firmware"
            ) from None
        return url


def can_speak_onvif() -> bool:
    """Tell whether the extra is installed."""
    return importlib.util.find_spec("onvif") is not None
