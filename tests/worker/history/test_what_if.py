"""What other settings would have done is what `veroallarme score` says with those settings."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LearnedCamera
from tests.worker.history.test_past_events import stored_verdict
from veroallarme_core.adaptation import AdaptationOptions, adapt_folder, list_events
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.commands import score_folder
from veroallarme_core.commands.score import judge_event
from veroallarme_core.contract import (
    CameraSettings,
    FrameCounts,
    Mode,
    ObjectKind,
    OnUnknown,
    State,
)
from veroallarme_core.pipeline import EventPipeline
from veroallarme_core.worker.history import (
    Choice,
    RecentEvents,
    RememberedEvent,
    answer,
    recalls_known,
)
from veroallarme_core.worker.history.what_if import state_under, would_alarm
from veroallarme_core.worker.storage import EventStore, Storage

# It learns and scores, with threads of its own, which the worker's tests do not.
pytestmark = pytest.mark.networks

FILTER = CameraSettings(mode=Mode.FILTER)
PEOPLE = (ObjectKind.PERSON,)


@dataclass(frozen=True)
class Past:
    """A camera that has learned, its folder of events, and what is stored of them."""

    data: Path
    state: Path
    events: Sequence[RememberedEvent]


@pytest.fixture(scope="module")
def past(learned_camera: LearnedCamera, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Every third event of a camera that has learned, judged and stored as the worker does."""
    folder = tmp_path_factory.mktemp("past")
    for event in list_events(learned_camera.data)[1::3]:
        shutil.copytree(event.folder, folder / "data" / event.event_id)
    store = EventStore(folder / "store")
    state = CameraState.read(learned_camera.state)
    pipeline = EventPipeline.with_shipped_networks(looks_again=True)
    for event in list_events(folder / "data"):
        result = judge_event(event, pipeline, FILTER, state)
        at = datetime.fromtimestamp(event.at, UTC)
        verdict = result.to_verdict(
            event_id=event.event_id, camera="front", settings=FILTER, learning=False,
            motion_at=at, decided_at=at + timedelta(seconds=2), merged=0, frames=FrameCounts(),
            fetch_ms=1.0,
        )  # fmt: skip
        store.add_verdict(verdict)
        assert result.look_again is not None
        store.outcomes.add(event.event_id, result.look_again().to_dict())
    stored = store.outcomes.judged_before("front", None, 500)
    store.close()
    read = [RememberedEvent.read(one) for one in stored]
    return Past(folder / "data", learned_camera.state, [one for one in read if one is not None])


def scored(past: Past, tmp_path: Path, state: Path | None = None, **how: Any) -> dict[str, State]:
    """Return what `veroallarme score` says of every event."""
    output = tmp_path / "scores.csv"
    score_folder(past.data, state or past.state, output, **how)
    with output.open(newline="", encoding="utf-8") as file:
        return {row["event_id"]: State(row["state"]) for row in csv.DictReader(file)}


def check(past: Past, choice: Choice, says: dict[str, State]) -> None:
    told = {event.event_id: state_under(event, choice) for event in past.events}
    assert told == says
    found = answer(past.events, choice)
    assert found.alarms == sum(state is not State.IRRELEVANT for state in says.values())
    assert found.not_known == 0


@pytest.mark.parametrize("threshold", [0.3, 0.85])
def test_threshold(past: Past, tmp_path: Path, threshold: float) -> None:
    choice = Choice(mode=Mode.FILTER, threshold=threshold)
    check(past, choice, scored(past, tmp_path, threshold=threshold))


def test_kinds(past: Past, tmp_path: Path) -> None:
    check(past, Choice(mode=Mode.FILTER, objects=PEOPLE), scored(past, tmp_path, objects=PEOPLE))


def test_recall(past: Past, learned_camera: LearnedCamera, tmp_path: Path) -> None:
    options = AdaptationOptions(recall=0.95, confidence=0.9, intruders=50)
    report = adapt_folder(learned_camera.data, tmp_path / "state", None, options)
    assert report["learned"]
    assert 0.95 in recalls_known(past.events)
    choice = Choice(mode=Mode.FILTER, recall=0.95)
    now, then = (answer(past.events, one).alarms for one in (Choice(mode=Mode.FILTER), choice))
    assert then != now, "the other promise makes a difference"
    check(past, choice, scored(past, tmp_path, tmp_path / "state"))
    both = replace(choice, threshold=0.7)
    check(past, both, scored(past, tmp_path, tmp_path / "state", threshold=0.7))


def test_a_recall_that_could_not_be_promised_is_not_known(past: Past) -> None:
    choice = Choice(mode=Mode.FILTER, recall=0.999)
    found = answer(past.events, choice)
    assert found.not_known > 0
    assert found.alarms >= found.not_known


# --- modes, thumbs, and verdicts of before ----------------------------------------------------


def remembered(state: State, **changes: Any) -> RememberedEvent:
    """Return an event of which only the verdict is stored."""
    import json

    from veroallarme_core.worker.storage import JudgedEvent

    thumb = changes.pop("thumb", None)
    verdict = stored_verdict(1, state, **changes)
    event = RememberedEvent.read(
        JudgedEvent(
            motion_at="", event_id=verdict.event_id, verdict=json.dumps(verdict.to_dict()),
            outcomes=None, feedback=thumb,
        )
    )  # fmt: skip
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("mode", "learning", "state", "rings"),
    [
        (Mode.SHADOW, False, State.IRRELEVANT, True),
        (Mode.AUTO, True, State.IRRELEVANT, True),
        (Mode.AUTO, False, State.IRRELEVANT, False),
        (Mode.FILTER, True, State.IRRELEVANT, False),
        (Mode.FILTER, False, State.RELEVANT, True),
        (Mode.FILTER, False, State.UNKNOWN, True),
    ],
)
def test_mode(mode: Mode, learning: bool, state: State, rings: bool) -> None:
    score = {State.IRRELEVANT: 0.1, State.RELEVANT: 0.9, State.UNKNOWN: None}[state]
    event = remembered(state, learning=learning, score=score)
    assert would_alarm(event, Choice(mode=mode)) is rings


def test_what_cannot_be_judged_follows_the_users_word() -> None:
    event = remembered(State.UNKNOWN)
    choice = Choice(mode=Mode.FILTER, on_unknown=OnUnknown.SUPPRESS)
    assert would_alarm(event, choice) is False


@pytest.mark.parametrize(
    ("state", "score", "threshold", "told"),
    [
        (State.RELEVANT, 0.8, 0.5, State.RELEVANT),
        (State.RELEVANT, 0.8, 0.79, State.RELEVANT),
        (State.RELEVANT, 0.8, 0.8, None),  # the stored score is rounded
        (State.RELEVANT, 0.8, 0.9, None),  # nobody has looked for what is faint
        (State.IRRELEVANT, 0.2, 0.9, State.IRRELEVANT),
        (State.IRRELEVANT, 0.2, 0.3, State.IRRELEVANT),
        (State.IRRELEVANT, 0.2, 0.1, State.RELEVANT),
        (State.UNKNOWN, None, 0.9, State.UNKNOWN),
        (State.UNKNOWN, None, 0.1, None),
    ],
)
def test_a_verdict_alone_tells_what_follows_from_it(
    state: State, score: float | None, threshold: float, told: State | None
) -> None:
    event = remembered(state, score=score)
    assert state_under(event, Choice(threshold=threshold)) is told
    assert state_under(event, Choice(threshold=threshold, objects=PEOPLE)) is None
    assert state_under(event, Choice(threshold=threshold, recall=0.9)) is None


def test_thumbs_tell_what_would_be_lost_and_what_would_still_ring() -> None:
    events = [
        remembered(State.IRRELEVANT, score=0.1, thumb=True),
        remembered(State.RELEVANT, score=0.9, thumb=True),
        remembered(State.RELEVANT, score=0.9, thumb=False),
        remembered(State.IRRELEVANT, score=0.1, thumb=False),
    ]
    found = answer(events, Choice(mode=Mode.FILTER))
    assert (found.events, found.alarms, found.suppressed) == (4, 2, 2)
    assert (found.confirmed, found.missed) == (2, 1)
    assert (found.rejected, found.still_ringing) == (2, 1)
    assert found.lost == (events[0],)


async def test_the_last_500_are_read_newest_first_and_broken_ones_left_out(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "data")
    verdicts = [stored_verdict(number, State.RELEVANT) for number in range(12)]
    for verdict in verdicts:
        store.add_verdict(verdict)
    store.outcomes.add(verdicts[3].event_id, {"version": 99})
    store.outcomes.add("20200101_000000_ffffff", {"of": "no event"})
    storage = Storage(store)
    try:
        events = await RecentEvents(storage).of("front")
        assert [event.event_id for event in events] == [one.event_id for one in verdicts[::-1]]
        assert all(event.outcomes is None for event in events)
    finally:
        storage.close()
