"""What a memory makes of a drawn garden: what is usual, what is new, what it forgets."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.camera_memory.assessed import assess, observe
from tests.watched import (
    HISTORY,
    TURNED,
    Watched,
    described,
    history,
    other_tree,
    person_over_the_tree,
    scene_encoder,
    watch,
)
from veroallarme_core.camera_memory.assessed_region import AssessedRegion
from veroallarme_core.camera_memory.scene_memory import (
    HALF_LIFE_DAYS,
    SESSION_S,
    SceneMemory,
)
from veroallarme_core.description.burst_evidence import Light, RegionEvidence
from veroallarme_core.drawing.script import CALM

DAY_S = 86400


def on_mover(
    memory: SceneMemory, event: Watched, at: float | None = None
) -> tuple[RegionEvidence, AssessedRegion]:
    """The region that shows the mover, and what the memory says of it."""
    mover = event.on_mover
    return mover, assess(memory, event, at)[event.evidence.regions.index(mover)]


def stands_out(memory: SceneMemory) -> bool:
    """Whether a person over the tree is further from usual than all that the tree does."""
    _, person = on_mover(memory, person_over_the_tree())
    tree = assess(memory, other_tree())
    return person.deviation > 2 * max(cues.deviation for cues in tree) and person.novelty > 2 * max(
        cues.novelty for cues in tree
    )


# --- what is usual --------------------------------------------------------------------------------


def test_swaying_tree_becomes_usual_and_a_person_before_it_does_not(memory: SceneMemory) -> None:
    for cues in assess(memory, other_tree()):
        assert cues.novelty < 0.2
        assert cues.sessions >= HISTORY // 4
        assert cues.deviation < 2.5
        assert cues.recurrence > 0.5
    _, person = on_mover(memory, person_over_the_tree())
    assert person.sessions == 0
    assert person.novelty > 0.4
    assert stands_out(memory)


def test_who_stays_for_some_events_does_not_become_background(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    _, before = on_mover(memory, event)
    observe(memory, *[event] * 4)
    _, after = on_mover(memory, event)
    assert after.deviation > 0.5 * before.deviation
    assert after.deviation > 2 * max(cues.deviation for cues in assess(memory, other_tree()))


def test_who_lingers_in_one_session_does_not_become_usual(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    session = SESSION_S * (event.at // SESSION_S)
    for minute in range(5):
        memory.observe(event.evidence, f"again_{minute}", session + 60 * minute)
    _, lingering = on_mover(memory, event, session + 300)
    assert lingering.sessions == 0
    assert lingering.novelty > 0.4
    _, later = on_mover(memory, event, session + DAY_S)
    assert later.sessions == 1, "five events of one session are seen once"
    assert 0.2 < later.novelty < lingering.novelty


def test_what_recurs_at_other_times_becomes_usual(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    for day in range(1, 4):
        memory.observe(event.evidence, f"day_{day}", event.at + day * DAY_S)
    _, postman = on_mover(memory, event, event.at + 4 * DAY_S)
    assert postman.sessions == 3
    assert postman.novelty < 0.05


def test_half_of_what_was_seen_is_forgotten_in_the_half_life() -> None:
    memory = SceneMemory(scene_encoder().name)
    first, last = history()[0], history()[-1]
    calm = replace(first.evidence, moved=np.zeros_like(first.evidence.moved), regions=())
    memory.observe(first.evidence, "first", 0.0)
    memory.observe(calm, "second", HALF_LIFE_DAYS * DAY_S)
    assert memory.recurrence().max() == pytest.approx(0.5 / 1.5, abs=0.01)
    memory.observe(last.evidence, "from_the_past", 5.0)
    assert np.isfinite(memory.recurrence()).all(), "a clock that was set back forgets nothing"


def test_clock_becomes_usual(memory: SceneMemory) -> None:
    def with_clock(number: int) -> Watched:
        event = watch(number, wind=CALM)
        frames = tuple(
            cv2.putText(frame.copy(), f"{7 * number + index:02}", (130, 60), 0, 0.8, (255,) * 3, 2)
            for index, frame in enumerate(event.frames)
        )
        return described(event.event_id, event.moment, frames)

    observe(memory, *(with_clock(30 + number) for number in range(8)))
    event = with_clock(50)
    assert event.evidence.regions
    assert all(cues.sessions >= 3 for cues in assess(memory, event))
    assert stands_out(memory)
    assert memory.reaimed == 0


# --- light, weather, view -------------------------------------------------------------------------


def test_lights_are_kept_apart(memory: SceneMemory) -> None:
    by_day = memory.plates[Light.DAY].location.copy()
    infrared, dusk = ("infrared",) * 3, ("dusk",) * 3
    nights = [watch(number, hours=12 + 24 * number, light=infrared) for number in range(6)]
    evenings = [
        watch(number, hours=10 + 24 * number, light=dusk, exposure=(0.9,) * 3)
        for number in range(2)
    ]
    assert {event.evidence.light for event in nights} == {Light.INFRARED}
    assert {event.evidence.light for event in evenings} == {Light.DUSK}
    assert not memory.knows(nights[0].evidence), "the first night says nothing yet"
    assert not any(observe(memory, *nights, *evenings)), "a night is not another view"
    assert memory.knows(nights[0].evidence)
    assert not memory.knows(evenings[0].evidence)
    assert np.array_equal(memory.plates[Light.DAY].location, by_day)
    assert not any(observe(memory, *history()[:3])), "nor is the next morning"
    assert stands_out(memory)


def test_days_of_rain_do_not_destroy_the_memory(memory: SceneMemory) -> None:
    overcast = ("overcast",) * 3
    rain = [
        watch(number, hours=24 + 4 * number, light=overcast, rain=1.0 + number % 3 / 2)
        for number in range(12)
    ]
    assert not any(observe(memory, *rain))
    assert memory.reaimed == 0
    assert not memory.observe(other_tree().evidence, "sunshine", other_tree().at + 4 * DAY_S)
    assert stands_out(memory)


def test_camera_that_was_turned_is_noticed_and_learned_anew(memory: SceneMemory) -> None:
    turned = [watch(40 + number, turn=TURNED) for number in range(5)]
    assert observe(memory, *turned[:3]) == [False] * 3
    assert not memory.knows(turned[0].evidence)
    assert not memory.knows(other_tree().evidence), "what was usual in another view says nothing"
    assert observe(memory, *turned[3:]) == [True, False]
    assert memory.events == 2, "what the view before has shown is no progress of this one"
    assert memory.reaimed == 1
    assert len(memory.sessions) == 2
    assert memory.bank.session.min() == int(turned[3].at // SESSION_S)


def test_view_that_comes_back_is_the_old_one(memory: SceneMemory) -> None:
    observe(memory, *(watch(40 + number, turn=TURNED) for number in range(3)))
    assert not memory.observe(other_tree().evidence, "back", other_tree().at)
    assert stands_out(memory)


def test_person_before_the_camera_is_no_other_view(memory: SceneMemory) -> None:
    def someone_near(number: int) -> Watched:
        event = watch(40 + number)
        frames = []
        for index, frame in enumerate(event.frames):
            frames.append(frame.copy())
            centre = 70 + 20 * index
            cv2.ellipse(frames[-1], (centre, 130), (38, 80), 0, 0, 360, (70, 50, 45), -1)
            cv2.circle(frames[-1], (centre, 35), 24, (140, 160, 190), -1)
        return described(event.event_id, event.moment, tuple(frames))

    assert not any(observe(memory, *map(someone_near, range(5))))
    assert memory.knows(other_tree().evidence)
    assert stands_out(memory)


def test_picture_of_another_shape_is_another_view_only_when_it_stays(memory: SceneMemory) -> None:
    wide = watch(50, size=(144, 256))
    assert wide.evidence.grid != memory.grid
    assert observe(memory, *[wide] * 3) == [False] * 3
    assert not memory.knows(wide.evidence)
    assert observe(memory, other_tree(), *[wide] * 4) == [False] * 4 + [True]
    assert memory.grid == wide.evidence.grid


def test_what_was_described_in_part_teaches_nothing(memory: SceneMemory) -> None:
    event = other_tree()
    part = replace(event.evidence, features=event.evidence.features[:0])
    before = memory.events
    with pytest.raises(ValueError, match="learns from whole frames"):
        memory.observe(part, "20260101_000000_000000", 0.0)
    assert memory.events == before
