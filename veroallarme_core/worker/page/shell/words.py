"""The words of the pages, in the languages that they are in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "words"
LANGUAGES = ("en", "de", "es", "fr", "it")
"""English first: it is what everybody gets who asks for none of them."""


class Words:
    """What the pages say in one language.

    Args:
        language: One of `LANGUAGES`.
        said: A text by its key, or two of them, ``one`` and ``other``, between which ``count``
            chooses.
    """

    def __init__(self, language: str, said: Mapping[str, str | Mapping[str, str]]) -> None:
        self.language = language
        self._said = said

    def __contains__(self, key: str) -> bool:
        return key in self._said

    def __call__(self, key: str, **values: Any) -> str:
        """Return a text with values in its placeholders.

        Raises:
            KeyError: There is no such text, or a placeholder has no value.
        """
        text = self._said[key]
        if not isinstance(text, str):
            text = text["one" if self._is_one(values["count"]) else "other"]
        return text.format_map(values)

    def _is_one(self, count: float) -> bool:
        # French counts nothing as one.
        return count == 1 or (self.language == "fr" and count == 0)

    def date(self, moment: datetime) -> str:
        """Write the day of a moment, as this machine's clock has it."""
        local = moment.astimezone()
        month = self("words.months").split("|")[local.month - 1]
        return self("words.date", day=local.day, month=month)

    def time(self, moment: datetime) -> str:
        """Write the time of day of a moment, to the second, as this machine's clock has it."""
        return f"{moment.astimezone():%H:%M:%S}"


@cache
def words(language: str) -> Words:
    """Return the words of a language."""
    said: dict[str, Any] = {}
    for file in sorted((FOLDER / language).glob("*.json")):
        said.update(json.loads(file.read_text(encoding="utf-8")))
    return Words(language, said)


def preferred(accepted: str) -> str:
    """Return the language that a browser's ``Accept-Language`` likes best among ours."""
    wishes = []
    for place, part in enumerate(accepted[:500].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        wishes.append((-weight, place, tag.strip()[:2].lower()))
    known = [tag for weight, _, tag in sorted(wishes) if tag in LANGUAGES and weight < 0]
    return known[0] if known else LANGUAGES[0]
