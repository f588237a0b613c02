"""Settings of a camera: the truth table row by row, and what is refused."""

import json
import math

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.object_kinds import (
    ObjectKind,
    parse_object_kinds,
    write_object_kinds,
)
from veroallarme_core.contract.settings import (
    SETTING_NAMES,
    SETTINGS_SCHEMA,
    CameraSettings,
    Mode,
    OnUnknown,
    raises_alarm,
)
from veroallarme_core.contract.verdict import State
from veroallarme_core.contract.zones import Zone, ZoneKind

RELEVANT, IRRELEVANT, UNKNOWN = State.RELEVANT, State.IRRELEVANT, State.UNKNOWN


@pytest.mark.parametrize("on_unknown", OnUnknown)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("mode", Mode)
def test_switched_off_or_in_shadow_or_learning_every_motion_alerts(
    mode: Mode, learning: bool, state: State, on_unknown: OnUnknown
) -> None:
    off = CameraSettings(enabled=False, mode=mode, on_unknown=on_unknown)
    assert raises_alarm(off, state, learning=learning)
    shadow = CameraSettings(mode=Mode.SHADOW, on_unknown=on_unknown)
    assert raises_alarm(shadow, state, learning=learning)
    auto = CameraSettings(mode=Mode.AUTO, on_unknown=on_unknown)
    assert raises_alarm(auto, state, learning=True)


@pytest.mark.parametrize(
    ("mode", "learning"), [(Mode.AUTO, False), (Mode.FILTER, False), (Mode.FILTER, True)]
)
@pytest.mark.parametrize(
    ("state", "on_unknown", "alarm"),
    [
        (RELEVANT, OnUnknown.ALERT, True),
        (RELEVANT, OnUnknown.SUPPRESS, True),
        (IRRELEVANT, OnUnknown.ALERT, False),
        (IRRELEVANT, OnUnknown.SUPPRESS, False),
        (UNKNOWN, OnUnknown.ALERT, True),
        (UNKNOWN, OnUnknown.SUPPRESS, False),
    ],
)
def test_a_camera_that_filters_alerts_by_state(
    mode: Mode, learning: bool, state: State, on_unknown: OnUnknown, alarm: bool
) -> None:
    settings = CameraSettings(mode=mode, on_unknown=on_unknown)
    assert raises_alarm(settings, state, learning=learning) is alarm


def test_fresh_camera_alerts_on_everything() -> None:
    assert all(raises_alarm(CameraSettings(), state, learning=True) for state in State)


shares = st.floats(0, 1)
kinds = st.sets(st.sampled_from(ObjectKind), min_size=1).map(
    lambda chosen: tuple(kind for kind in ObjectKind if kind in chosen)
)
zones = st.builds(
    Zone,
    kind=st.sampled_from(ZoneKind),
    objects=st.none() | kinds,
    name=st.text(min_size=1, max_size=64),
    points=st.lists(st.tuples(shares, shares), min_size=3, max_size=64).map(tuple),
)
all_settings = st.builds(
    CameraSettings,
    enabled=st.booleans(),
    mode=st.sampled_from(Mode),
    on_unknown=st.sampled_from(OnUnknown),
    threshold=st.none() | shares,
    recall=st.none() | st.floats(0.5, 0.999),
    hold_s=st.floats(0, 3600),
    zones=st.lists(zones, max_size=4).map(tuple),
    objects=kinds,
)


@given(all_settings)
def test_settings_survive_json(settings: CameraSettings) -> None:
    text = json.dumps(settings.to_dict())
    assert CameraSettings().changed(json.loads(text)) == settings
    assert set(json.loads(text)) == set(SETTING_NAMES)


@given(all_settings, st.sampled_from(SETTING_NAMES))
def test_change_leaves_everything_else(settings: CameraSettings, name: str) -> None:
    change = {name: CameraSettings().to_dict()[name]}
    changed = settings.changed(change).to_dict()
    assert changed == settings.to_dict() | change


TRIANGLE = [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"enabled": "no"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"mode": "sometimes"}, "mode"),
        ({"mode": None}, "mode"),
        ({"mode": []}, "mode"),
        ({"on_unknown": "shrug"}, "on_unknown"),
        ({"threshold": 1.01}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"threshold": "0.5"}, "threshold"),
        ({"threshold": math.nan}, "threshold"),
        ({"hold_s": -1}, "hold_s"),
        ({"hold_s": 3601}, "hold_s"),
        ({"hold_s": math.inf}, "hold_s"),
        ({"zones": None}, "zones"),
        ({"zones": {}}, "zones"),
        ({"zones": [{}]}, "zones"),
        ({"zones": [{"name": "a", "points": TRIANGLE[:2]}]}, "zones"),
        ({"zones": [{"name": "a", "points": [[0, 0], [1, 0], [1, 1.5]]}]}, "zones"),
        ({"zones": [{"name": "a", "points": [[0, 0], [1, 0], [1]]}]}, "zones"),
        ({"zones": [{"name": "a", "kind": "never", "points": TRIANGLE}]}, "zones"),
        ({"zones": [{"name": "a", "kind": None, "points": TRIANGLE}]}, "zones"),
        ({"zones": [{"name": "a", "kind": [], "points": TRIANGLE}]}, "zones"),
        ({"zones": [{"name": "", "points": TRIANGLE}]}, "zones"),
        ({"zones": [{"name": "a", "points": TRIANGLE}] * 17}, "zones"),
        *[
            ({"objects": wrong}, "objects")
            for wrong in (
                [],
                None,
                "person",
                ["people"],
                ["person", 1],
                [["person"]],
                {"a": 1},
            )
        ],
        ({"zones": [{"name": "a", "points": TRIANGLE, "objects": []}]}, "zones"),
        ({"volume": 11}, "volume"),
    ],
)
def test_wrong_values_are_refused_by_name(change: dict[str, object], where: str) -> None:
    with pytest.raises(vol.MultipleInvalid) as caught:
        CameraSettings().changed(change)
    assert caught.value.path[0] == where


def test_zones_of_before_there_were_kinds_mean_only() -> None:
    [zone] = CameraSettings().changed({"zones": [{"name": "a", "points": TRIANGLE}]}).zones
    assert zone.kind is ZoneKind.ONLY
    assert zone.to_dict()["kind"] == "only"


def test_kinds_of_objects_come_once_and_in_one_order() -> None:
    changed = CameraSettings().changed({"objects": ["vehicle", "person", "vehicle"]})
    assert changed.objects == (ObjectKind.PERSON, ObjectKind.VEHICLE)
    assert changed.to_dict()["objects"] == ["person", "vehicle"]
    with pytest.raises(vol.Invalid, match="give a list of one or more of person, animal, vehicle"):
        CameraSettings().changed({"objects": ["car"]})


def test_settings_of_before_there_were_kinds_of_objects_count_all() -> None:
    old = {name: value for name, value in CameraSettings().to_dict().items() if name != "objects"}
    assert CameraSettings().changed(old).objects == tuple(ObjectKind)


def test_kinds_on_the_command_line_are_read_as_they_are_written() -> None:
    for chosen in ((ObjectKind.PERSON,), tuple(ObjectKind)):
        assert parse_object_kinds(write_object_kinds(chosen)) == chosen
    assert parse_object_kinds("animal, person") == (ObjectKind.PERSON, ObjectKind.ANIMAL)
    for wrong in ("", "person,", "people", "person;animal"):
        with pytest.raises(ValueError, match="give one or more of person, animal, vehicle"):
            parse_object_kinds(wrong)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(vol.MultipleInvalid) as caught:
        CameraSettings().changed({"enabled": "no", "hold_s": -1, "mode": "x"})
    assert {error.path[0] for error in caught.value.errors} == {"enabled", "hold_s", "mode"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(SETTING_NAMES) | st.text(), json_values, max_size=4))
def test_any_document_is_taken_or_refused(document: dict[str, object]) -> None:
    try:
        checked = SETTINGS_SCHEMA(document)
    except vol.MultipleInvalid:
        return
    CameraSettings(**checked)
