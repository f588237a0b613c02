"""Validators of what only a configuration file holds; those of plain values are the contract's."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import voluptuous as vol

from veroallarme_core.contract import expanded_path, number_between, require_id
from veroallarme_core.worker.config.passwords import is_password_hash
from veroallarme_core.worker.motion_sources import check_topic_filter


class SelfContainedMistake(vol.Invalid):
    """A mistake whose message names the value already."""


def any_text(value: Any) -> str:
    """Accept a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise vol.Invalid("give a text that is not empty")
    if "\0" in value:
        raise vol.Invalid("remove the null character")
    return value


def scalar_text(value: Any) -> str:
    """Accept what YAML turned into a number or a truth value back as the text it stood for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise vol.Invalid("give a text, a number, true or false")


def scalar_texts(value: Any) -> tuple[str, ...]:
    """Accept one value or a list of values as texts."""
    return tuple(scalar_text(item) for item in (value if isinstance(value, list) else [value]))


def texts_by_path(value: Any) -> dict[str, str]:
    """Accept a mapping of JSON paths to the values they must hold."""
    if not isinstance(value, dict):
        raise vol.Invalid("give JSON paths and the value that each must hold")
    return {any_text(path): scalar_text(wanted) for path, wanted in value.items()}


def host_name(value: Any) -> str:
    """Accept a host without port and scheme."""
    text = any_text(value)
    # An IPv6 address has more than one colon.
    if re.search(r"[/\s]", text) or text.count(":") == 1:
        raise vol.Invalid("give the host alone; the port goes into port, encryption into tls")
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def secret_of(length: int) -> Callable[[Any], str]:
    """Accept what nobody guesses in a while: so many characters at least."""

    def check(value: Any) -> str:
        text = scalar_text(value)
        if len(text) < length:
            raise vol.Invalid(f"give at least {length} characters")
        return text

    return check


def password_hash(value: Any) -> str:
    """Accept what `veroallarme hash-password` prints."""
    if not isinstance(value, str) or not is_password_hash(value):
        raise vol.Invalid("give what `veroallarme hash-password` prints")
    return value


def page_address(value: Any) -> str:
    """Accept the address of a page, as people type it into a browser."""
    text = any_text(value).rstrip("/")
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~-]+)*", text, re.ASCII):
        raise vol.Invalid("give an address such as https://alarm.example.org/veroallarme")
    return text


def networks(value: Any) -> tuple[str, ...]:
    """Accept one or several addresses or networks, such as 192.168.1.2 or 172.16.0.0/12."""
    texts = scalar_texts(value)
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise vol.Invalid(
                f"{text[:64]} is no address or network: give such as 192.168.1.2 or 172.16.0.0/12"
            ) from None
    return texts


def plain_topic(value: Any) -> str:
    """Accept a topic without wildcards."""
    text = any_text(value)
    with as_mistake():
        check_topic_filter(text)
    if "+" in text or "#" in text:
        raise vol.Invalid("give a topic without the wildcards + and #")
    return text


def topic_prefix(value: Any) -> str:
    """Accept levels of a topic, each an id."""
    for level in (text := any_text(value)).split("/"):
        require_id(level)
    return text


def pause_s(value: Any) -> float:
    """Accept seconds between two things; 0 is never."""
    seconds: float = number_between(0, 86400, "seconds")(value)
    if 0 < seconds < 1:
        raise vol.Invalid("give 0 (never) or a number from 1 to 86400 (seconds)")
    return seconds


class Folder:
    """Where the file lies: what the relative paths in it are relative to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, value: Any) -> Path:
        """Accept any path."""
        return self._folder / expanded_path(any_text(value))

    def file(self, value: Any) -> Path:
        """Accept the path of a file that can be read."""
        found = self.path(value)
        try:
            with found.open("rb"):
                return found
        except OSError as error:
            raise vol.Invalid(
                f"{found} cannot be read ({error.strerror}): give the path of a PEM file"
            ) from None


@contextlib.contextmanager
def as_mistake(value: Any = None) -> Iterator[None]:
    """Turn the ValueError of a part that validates itself into a mistake at the field it names."""
    try:
        yield
    except ValueError as error:
        named = re.match(r"(?:preset \w+: )?(\w+)", str(error))
        known = isinstance(value, dict) and named is not None and named[1] in value
        raise SelfContainedMistake(
            str(error), path=[named[1]] if known and named else None
        ) from None
