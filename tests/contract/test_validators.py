"""Mistakes show values that help, and none that hurt."""

import datetime

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.ids import is_valid_id
from veroallarme_core.contract.validators import (
    MAX_SHOWN_CHARACTERS,
    MISSING,
    advice,
    require_id,
    shown,
    value_at,
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
