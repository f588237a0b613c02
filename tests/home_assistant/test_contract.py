"""What the integration parses and sends, held to the schemas in docs/contract."""

import contextlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_components.veroallarme.contract import EventState, Health, Info, Verdict, read_review
from custom_components.veroallarme.payload import (
    PayloadError,
    read_json,
)
from custom_components.veroallarme.settings import Mode, Objects, Settings
from custom_components.veroallarme.stats import Stats
from custom_components.veroallarme.suggestions import read_suggestions

from .worker import HEALTH, INFO, REVIEW, SETTINGS, STATS, SUGGESTIONS, changed, nuisance, verdict

CONTRACT = Path(__file__).parents[2] / "docs" / "contract"


GATE = {"name": "Gate", "kind": "always", "points": [[0, 0], [1, 0], [1, 0.5]]}
READERS = {
    "info": (Info.from_json, INFO),
    "health": (Health.from_json, changed(HEALTH, sent_at="2026-11-23T06:14:31.006+00:00")),
    "verdict": (Verdict.from_json, verdict()),
    "stats": (Stats.from_json, STATS),
    "settings": (Settings.from_json, changed(SETTINGS, zones=[GATE])),
    "review": (read_review, REVIEW),
    "suggestions": (read_suggestions, SUGGESTIONS),
}


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["drive", "2026-11-23T06:14:02Z", "9999-12-31T23:59:59-14:00", -1, 1e300]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def schema(name: str) -> jsonschema.Draft202012Validator:
    content = json.loads((CONTRACT / f"{name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(content)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values in a payload."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    if isinstance(value, dict | list):
        for key, item in items:
            found += paths(item, (*path, key)) if isinstance(item, dict | list) else [(*path, key)]
    return found


def with_value(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a payload with another value in one place."""
    if not path:
        return value
    copy = changed(payload) if isinstance(payload, dict) else list(payload)
    copy[path[0]] = with_value(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", READERS)
def test_reads_what_the_contract_allows(name: str) -> None:
    read, payload = READERS[name]
    schema(name).validate(payload)
    assert read(read_json(json.dumps(payload)))


def test_reads_the_examples_of_the_contract() -> None:
    text = (CONTRACT / "README.md").read_text()
    for name, (read, _) in READERS.items():
        section = text.split(f"### `{name}`")[1].split("\n### ")[0]
        examples = section.split("```json\n")[1:]
        assert examples, name
        for example in examples:
            read(read_json(example.split("```")[0]))


@pytest.mark.parametrize("name", READERS)
def test_ignores_what_a_newer_worker_adds(name: str) -> None:
    read, payload = READERS[name]
    assert read(payload | {"added_later": {"a": [1]}}) == read(payload)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_hostile_payload_is_refused_in_one_way(name: str, data: st.DataObject) -> None:
    read, payload = READERS[name]
    path = data.draw(st.sampled_from(paths(payload)))
    hostile = with_value(payload, path, data.draw(JSON_VALUES))
    with contextlib.suppress(PayloadError):
        read(read_json(json.dumps(hostile)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "../../etc"),
        ("event_id", 5),
        ("state", "maybe"),
        ("relevant", "yes"),
        ("score", 1.5),
        ("score", True),
        ("threshold", None),
        ("decided_at", "yesterday"),
        ("decided_at", "2026-11-23T06:14:02"),
        ("hold_until", "0001-01-01T00:00:00+14:00"),
        ("num_relevant", 0.5),
        ("regions", {"x": 1}),
        ("regions", ["x"]),
        ("timing_ms", None),
        ("explanation", None),
    ],
)
def test_a_verdict_with_a_wrong_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(PayloadError, match=field):
        Verdict.from_json(verdict(**{field: value}))


def test_a_verdict_stays_small_enough_for_an_attribute() -> None:
    (region,) = verdict()["regions"]
    read = Verdict.from_json(
        verdict(regions=[region | {"reason": "x" * 10_000}] * 500, explanation="y" * 100_000)
    )
    assert len(json.dumps(read.summary() | {"regions": read.regions})) < 16_384


def test_an_event_that_nothing_could_judge_has_no_score() -> None:
    read = Verdict.from_json(nuisance(state="unknown", score=None))
    assert (read.state, read.score) == (EventState.UNKNOWN, None)


def test_of_another_contract_only_its_version_is_read() -> None:
    info = Info.from_json({"contract": 2, "cameras": "no list any more"})
    assert (info.supported, info.contract, info.cameras) == (False, 2, {})


def test_capabilities_that_are_no_list_are_refused() -> None:
    with pytest.raises(PayloadError, match="capabilities"):
        Info.from_json(changed(INFO, capabilities="all"))


def test_settings_are_words_of_the_contract() -> None:
    assert Settings.from_json(SETTINGS).mode is Mode.FILTER
    old = {"name": "Gate", "points": GATE["points"]}
    read = Settings.from_json(changed(SETTINGS, zones=[GATE, old]))
    assert read.zones == [GATE, GATE | {"kind": "only"}]
    for wrong in (
        {"kind": "never"},
        {"points": [[0, 0], [1, 0]]},
        {"points": [[0, 0], [1, 0], [2, 1]]},
        {"points": [[0, 0], [1, 0], [1]]},
        {"points": {}},
    ):
        with pytest.raises(PayloadError, match=next(iter(wrong))):
            Settings.from_json(changed(SETTINGS, zones=[GATE | wrong]))
    mine = GATE | {"objects": ["vehicle", "person"]}
    read = Settings.from_json(changed(SETTINGS, zones=[mine], objects=["animal"]))
    assert read.zones == [GATE | {"objects": ["person", "vehicle"]}]
    assert read.objects is Objects.ANIMAL
    for kinds in ([], ["car"], ["person", "person"], "person", {"person": 1}, [["person"]]):
        with pytest.raises(PayloadError, match="objects"):
            Settings.from_json(changed(SETTINGS, objects=kinds))
    with pytest.raises(PayloadError, match="mode"):
        Settings.from_json(changed(SETTINGS, mode="party"))
