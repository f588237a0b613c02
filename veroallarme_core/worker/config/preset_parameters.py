"""What presets need to know of a camera, and how it is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from yarl import URL

from veroallarme_core.worker.snapshots import AUTHS, MALFORMED_URL, show_url

Kind = Literal["text", "secret", "topic", "level", "number", "address", "url", "truth"]


@dataclass(frozen=True)
class Parameter:
    """One thing that a preset needs to know.

    Attributes:
        meaning: What it is, as a noun phrase for messages and documentation.
        kind: How it is checked: "topic" may hold slashes, "level" and "number" may not,
            "address" is a scheme, host, port and base path, "url" a complete web address.
        default: Taken where it is left out; None makes it required unless it is optional.
        optional: Whether it may be missing without a default.
        choices: The values it may have; empty where any will do.
    """

    meaning: str
    kind: Kind = "text"
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the user has to give it."""
        return self.default is None and not self.optional


# --- parameters that several presets share ------------------------------------------------------


def camera_parameter(meaning: str = "the camera's name there") -> Parameter:
    """Return the parameter that names a camera."""
    return Parameter(meaning, kind="level")


def topic_parameter(default: str | None, meaning: str = "the MQTT base topic") -> Parameter:
    """Return the parameter that names a topic."""
    return Parameter(meaning, kind="topic", default=default)


def address_parameter(example: str, *, optional: bool = False) -> Parameter:
    """Return the parameter that names an address."""
    return Parameter(f"the address, such as {example}", kind="address", optional=optional)


USERNAME = Parameter("the user name on the camera")
PASSWORD = Parameter("the password on the camera", kind="secret")
LOGIN = {"username": USERNAME, "password": PASSWORD}
OVER_HTTP = {
    "auth": Parameter(
        "the kind of login, where the usual one is refused", optional=True, choices=AUTHS
    ),
    "username": Parameter("the user name, where a login is needed", optional=True),
    "password": Parameter("the password, where a login is needed", kind="secret", optional=True),
    "token": Parameter("the token, where auth is bearer", kind="secret", optional=True),
    "verify_tls": Parameter(
        "whether the certificate must be valid",
        kind="truth",
        default="true",
        choices=("true", "false"),
    ),
    "ca_file": Parameter("a PEM file with the certificate to trust", optional=True),
}
"""So that each advice about a login can be followed, whatever the system usually wants."""


def with_http(own: Mapping[str, Parameter]) -> Mapping[str, Parameter]:
    """Add what every picture over HTTP takes to a system's own parameters."""
    return {**own, **{name: known for name, known in OVER_HTTP.items() if name not in own}}


SNAPSHOT_URL = {
    "snapshot_url": Parameter(
        "the complete address of the camera's picture", kind="url", optional=True
    ),
    **OVER_HTTP,
}
MOTION_TOPIC = {
    "motion_topic": Parameter(
        "an MQTT topic with ON or OFF, true or false, 1 or 0", kind="topic", optional=True
    )
}


# --- checking -----------------------------------------------------------------------------------


def check_value(name: str, key: str, parameter: Parameter, value: str) -> str:
    """Check one value by the kind of its parameter; returns it in its normal form."""
    where = f"preset {name}: {key}"
    if parameter.kind == "secret":
        return value
    if parameter.kind in {"address", "url"}:
        return _checked_address(where, parameter, value)
    if parameter.choices:
        if value.lower() not in parameter.choices:
            raise ValueError(f"{where} is {value!r}: use one of {', '.join(parameter.choices)}")
        return value.lower()
    if parameter.kind == "number" and not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning} as a number")
    if parameter.kind in {"topic", "level"} and re.search(r"[+#\0]", value):
        raise ValueError(f"{where} is {value!r}: it may hold no +, # or null character")
    if parameter.kind == "level" and "/" in value:
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning}, without a slash")
    if parameter.kind == "topic" and not value.strip("/"):
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning}")
    return value.rstrip("/") if parameter.kind == "topic" else value


def _checked_address(where: str, parameter: Parameter, value: str) -> str:
    address = value if "://" in value else f"http://{value}"
    try:
        parsed = URL(address)
    except MALFORMED_URL:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{where} is {show_url(value)}: give {parameter.meaning}")
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(f"{where} holds a user name or password: give them as parameters")
    if parameter.kind == "url":
        return address
    if parsed.query_string or parsed.fragment:
        raise ValueError(f"{where} is {show_url(value)}: leave out what follows ? or #")
    return address.rstrip("/")
