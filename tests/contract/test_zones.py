"""A file of zones: what is read from it, and the one sentence that refuses anything else."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veroallarme_core.contract import (
    Zone,
    ZoneKind,
    ZonesError,
    read_zones,
    with_names_of_their_own,
)
from veroallarme_core.contract.reading import MAX_ERROR_CHARACTERS
from veroallarme_core.contract.zones import MAX_FILE_BYTES

TRIANGLE = [[0, 0], [1, 0], [1, 1]]


def test_zones_are_read_as_the_settings_write_them(tmp_path: Path) -> None:
    zones = tuple(
        Zone(name=f"Zone „{kind}“", kind=kind, points=((0.0, 0.25), (1.0, 0.0), (1.0, 1.0)))
        for kind in ZoneKind
    )
    file = tmp_path / "zones.json"
    text = json.dumps([zone.to_dict() for zone in zones], ensure_ascii=False)
    for mark in ("", "\ufeff"):
        file.write_text(mark + text, encoding="utf-8")
        assert read_zones(file) == zones


def test_what_is_not_known_of_a_zone_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    file.write_text(json.dumps([{"name": "a", "points": TRIANGLE, "colour": "red"}]))
    [zone] = read_zones(file)
    assert (zone.name, zone.kind) == ("a", ZoneKind.ONLY)


def test_no_zones_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "zones.json").write_text("[]")
    assert read_zones(tmp_path / "zones.json") == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not JSON: write"),
        ("[" * 5000, "is not JSON: write"),
        ("[NaN]", "is not JSON: write"),
        (" " * (MAX_FILE_BYTES + 1), "is longer than 65536 bytes: give a file of zones"),
        ('{"zones": []}', "holds no list of zones: write"),
        ("[3]", "zones.json: 0: 3: "),
        ('[{"name": "a"}]', "zones.json: 0.points: missing: add it"),
        (
            json.dumps([{"name": "a", "kind": "never", "points": TRIANGLE}]),
            "zones.json: 0.kind: 'never': choose one of only, ignore, always",
        ),
        (
            json.dumps([{"name": "a", "points": [[0, 0], [1, 0], [1, 2]]}]),
            "zones.json: 0.points.2.1: 2: give a number from 0 to 1 (a share of the picture's "
            "width or height)",
        ),
    ],
)
def test_anything_else_is_refused_in_one_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "zones.json"
    file.write_text(content)
    with pytest.raises(ZonesError) as caught:
        read_zones(file)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ZonesError, match="cannot be read"):
        read_zones(tmp_path / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "zones.json"
    file.write_bytes(content)
    refusal = ""
    try:
        read_zones(file)
    except ZonesError as error:
        refusal = str(error)
    assert len(refusal) <= MAX_ERROR_CHARACTERS + len(str(file)) + 2


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["Tree", "Street"], ["Tree", "Street"]),
        (["Tree", "Tree", "tree"], ["Tree", "Tree 2", "tree 3"]),
        (["Zone 1", "Zone 1", "Zone 2"], ["Zone 1", "Zone 2", "Zone 3"]),
        (["7", "7"], ["7", "7 2"]),
        ([" ", " "], ["only", "only 2"]),
    ],
)
def test_no_two_zones_have_the_same_name(names: list[str], named: list[str]) -> None:
    zones = [Zone(name=name, points=((0, 0), (1, 0), (1, 1))) for name in names]
    assert [zone.name for zone in with_names_of_their_own(zones)] == named


@given(st.lists(st.text(min_size=1, max_size=64), max_size=16))
def test_any_names_become_names_of_their_own(names: list[str]) -> None:
    named = with_names_of_their_own(
        Zone(name=name, points=((0, 0), (1, 0), (1, 1))) for name in names
    )
    assert len({zone.name.casefold() for zone in named}) == len(names)
    assert all(1 <= len(zone.name) <= 64 for zone in named)
