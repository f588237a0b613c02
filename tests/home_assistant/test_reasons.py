import re
from pathlib import Path

import pytest

from custom_components.veroallarme.reasons import (
    OBJECT_KINDS,
    OTHER,
    REASONS,
    EventState,
    reason_word,
)

TROUBLESHOOTING = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def documented_codes() -> set[str]:
    """Return the codes in the table of reasons."""
    section = TROUBLESHOOTING.read_text().partition("## What the verdict's `reason` says")[2]
    rows = [row.split(" | ")[0] for row in section.partition("\n## ")[0].splitlines()]
    return {code for row in rows if row.startswith("| `") for code in re.findall("`(\\w+)`", row)}


def test_every_reason_of_the_worker_has_a_word() -> None:
    codes = documented_codes()
    assert codes
    words = {reason_word(code, state, []) for code in codes for state in EventState}
    assert OTHER not in words
    assert words | {*OBJECT_KINDS, OTHER} == set(REASONS), "no word without a reason"


@pytest.mark.parametrize(
    ("code", "judged", "objects", "word"),
    [
        ("moved", EventState.RELEVANT, ["person", "vehicle"], "person"),
        ("moved", EventState.RELEVANT, ["spaceship"], "moved"),
        ("moved", EventState.IRRELEVANT, ["person"], "below_threshold"),
        ("always_zone", EventState.RELEVANT, ["person"], "always_zone"),
        ("undecodable", EventState.UNKNOWN, [], "unreadable_picture"),
        ("of_a_newer_worker", EventState.RELEVANT, [], OTHER),
    ],
)
def test_what_moved_is_the_reason_where_it_is_known(
    code: str, judged: EventState, objects: list[str], word: str
) -> None:
    assert reason_word(code, judged, objects) == word
