"""Moments and payloads as other programs read them."""

import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.encoding import MAX_INDENTED_BYTES, dump, dump_state, iso


@given(st.datetimes(), st.sampled_from([-11, 0, 5.5, 14]))
def test_moments_survive_writing_to_a_millisecond(moment: datetime, offset_h: float) -> None:
    try:
        aware = moment.replace(tzinfo=timezone(timedelta(hours=offset_h)))
        text = iso(aware)
    except OverflowError:
        return  # the first and the last day of the calendar have no UTC
    assert text.endswith("+00:00")
    assert abs(datetime.fromisoformat(text) - aware) < timedelta(milliseconds=1)


def test_a_payload_is_compact_and_readable():
    assert dump({"name": "Hofeinfahrt Süd", "n": [1, 2]}) == (
        '{"name":"Hofeinfahrt Süd","n":[1,2]}'.encode()
    )


payloads = st.dictionaries(
    st.text(st.characters()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    ),
)


@given(payload=payloads)
def test_whatever_is_sent_is_json_in_utf_8(payload):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    json.loads(dump(payload).decode(), parse_constant=refuse)


def test_what_json_does_not_have_becomes_null_and_the_rest_stays():
    payload = {"cues": {"share": math.nan, "area": 3}, "regions": ({"score": -math.inf}, 0.5)}
    assert json.loads(dump(payload)) == {
        "cues": {"share": None, "area": 3},
        "regions": [{"score": None}, 0.5],
    }
    assert dump({"name": "half \ud800 pair"}) == b'{"name":"half ? pair"}'


@given(payload=payloads)
def test_state_says_the_same_as_other_payloads(payload):
    assert json.loads(dump_state(payload)) == json.loads(dump(payload))


def test_state_is_indented_as_long_as_it_is_small():
    assert dump_state({"mode": "filter", "hold_s": 30.0}) == (
        b'{\n  "mode": "filter",\n  "hold_s": 30.0\n}'
    )
    large = {"text": "x" * MAX_INDENTED_BYTES}
    assert dump_state(large) == dump(large)
    assert dump_state({"name": "half \ud800 pair", "share": math.nan}) == (
        b'{\n  "name": "half ? pair",\n  "share": null\n}'
    )
