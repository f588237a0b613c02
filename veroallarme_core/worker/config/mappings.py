"""Validators of mappings and lists in the configuration file, of which all mistakes are told."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import voluptuous as vol

from veroallarme_core.contract import Validator
from veroallarme_core.worker.config.values import SelfContainedMistake, as_mistake

Table = Mapping[Any, Any]
"""Keys, some of them `vol.Required`, and the validators of their values."""


def check_mapping(value: Any, table: Table, what: str = "keys with values") -> dict[str, Any]:
    """Check a mapping; an unknown key is told the nearest one that is known at its place."""
    known = [str(key) for key in table]
    if not isinstance(value, dict):
        raise vol.Invalid(f"give {what}: {', '.join(known)}")
    mistakes = [unknown_key(key, known) for key in value if key not in known]
    try:
        checked = vol.Schema(dict(table), extra=vol.REMOVE_EXTRA)(value)
    except vol.MultipleInvalid as error:
        mistakes += error.errors
    if mistakes:
        raise vol.MultipleInvalid(mistakes)
    return dict(checked)


def unknown_key(key: Any, known: Collection[str]) -> vol.Invalid:
    """Return the mistake of a key that is not known at its place."""
    near = difflib.get_close_matches(str(key), known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}"
    return SelfContainedMistake(f"unknown key: {remedy}", path=[key])


def build(kind: Any, table: Table) -> Validator:
    """Return a validator that checks a mapping and makes a dataclass of it."""

    def validate(value: Any) -> Any:
        checked = check_mapping({} if value is None else value, table)
        with as_mistake(value):
            return kind(**checked)

    return validate


def check_each(items: Iterable[tuple[Any, Any]], validate: Validator) -> dict[Any, Any]:
    """Validate several values and tell the mistakes of all of them."""
    done, mistakes = {}, []
    for key, value in items:
        try:
            done[key] = validate(value)
        except vol.Invalid as error:
            error.prepend([key])
            mistakes += error.errors if isinstance(error, vol.MultipleInvalid) else [error]
    if mistakes:
        raise vol.MultipleInvalid(mistakes)
    return done
