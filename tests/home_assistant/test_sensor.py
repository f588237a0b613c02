from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .worker import (
    HEALTH,
    REVIEW,
    STATS,
    attributes,
    changed,
    entity_id,
    moment,
    nuisance,
    say,
    state,
    verdict,
)


@pytest.mark.usefixtures("all_entities_enabled")
async def test_totals_and_learning(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "suppressed") == "322"
    assert state(hass, "sensor", "relevant") == "61"
    assert state(hass, "sensor", "unknown") == "15"
    assert attributes(hass, "sensor", "suppressed")["state_class"] == "total_increasing"
    assert float(state(hass, "sensor", "learning")) == 100
    assert attributes(hass, "sensor", "learning")["learned"] is True
    assert float(state(hass, "sensor", "promise")) == 99
    assert attributes(hass, "sensor", "promise")["synthetic"] == 600


@pytest.mark.usefixtures("all_entities_enabled")
async def test_a_camera_that_is_still_learned_promises_nothing(hass: HomeAssistant, site) -> None:
    learning = STATS["learning"] | {"learned": False, "share": 0.45, "missing": "21 more events"}
    young = changed(STATS, learning=learning, promise=None, adaptation=None)
    young["notice"] = {"at": "2026-11-23T03:00:41.000+00:00", "message": "The camera was re-aimed."}
    await say(hass, "camera/drive/stats", young)
    assert float(state(hass, "sensor", "learning")) == 45
    shown = attributes(hass, "sensor", "learning")
    assert (shown["missing"], shown["notice"]) == ("21 more events", "The camera was re-aimed.")
    assert state(hass, "sensor", "promise") == "unknown"
    assert "synthetic" not in attributes(hass, "sensor", "promise")


@pytest.mark.usefixtures("all_entities_enabled")
async def test_score_and_time_of_the_latest_event(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "score") == "unknown"
    await say(hass, "camera/drive/verdict", verdict())
    assert state(hass, "sensor", "score") == "0.9231"
    assert state(hass, "sensor", "decision_time") == "1585.0"
    await say(hass, "camera/drive/verdict", nuisance(state="unknown", score=None))
    assert state(hass, "sensor", "score") == "unknown"


async def test_events_worth_a_look(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "review") == "unknown"
    await say(hass, "camera/drive/review", REVIEW)
    assert state(hass, "sensor", "review") == "1"
    (event,) = attributes(hass, "sensor", "review")["events"]
    assert (event["event_id"], event["why"]) == ("20261123_021512_7be01d", "close_call")
    await say(hass, "camera/drive/review", {"events": []})
    assert state(hass, "sensor", "review") == "0"
    await say(hass, "camera/drive/review", "")
    assert state(hass, "sensor", "review") == "unknown"


@pytest.mark.parametrize("key", ["unknown", "decision_time", "score", "learning", "promise"])
async def test_what_few_people_need_is_off_at_first(hass: HomeAssistant, site, key: str) -> None:
    entry = er.async_get(hass).async_get(entity_id(hass, "sensor", key))
    assert entry is not None
    assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION


@pytest.mark.parametrize(
    ("judged", "word"),
    [
        (verdict(), "person"),
        (verdict(objects=[]), "moved"),
        (nuisance(reason="light"), "light"),
        (nuisance(reason="of_a_newer_worker"), "other"),
    ],
)
async def test_the_reason_is_a_word(hass: HomeAssistant, site, judged: dict, word: str) -> None:
    assert state(hass, "sensor", "reason") == "unknown"
    await say(hass, "camera/drive/verdict", judged)
    assert state(hass, "sensor", "reason") == word
    shown = attributes(hass, "sensor", "reason")
    assert shown["code"] == judged["reason"]
    assert shown["explanation"] == judged["explanation"]


async def test_what_is_wrong_is_said_in_words(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "status", "") == "fine"
    errors = [
        {"key": "drive/slow", "message": f"drive: {'so ' * 100}slow", "at": moment()},
        {"key": "broker", "message": "the broker is slow", "at": moment()},
    ]
    await say(hass, "worker/main/health", changed(HEALTH, errors=errors))
    assert state(hass, "sensor", "status", "").startswith("drive: so so")
    assert len(attributes(hass, "sensor", "status", "")["errors"]) == 2
    await say(hass, "worker/main/health", changed(HEALTH, errors=errors[1:]))
    assert state(hass, "sensor", "status", "") == "the broker is slow"
    old = changed(HEALTH, last_error=errors[1])
    del old["errors"]
    await say(hass, "worker/main/health", old)
    assert state(hass, "sensor", "status", "") == "the broker is slow"
    await say(hass, "worker/main/status", "offline")
    assert state(hass, "sensor", "status", "") == "offline"


async def test_what_would_have_been_suppressed_is_counted(hass: HomeAssistant, site) -> None:
    young = changed(STATS, events=69, relevant=40, unknown=5, suppressed=0)
    await say(hass, "camera/drive/stats", young)
    assert state(hass, "sensor", "nuisance") == "24"
    assert state(hass, "sensor", "suppressed") == "0"


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        ({"learned": True}, "learned"),
        ({"events_seen": 19}, "needs_events"),
        ({"sessions_seen": 6}, "needs_times"),
        ({}, "needs_lesson"),
        ({"events_needed": 0}, "off"),
    ],
)
async def test_learning_is_told_in_words(
    hass: HomeAssistant, site, seen: dict[str, Any], word: str
) -> None:
    learning = STATS["learning"] | {"learned": False} | seen
    await say(hass, "camera/drive/stats", changed(STATS, learning=learning))
    assert state(hass, "sensor", "learning_stage") == word
    assert attributes(hass, "sensor", "learning_stage")["sessions_needed"] == 24


NEEDS = "has 19 of the 40 events that it needs, at 6 of 24 different times"


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ({"days_left": 4.2}, f"{NEEDS}; about 5 days at this pace"),
        ({"days_left": 0.3}, f"{NEEDS}; about one day at this pace"),
        ({"days_left": None}, NEEDS),
        ({"events_seen": 86, "sessions_seen": 60}, None),
        ({"learned": True}, None),
        ({"events_needed": 0}, None),
    ],
)
async def test_what_learning_needs_is_told_with_its_pace(
    hass: HomeAssistant, site, seen: dict[str, Any], sentence: str | None
) -> None:
    young = {"learned": False, "events_seen": 19, "sessions_seen": 6}
    learning = STATS["learning"] | young | seen
    await say(hass, "camera/drive/stats", changed(STATS, learning=learning))
    assert attributes(hass, "sensor", "learning_stage")["progress"] == sentence


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "bei diesem Tempo noch etwa 5 Tage"),
        ("es", "a este ritmo faltan unos 5 días"),
        ("fr", "encore 5 jours environ à ce rythme"),
        ("it", "a questo ritmo mancano circa 5 giorni"),
    ],
)
async def test_the_pace_is_told_in_the_language_of_the_house(
    hass: HomeAssistant, start_site: Any, language: str, words: str
) -> None:
    hass.config.language = language
    await start_site()
    learning = STATS["learning"] | {"learned": False, "events_seen": 19, "days_left": 5}
    await say(hass, "camera/drive/stats", changed(STATS, learning=learning))
    assert attributes(hass, "sensor", "learning_stage")["progress"].endswith(words)


async def test_a_worker_that_names_no_needs_is_understood(hass: HomeAssistant, site) -> None:
    learning = STATS["learning"] | {"learned": False}
    del learning["events_needed"], learning["sessions_needed"], learning["days_left"]
    await say(hass, "camera/drive/stats", changed(STATS, learning=learning))
    assert state(hass, "sensor", "learning_stage") == "needs_lesson"
    assert attributes(hass, "sensor", "learning_stage")["progress"] is None
