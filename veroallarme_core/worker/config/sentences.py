"""What is wrong with a configuration file, in sentences that show no secret."""

from __future__ import annotations

import re
from collections.abc import Collection

import voluptuous as vol

from veroallarme_core.contract import advice, shown, value_at
from veroallarme_core.worker.config.config_file import ConfigDocument
from veroallarme_core.worker.config.presets import PRESETS
from veroallarme_core.worker.config.values import SelfContainedMistake

SECRET_KEYS = {"password", "password_hash", "token"}.union(
    name
    for preset in PRESETS.values()
    for name, parameter in preset.parameters.items()
    if parameter.kind == "secret"
)


class ConfigError(ValueError):
    """The configuration cannot be used; ``mistakes`` holds a sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _sentence(error: vol.Invalid, document: ConfigDocument) -> str:
    """Say where in the file the mistake is, which value stands there, and what to do."""
    path = [str(step) if isinstance(step, vol.Marker) else step for step in error.path]
    where = ".".join(str(step) for step in path) or "the file"
    line = document.line(path)
    value = shown(value_at(document.content, path))
    if isinstance(error, SelfContainedMistake) or not path:
        value = None
    elif value is not None and (path[-1] in SECRET_KEYS or document.is_hidden(path)):
        value = "(hidden)"
    place = where if line is None else f"{where} (line {line})"
    return ": ".join(part for part in (place, value, advice(error)) if part)


def sentences(error: vol.MultipleInvalid, document: ConfigDocument) -> list[str]:
    """Return a sentence for each mistake that was not found when the file was read."""
    by_line = sorted(
        (document.line(mistake.path) or 0, _sentence(mistake, document))
        for mistake in error.errors
        if not document.is_unresolved(mistake.path)
    )
    return [_in_one_line(_without_secrets(text, document.secrets)) for _, text in by_line]


def _in_one_line(sentence: str) -> str:
    """Keep a key or an address with a line break from looking like two mistakes."""
    return "".join(character if character.isprintable() else "�" for character in sentence)


def _without_secrets(sentence: str, secrets: Collection[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        # A shorter one would turn up in innocent words; where it is the value it is hidden anyway.
        if len(secret) >= 4:
            # Triggers show their values in lower case, and a repr may escape some characters.
            for spelling in (re.escape(secret), re.escape(repr(secret)[1:-1])):
                sentence = re.sub(spelling, "(hidden)", sentence, flags=re.IGNORECASE)
    return sentence
