"""Kinds of objects that a user may ask for: people, animals, vehicles."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import voluptuous as vol


class ObjectKind(StrEnum):
    """Kinds of objects that a user may ask for."""

    PERSON = "person"
    ANIMAL = "animal"
    VEHICLE = "vehicle"


ALL_KINDS = tuple(ObjectKind)
"""What counts unless the user says otherwise."""

_REMEDY = f"give a list of one or more of {', '.join(ObjectKind)}"


def object_kinds(value: Any) -> tuple[ObjectKind, ...]:
    """Accept a list of kinds, at least one, and return each once, in one order."""
    if not isinstance(value, list | tuple) or not value:
        raise vol.Invalid(_REMEDY)
    if any(not isinstance(word, str) or word not in ALL_KINDS for word in value):
        raise vol.Invalid(_REMEDY)
    return tuple(kind for kind in ObjectKind if kind in value)


def parse_object_kinds(text: str) -> tuple[ObjectKind, ...]:
    """Read kinds as a command line names them, separated by commas.

    Raises:
        ValueError: a word names no kind, or there is none.
    """
    try:
        return object_kinds([word.strip() for word in text.split(",")])
    except vol.Invalid:
        raise ValueError(f"give one or more of {', '.join(ObjectKind)}") from None


def write_object_kinds(kinds: Iterable[ObjectKind]) -> str:
    """Write kinds as a command line names them."""
    return ",".join(kinds)
