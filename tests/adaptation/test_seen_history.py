"""What was seen of events before: to go on from there is the same as to look at all of them."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.watched import TURNED, history, scene_encoder, watch
from veroallarme_core.adaptation import observed_events
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import EventFolder, list_events
from veroallarme_core.adaptation.observed_event import (
    MOST_SPRITE_PX,
    MOST_SPRITES,
    ObservedEvent,
    forget_old_sprites,
)
from veroallarme_core.adaptation.observed_events import observe_history
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.seen_history import (
    SEEN_FILE,
    SeenHistory,
    read_seen,
    write_seen,
)
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory.memory_file import pack_memory
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.contract import ObjectKind, Zone, ZoneKind
from veroallarme_core.pipeline import EventPipeline

FEW = AdaptationOptions(intruders=6, recall=0.9, confidence=0.9)
ZONE = Zone(name="all", kind=ZoneKind.ONLY, points=((0, 0), (1, 0), (1, 1), (0, 1)))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the events that were looked at."""
    ids: list[str] = []
    observe = observed_events._observe

    def spy(source: EventFolder, *arguments: Any) -> Any:
        ids.append(source.event_id)
        return observe(source, *arguments)

    monkeypatch.setattr(observed_events, "_observe", spy)
    return ids


def write(folder: Path, *numbers: int) -> list[str]:
    """Write some events of the history; return their ids."""
    chosen = [history()[number] for number in numbers]
    for event in chosen:
        event.write(folder)
    return [event.event_id for event in chosen]


def adapt(data: Path, seen: Path | None, options: AdaptationOptions = FEW) -> Any:
    """Learn the camera; return its memory and model as they would be written."""
    pipeline = EventPipeline(encoder=scene_encoder())
    memory, model, report = adapt_camera(list_events(data), pipeline, {}, options, seen_file=seen)
    return pack_memory(memory.content()), vars(model), replace(report, seconds=0.0)


def look(data: Path, seen: Path, options: AdaptationOptions = FEW) -> Any:
    """Look at all events; return the memory as it would be written, and the ids of the events."""
    pipeline = EventPipeline(encoder=scene_encoder())
    memory, known, _ = observe_history(list_events(data), pipeline, options, lambda *_: None, seen)
    return pack_memory(memory.content()), [event.source.event_id for event in known]


def assert_same(one: Any, other: Any) -> None:
    """Compare what `adapt` returns, bit for bit."""
    (facts, arrays), model, report = one
    assert facts == other[0][0]
    assert report == other[2]
    for name, array in arrays.items():
        assert np.array_equal(array, other[0][1][name]), name
    for name, value in model.items():
        assert np.array_equal(value, other[1][name]), name


def test_only_what_is_new_is_looked_at_and_it_comes_to_the_same(
    tmp_path: Path, looked: list[str]
) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    write(data, *range(9))
    adapt(data, seen)
    assert len(looked) == 9
    looked.clear()
    new = write(data, *range(9, 13))
    in_two_nights = adapt(data, seen)
    assert looked == new
    assert_same(in_two_nights, adapt(data, None))
    looked.clear()
    assert_same(adapt(data, seen), in_two_nights)
    assert looked == []


def test_what_the_user_says_of_an_old_event_is_heard(tmp_path: Path) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    first, *_ = write(data, *range(9))
    adapt(data, seen)
    pipeline = EventPipeline(encoder=scene_encoder())
    memory, _, _ = adapt_camera(list_events(data), pipeline, {first: False}, FEW, seen_file=seen)
    assert (memory.bank.label == -1).any()
    memory, _, _ = adapt_camera(list_events(data), pipeline, {}, FEW, seen_file=seen)
    assert not memory.bank.label.any(), "a thumb that was taken back"


def test_events_whose_pictures_are_gone_teach_no_head(tmp_path: Path, looked: list[str]) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    ids = write(data, *range(9))
    look(data, seen)
    for event_id in ids[:3]:
        shutil.rmtree(data / event_id)
    looked.clear()
    _, known = look(data, seen)
    assert (known, looked) == (ids[3:], [])
    for event_id in ids[3:]:
        shutil.rmtree(data / event_id)
    new = write(data, *range(12, 18))
    (facts, _), _ = look(data, seen)
    assert looked == new
    assert facts["events"] == 6, "nothing is left of the others: the memory begins anew"


@pytest.mark.parametrize(
    "changed",
    [{"zones": (ZONE,)}, {"objects": (ObjectKind.PERSON,)}],
    ids=["zones", "objects"],
)
def test_other_conditions_look_at_all_events_anew(
    tmp_path: Path, looked: list[str], changed: dict[str, Any]
) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    write(data, *range(6))
    look(data, seen)
    looked.clear()
    look(data, seen, replace(FEW, **changed))
    assert len(looked) == 6


def test_folders_that_are_not_named_by_their_time_are_looked_at_anew(
    tmp_path: Path, looked: list[str]
) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    for number, event_id in enumerate(write(data, *range(6))):
        (data / event_id).rename(data / f"event{number}b")
    look(data, seen)
    looked.clear()
    look(data, seen)
    assert looked == []
    (data / write(data, 8)[0]).rename(data / "event0a")
    look(data, seen)
    assert len(looked) == 7, "the others have other times by now"


@pytest.mark.parametrize("damage", ["torn", "other numbers", "fewer cells"])
def test_a_damaged_file_is_told_and_made_anew(
    tmp_path: Path, looked: list[str], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    write(data, *range(6))
    (facts, _), known = look(data, seen)
    if damage == "torn":
        seen.write_bytes(seen.read_bytes()[:1000])
    else:
        with np.load(seen) as file:
            arrays = dict(file)
        if damage == "other numbers":
            arrays["features"] = np.full_like(arrays["features"], np.inf)
        else:
            arrays["cells"] = arrays["cells"][1:]
        np.savez(seen, **arrays)
    looked.clear()
    with caplog.at_level(logging.WARNING):
        (again, _), known_again = look(data, seen)
    assert (again, known_again) == (facts, known)
    assert len(looked) == 6
    (said,) = caplog.messages
    assert said.startswith(f"all events are looked at anew: {seen} ")
    looked.clear()
    look(data, seen)
    assert looked == []


def test_a_disk_that_is_full_costs_only_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    data = tmp_path / "data"
    write(data, *range(6))
    monkeypatch.setattr(observed_events, "write_seen", full)
    _, known = look(data, tmp_path / SEEN_FILE)
    assert len(known) == 6
    assert "No space left on device" in caplog.text


def test_events_before_the_camera_was_turned_are_not_looked_at_again(
    tmp_path: Path, looked: list[str]
) -> None:
    data, seen = tmp_path / "data", tmp_path / SEEN_FILE
    write(data, *range(8))
    for number in range(40, 45):
        watch(number, turn=TURNED).write(data)
    (turned, _), known = look(data, seen)
    assert turned["reaimed"] == 1
    looked.clear()
    (again, _), known_again = look(data, seen)
    assert (again, known_again) == (turned, known)
    assert looked == []


# --- the file -----------------------------------------------------------------------------------


def observed(number: int, **more: Any) -> ObservedEvent:
    """Return an event of the history with everything that can be kept of one."""
    event = history()[number]
    regions = tuple(
        replace(region, object_score=score, change=change)
        for region, score, change in zip(
            event.evidence.regions, (0.25, np.nan) * 8, (np.nan, 1.5) * 8, strict=False
        )
    )
    return ObservedEvent(
        EventFolder(event.event_id, Path(event.event_id), event.at),
        replace(event.evidence, regions=regions, detector="nanodet"),
        is_whole=True,
        counts=np.arange(len(regions)) % 2 == 0,
        **more,
    )


def test_everything_that_is_kept_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    sprites = tuple(
        Sprite(
            rng.random((height, 7, 3), np.float32), rng.random((height, 7), np.float32), kind
        ).rounded()
        for height, kind in ((30, "person"), (12, "animal"))
    )
    seen = SeenHistory(SceneMemory("lite"))
    seen.add(observed(0, sightings=(Sighting(0.9, 0.3), Sighting(0.5, 0.1)), sprites=sprites))
    seen.add(observed(1, is_alerting=True))
    seen.of_other_views["20260101_000000_000000"] = 5.0
    there = [event.source for event in seen.known]
    there.append(EventFolder("20260101_000000_000000", Path(), 5.0))
    write_seen(tmp_path / SEEN_FILE, {"zones": []}, seen)
    again = read_seen(tmp_path / SEEN_FILE, {"zones": []}, "lite", there)
    assert again is not None
    assert again.of_other_views == seen.of_other_views
    assert again.missing(there) == []
    for old, new in zip(seen.known, again.known, strict=True):
        assert (new.source, new.is_whole, new.is_alerting) == (old.source, True, old.is_alerting)
        assert new.sightings == old.sightings
        assert np.array_equal(new.counts, old.counts)
        assert new.evidence.grid == old.evidence.grid
        assert np.array_equal(new.evidence.moved, old.evidence.moved)
        assert (new.evidence.light, new.evidence.detector) == (old.evidence.light, "nanodet")
        for one, other in zip(new.regions, old.regions, strict=True):
            for name, value in vars(other).items():
                kept = getattr(one, name)
                if isinstance(value, np.ndarray):
                    assert kept.dtype == value.dtype, name
                    assert np.array_equal(kept, value), name
                else:
                    assert kept == value or np.isnan([kept, value]).all(), name
        for one, other in zip(new.sprites, old.sprites, strict=True):
            assert np.array_equal(one.light, other.light)
            assert np.array_equal(one.alpha, other.alpha)
            assert (one.kind, one.is_grey, one.foot) == (other.kind, other.is_grey, other.foot)


def test_a_history_without_motion_is_kept_as_well(tmp_path: Path) -> None:
    still = history()[0]
    event = ObservedEvent(
        EventFolder(still.event_id, Path(), still.at),
        replace(still.evidence, regions=()),
        is_whole=False,
        counts=np.zeros(0, np.bool_),
    )
    seen = SeenHistory(SceneMemory("lite"))
    seen.add(event)
    write_seen(tmp_path / SEEN_FILE, {}, seen)
    again = read_seen(tmp_path / SEEN_FILE, {}, "lite", [event.source])
    assert again is not None
    assert [found.regions for found in again.known] == [()]


def test_the_latest_movers_stay() -> None:
    small = Sprite(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32), "person")
    events = [observed(0, sprites=(small,)) for _ in range(MOST_SPRITES + 3)]
    forget_old_sprites(events)
    assert [bool(event.sprites) for event in events] == [False] * 3 + [True] * MOST_SPRITES
    half = (MOST_SPRITE_PX // 2 // 1000, 1000)
    large = Sprite(np.zeros((*half, 3), np.float32), np.zeros(half, np.float32), "vehicle")
    events = [observed(0, sprites=(large,)) for _ in range(3)]
    forget_old_sprites(events)
    assert [bool(event.sprites) for event in events] == [False, True, True]
