"""How events are told in words: reasons, numbers, days."""

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from veroallarme_core.contract import State
from veroallarme_core.worker.history import Recurrence
from veroallarme_core.worker.page.pages.event_cards import bounds_of, by_day, card_of, reason_key
from veroallarme_core.worker.page.pages.why import lines_of, recurrence_picture
from veroallarme_core.worker.page.shell.words import LANGUAGES, words
from veroallarme_core.worker.storage import ListedEvent

ENGLISH = words("en")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("code", "state", "kinds", "said"),
    [
        ("moved", State.RELEVANT, ("person", "vehicle"), "A person moved"),
        ("moved", State.RELEVANT, ("ghost", "animal"), "An animal moved"),
        ("moved", State.RELEVANT, (), "Something moved"),
        (
            "moved",
            State.IRRELEVANT,
            ("person",),
            "Something moved, but it scored below the threshold",
        ),
        ("undecodable", State.UNKNOWN, (), "The picture cannot be read"),
        ("model_failed", State.UNKNOWN, (), "An error in VeroAllarme"),
        ("never_heard_of", State.UNKNOWN, (), "Another reason"),
    ],
)
def test_a_reason_in_words(code: str, state: State, kinds: tuple[str, ...], said: str) -> None:
    assert ENGLISH(reason_key(code, state, kinds, ENGLISH)) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_read_as_in_home_assistant(language: str) -> None:
    path = ROOT / "custom_components" / "veroallarme" / "translations" / f"{language}.json"
    sensors = json.loads(path.read_text(encoding="utf-8"))["entity"]["sensor"]
    told = words(language)
    for code, said in sensors["reason"]["state"].items():
        assert told(f"reasons.{code}") == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_states_and_thumbs_read_as_on_the_card(language: str) -> None:
    path = ROOT / "custom_components" / "veroallarme" / "frontend" / "words.js"
    script = path.read_text(encoding="utf-8")
    card = json.loads(script.removeprefix("export default").strip().rstrip(";"))[language]
    told = words(language)
    for key in ("relevant", "irrelevant", "unknown"):
        assert told(f"words.{key}") == card[key]
    for key in ("would", "no_alarm", "was_relevant", "was_nuisance", "no_picture"):
        assert told(f"events.{key}") == card[key]


def test_numbers_are_told_as_people_read_them() -> None:
    cues = {
        "sessions_alike": 25.0, "novelty": 0.123, "deviation": -1.0, "explained_by_light": None,
        "damage": "green", "regions": 3,
    }  # fmt: skip
    lines = {line.name: line for line in lines_of(cues, ENGLISH)}
    assert len(lines) == 3
    novelty = lines["Unlike what was seen here before"]
    assert (novelty.value, novelty.filled, novelty.speaks) == ("12%", 0.123, "for")
    assert lines["Far from the usual look of its place"].filled == 0.0
    alike = lines["Other times something like it moved here"]
    assert (alike.value, alike.filled, alike.speaks) == ("25", 1.0, "against")


def test_the_map_of_what_keeps_moving_is_a_picture_to_lay_over() -> None:
    assert recurrence_picture(None) is None
    shares = np.zeros((3, 5), np.float32)
    shares[1, 2] = 0.9
    assert recurrence_picture(Recurrence(events=9, shares=shares)) is None, "it tells nothing yet"
    address = recurrence_picture(Recurrence(events=30, shares=shares))
    assert address is not None
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (3, 5, 4)
    assert picture[1, 2, 3] > 150
    assert picture[0, 0, 3] == 0


def test_cards_are_parted_by_days_and_a_day_has_one_heading() -> None:
    noon = datetime.combine(date(2026, 11, 24), datetime.min.time()).astimezone() + timedelta(
        hours=12
    )
    cards = [
        card_of(
            ListedEvent(
                event_id=f"e{hours}", camera="gone", motion_at=noon - timedelta(hours=hours),
                state=State.UNKNOWN, relevant=False, reason="moved", kinds=(), feedback=None,
            ),
            {},
            ENGLISH,
            3,
        )
        for hours in (0, 1, 30)
    ]  # fmt: skip
    assert [len(day.cards) for day in by_day(cards)] == [2, 1]
    assert [day.has_heading for day in by_day(cards)] == [True, True]
    after = noon + timedelta(hours=1)
    assert [day.has_heading for day in by_day(cards, after.astimezone(UTC))] == [False, True]
    assert cards[0].camera_name == "gone"
    assert cards[0].note == "events.no_alarm"


def test_a_day_ends_where_the_next_begins() -> None:
    for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 12, 31)):
        begin, end = bounds_of(day)
        assert begin.date() == day
        assert end == bounds_of(day + timedelta(days=1))[0]
