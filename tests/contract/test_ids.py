"""Ids, which become folders and topics."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.ids import is_valid_id, new_event_id

MOTION_AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1)))
def test_event_ids_sort_by_time_in_utc_and_are_ids(moment: datetime) -> None:
    away = timezone(timedelta(hours=-7))
    event_id = new_event_id(moment.replace(tzinfo=away))
    assert is_valid_id(event_id)
    assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{6}", event_id)
    utc = moment.replace(tzinfo=away).astimezone(UTC)
    assert event_id.startswith(f"{utc:%Y%m%d_%H%M%S}_")


def test_event_ids_of_one_moment_differ() -> None:
    ids = {new_event_id(MOTION_AT) for _ in range(200)}
    assert len(ids) > 195


@pytest.mark.parametrize("text", ["a", "front_door", "0", "a" * 64])
def test_ids(text: str) -> None:
    assert is_valid_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "A", "a" * 65, "a-b", "a/b", "..", "a\n", "a\0", "ä", "²", "a+", "#"],
)
def test_other_texts_are_no_ids(text: str) -> None:
    assert not is_valid_id(text)
