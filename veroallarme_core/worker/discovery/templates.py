"""Templates that Home Assistant fills in: of a payload a state, of a choice a command.

A topic that is cleared has an empty payload, which is no JSON: every template of a state says
``None`` then, which Home Assistant reads as unknown, and logs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_STATE = 255
"""Characters that a state of Home Assistant may have."""


def state_of(expression: str) -> str:
    """Return the template of a state, out of an expression over ``value_json``."""
    return f"{{{{ ({expression}) if value_json is defined else None }}}}"


def text_of(expression: str) -> str:
    """Return the template of a text, cut to what a state may have."""
    return state_of(f"({expression})[:{MAX_STATE}]")


def attributes_of(expression: str) -> str:
    """Return the template of attributes, out of an expression that gives a mapping."""
    return f"{{{{ (({expression}) if value_json is defined else {{}}) | tojson }}}}"


def word_of(expression: str, words: Mapping[str, str]) -> str:
    """Return the template of a state that has a word for each value; unknown for others."""
    return state_of(f"{json.dumps(words)}.get({expression})")


def command_of(setting: str, values: Mapping[str, Any]) -> str:
    """Return the template of the command ``set``, out of the word that a user has chosen."""
    return f"{{{{ {{{json.dumps(setting)}: {json.dumps(values)}[value]}} | tojson }}}}"
