"""Mistakes show values that help, and none that hurt."""

import datetime
from pathlib import Path

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.ids import is_valid_id
from veroallarme_core.contract.validators import (
    MAX_SHOWN_CHARACTERS,
    MISSING,
    advice,
    expanded_path,
    integer_between,
    number_between,
    one_word_of,
    or_none,
    require_id,
    shown,
    value_at,
    whole_between,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "True"),
        (-1, "-1"),
        (0.5, "0.5"),
        ("no", "'no'"),
        ("a\nb", r"'a\nb'"),
        (10**9999, "a huge number"),
        (-(10**9999), "a huge number"),
        ("x" * 200, "'" + "x" * (MAX_SHOWN_CHARACTERS - 1) + "…"),
        ("mqtt://me:secret@broker", "'(hidden)@broker'"),
        ("me:sec@ret@broker", "'(hidden)@broker'"),
        (["secret"], None),
        ({"a": "secret"}, None),
        (b"secret", None),
        (datetime.date(2026, 11, 23), None),
    ],
    ids=range(15),
)
def test_values(value, text):
    assert shown(value) == text


@given(value=anything)
def test_any_value_fits_a_line(value):
    text = shown(value)
    assert text is None or (len(text) <= MAX_SHOWN_CHARACTERS + 1 and "\n" not in text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([], {"a": [{"b": 1}]}),
        (["a", 0, "b"], 1),
        (["a", 1], MISSING),
        (["a", "b"], MISSING),
        (["a", 0, "b", "c"], MISSING),
        (["x"], MISSING),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path, value):
    assert value_at({"a": [{"b": 1}]}, path) == value


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"a": int}, {"b": 1}, "unknown key: remove it"),
        ({vol.Required("a"): int}, {}, "missing: add it"),
        (str, 1, "give a text"),
        ([str], 1, "give a list"),
        ({}, 1, "give keys with values"),
        (vol.Length(min=1, max=64), "", "give a text that is not empty"),
        (vol.Length(min=1, max=64), "x" * 65, "give at most 64 characters"),
    ],
)
def test_every_message_names_a_remedy(schema, value, says):
    with pytest.raises(vol.MultipleInvalid) as caught:
        vol.Schema(schema)(value)
    assert advice(caught.value.errors[0]) == says


@given(st.text(max_size=70))
def test_ids_are_checked_by_one_rule(text: str) -> None:
    if is_valid_id(text):
        assert require_id(text) == text
    else:
        with pytest.raises(vol.Invalid, match="a-z, 0-9"):
            require_id(text)


@given(whole=st.integers(-5, 15))
def test_a_whole_number_may_be_written_with_a_point_in_json_alone(whole: int) -> None:
    as_json, as_file = whole_between(0, 10), integer_between(0, 10)
    if 0 <= whole <= 10:
        assert as_json(whole) == as_json(float(whole)) == as_file(whole) == whole
        with pytest.raises(vol.Invalid, match=r"give a whole number from 0 to 10$"):
            as_file(float(whole))
    else:
        for validate in (as_json, as_file):
            with pytest.raises(vol.Invalid, match=r"from 0 to 10$"):
                validate(whole)


@pytest.mark.parametrize("value", [True, "1", None, [1], float("nan"), float("inf"), 10**400])
def test_what_is_no_number_within_bounds_is_refused_everywhere(value: object) -> None:
    for validator in (number_between, whole_between, integer_between):
        with pytest.raises(vol.Invalid, match=r"from 0 to 10 \(seconds\)$"):
            validator(0, 10, "seconds")(value)


@pytest.mark.parametrize("value", ["red", "", None, 3, ["green"], {}])
def test_a_word_is_one_of_those_that_are_named(value: object) -> None:
    validate = or_none(one_word_of("green", "blue"))
    assert validate("green") == "green"
    if value is None:
        assert validate(value) is None
    else:
        with pytest.raises(vol.Invalid, match="choose one of green, blue"):
            validate(value)


def test_a_path_may_begin_at_the_home_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded_path("~/events") == expanded_path(Path("~/events")) == tmp_path / "events"
    assert expanded_path("events") == Path("events")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "give a path"),
        (5, "give a path"),
        (None, "give a path"),
        ("a\0b", "remove the null character"),
        ("~nobody of that name/x", "there is no such user: write the path out"),
    ],
)
def test_what_is_no_path_is_refused(value: object, says: str) -> None:
    with pytest.raises(vol.Invalid, match=says):
        expanded_path(value)
