"""The user's word on suggestions is kept, and survives a restart."""

from pathlib import Path

import pytest

from tests.zone_suggestions.past import STREET, recurrence, street_and_drive
from veroallarme_core.contract import Zone, ZoneKind, ZoneSuggestion
from veroallarme_core.zone_suggestions import (
    History,
    KnownSuggestions,
    SuggestionFileError,
    suggest_zones,
)

BUSY = recurrence(STREET)


@pytest.fixture(scope="module")
def street() -> ZoneSuggestion:
    (found,) = suggest_zones(History(events=street_and_drive(), recurrence=BUSY))
    return found


def at(suggestion: ZoneSuggestion, *, lower: float, suggestion_id: str) -> ZoneSuggestion:
    """Return a suggestion moved down, under another id."""
    zone = suggestion.zone
    points = tuple((x, min(1.0, y + lower)) for x, y in zone.points)
    return ZoneSuggestion(
        id=suggestion_id,
        zone=Zone(name=zone.name, kind=ZoneKind.IGNORE, points=points),
        evidence=suggestion.evidence,
    )


def test_what_was_refused_is_not_suggested_again_unless_it_changed_a_lot(
    street: ZoneSuggestion,
) -> None:
    known = KnownSuggestions().renewed([street])
    assert known.find(street.id) == street
    known = known.refusing(street)
    assert known.offered == ()
    assert known.renewed([at(street, lower=0.01, suggestion_id="zone_a")]).offered == ()
    other = at(street, lower=0.3, suggestion_id="zone_b")
    assert known.renewed([other]).offered == (other,)


def test_an_area_keeps_its_id_from_night_to_night(street: ZoneSuggestion) -> None:
    known = KnownSuggestions().renewed([street])
    (kept,) = known.renewed([at(street, lower=0.01, suggestion_id="zone_a")]).offered
    assert kept.id == street.id
    assert kept.zone != street.zone
    assert known.without(street).offered == ()
    assert known.without(street).refused == ()


def test_a_file_holds_all_of_it(tmp_path: Path, street: ZoneSuggestion) -> None:
    path = tmp_path / "camera" / "suggestions.json"
    assert KnownSuggestions.load(path) == KnownSuggestions()
    other = at(street, lower=0.3, suggestion_id="zone_b")
    known = KnownSuggestions().renewed([street, other]).refusing(other)
    known.save(path)
    read = KnownSuggestions.load(path)
    assert read.refused == known.refused
    assert [one.zone for one in read.offered] == [street.zone]
    assert read.offered[0].to_dict() == street.to_dict()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"offered": 1, "refused": []}', b'{"offered": [], "refused": 3}',
     b'{"offered": [{"id": "x"}], "refused": []}', b"\xff", b"[" * 100_000],
)  # fmt: skip
def test_a_broken_file_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "suggestions.json"
    path.write_bytes(content)
    with pytest.raises(SuggestionFileError) as raised:
        KnownSuggestions.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
